/* node_secrets.c - see node_secrets.h. Jansson for the file's text; one thread. */
#include "keeper/node/node_secrets.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/json_whole.h"
#include "base/dir_lock.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sweep.h"
#include "keeper/node/node.h"

#define FILE_NAME      "nodes.json"
#define OWN_HIVE       "run/hive.json"
#define OWN_LOCK       "run/hive.lock"
#define OWN_KEY        "api-key"
#define FILE_MAX_BYTES (256u << 10)

/* ---- the text ---- */

int node_secrets_parse(const char *path, const char *text, size_t n, json_t **out, struct err *err)
{
    json_error_t why = {0};

    *out = json_loadb(text, n, 0, &why);
    if (json_is_object(*out))
        return 0;
    json_decref(*out);
    *out = NULL;
    return err_set(err, ERR_INVALID, "%s, line %d: this is not what `node add` writes: %s", path,
                   why.line, why.text);
}

/* Names of nodes know no case, here neither. */
static void lower(const char *name, char *dst, size_t dst_size)
{
    size_t i = 0;

    for (; i < dst_size - 1 && name[i]; i++)
        dst[i] = (char)tolower((unsigned char)name[i]);
    dst[i] = '\0';
}

/* What is damaged must not become less than it was: an entry without its pin would trust anyone
 * with a certificate, one without TLS would send the key in the clear. The key may be elsewhere. */
static int read_entry(const json_t *entry, const char *name, struct node_secret *out,
                      struct err *err)
{
    const json_t *tls = json_object_get(entry, "tls"), *key = json_object_get(entry, "key");
    const char *pin = json_string_value(json_object_get(entry, "pin"));

    out->tls = json_is_true(tls);
    if (!json_is_boolean(tls) || !pin || (pin[0] && !tls_is_pin(pin)) ||
        (key && !json_is_string(key)) || !str_copy(out->pin, sizeof out->pin, pin) ||
        !str_copy(out->key, sizeof out->key, key ? json_string_value(key) : ""))
        return err_set(err, ERR_INVALID,
                       "what is kept of the node '%.60s' in " FILE_NAME " is damaged; add it anew",
                       name);
    return 0;
}

int node_secrets_get(const json_t *all, const char *name, bool *found, struct node_secret *out,
                     struct err *err)
{
    const json_t *entry;
    char key[256];

    *out = (struct node_secret){0};
    lower(name, key, sizeof key);
    entry = json_object_get(all, key);
    *found = entry != NULL;
    return entry ? read_entry(entry, name, out, err) : 0;
}

int node_secrets_set(json_t *all, const char *name, const struct node_secret *s, bool *changed,
                     struct err *err)
{
    char key[256];

    lower(name, key, sizeof key);
    *changed = true;
    if (!s)
        *changed = json_object_del(all, key) == 0;
    else if (json_object_set_new(
                 all, key,
                 json_pack("{s:b, s:s, s:s}", "tls", s->tls, "pin", s->pin, "key", s->key)))
        return err_no_memory(err, sizeof *s, "a node's key");
    return 0;
}

/* ---- the file ---- */

/* What others must not do with the file: read it where it holds keys, else write it. */
enum { HOLDS_KEYS = 077, TELLS_A_PLACE = 022 };

static int check_mode(const char *path, mode_t forbidden, struct err *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno == ENOENT ? ERR_NOT_FOUND
                               : err_errno(err, ERR_IO, errno, "cannot look at %s", path);
    if (st.st_mode & forbidden)
        return err_set(err, ERR_DENIED, "%s %s by others (mode %03o): run `chmod 600 %s` first",
                       path,
                       forbidden == HOLDS_KEYS ? "holds keys and can be read"
                                               : "says where the hive is and can be written",
                       (unsigned)st.st_mode & 0777, path);
    return 0;
}

/* The object in the file. */
static int read_object(const char *path, mode_t forbidden, json_t **out, struct err *err)
{
    char *text;
    size_t n;
    int rc = check_mode(path, forbidden, err);

    if (rc == 0)
        rc = path_read_file(path, FILE_MAX_BYTES, &text, &n, err);
    if (rc)
        return rc;
    rc = node_secrets_parse(path, text, n, out, err);
    free(text);
    return rc;
}

/* The nodes' secrets; none when there is no file. */
static int load(const char *path, json_t **out, struct err *err)
{
    int rc = read_object(path, HOLDS_KEYS, out, err);

    if (rc != ERR_NOT_FOUND)
        return rc;
    *out = json_object();
    return *out ? 0 : err_no_memory(err, 64, "the nodes' keys");
}

static int save(const char *path, const json_t *all, struct err *err)
{
    char *text = json_write(all, JSON_INDENT(1) | JSON_SORT_KEYS);
    int rc = text ? path_write_file(path, text, strlen(text), 0600, err)
                  : err_no_memory(err, FILE_MAX_BYTES, "the nodes' keys");

    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    return rc;
}

int node_secrets_find(const char *home, const char *name, bool *found, struct node_secret *out,
                      struct err *err)
{
    char *path = path_join(home, FILE_NAME);
    json_t *all = NULL;
    int rc = path ? load(path, &all, err) : err_no_memory(err, strlen(home), "a path");

    *out = (struct node_secret){0};
    *found = false;
    if (rc == 0)
        rc = node_secrets_get(all, name, found, out, err);
    json_decref(all);
    free(path);
    return rc;
}

int node_secrets_touch(const char *home, struct err *err)
{
    char *path = path_join(home, FILE_NAME);
    json_t *all = NULL;
    int rc = path ? load(path, &all, err) : err_no_memory(err, strlen(home), "a path");

    if (rc == 0)
        rc = save(path, all, err);
    json_decref(all);
    free(path);
    return rc;
}

int node_secrets_put(const char *home, const char *name, const struct node_secret *s,
                     struct err *err)
{
    char *path = path_join(home, FILE_NAME);
    json_t *all = NULL;
    int rc = path ? load(path, &all, err) : err_no_memory(err, strlen(home), "a path");
    bool changed = false;

    if (path)
        sweep_copies(path); /* they may hold a key that is to go */
    if (rc == 0)
        rc = node_secrets_set(all, name, s, &changed, err);
    if (rc == 0 && changed)
        rc = path_make_dirs(home, 0700, err);
    if (rc == 0 && changed)
        rc = save(path, all, err);
    json_decref(all);
    free(path);
    return rc;
}

/* ---- the hive beside us ---- */

/* Where it listens; everywhere is localhost, too. */
static int read_place(const json_t *j, struct config_addr *out, struct err *err)
{
    const char *host = json_string_value(json_object_get(j, "host"));
    json_int_t port = json_integer_value(json_object_get(j, "port"));
    struct config_addr said = {.port = 0};
    char text[CONFIG_HOST_MAX + 9];

    if (!host || !str_copy(said.host, sizeof said.host, host) || port < 1 || port > UINT16_MAX ||
        config_addr_parse(config_addr_text(&said, text, sizeof text), 0, out, NULL))
        return err_set(err, ERR_INVALID, OWN_HIVE " is not what a hive writes there; restart it");
    if (str_eq(out->host, "0.0.0.0") || str_eq(out->host, "::"))
        str_copy(out->host, sizeof out->host, "localhost");
    out->port = (uint16_t)port;
    return 0;
}

/* One that was killed has left its file, and its address may be a stranger's by now. With TLS the
 * stranger has no certificate that fits, and the file stays on purpose. */
bool node_secrets_hive_runs(const char *home)
{
    char *path = path_join(home, OWN_LOCK);
    bool running = path && dir_lock_is_held(path);

    free(path);
    return running;
}

int node_secrets_own_hive(const char *home, bool here, struct config_addr *addr,
                          struct node_secret *out, struct err *err)
{
    char *path = path_join(home, OWN_HIVE), *key_path = path_join(home, OWN_KEY);
    struct config_addr at;
    json_t *j = NULL;
    bool made;
    int rc = path && key_path ? read_object(path, TELLS_A_PLACE, &j, err)
                              : err_no_memory(err, strlen(home), "a path");

    *out = (struct node_secret){0};
    if (rc == 0)
        rc = read_place(j, &at, err);
    if (rc == 0)
        rc = read_entry(j, "localhost", out, err);
    if (rc == 0 && !node_same_place(addr, &at) &&
        !(here && (out->tls || node_secrets_hive_runs(home))))
        rc = ERR_NOT_FOUND;
    if (rc)
        *out = (struct node_secret){0};
    else if (here)
        *addr = at;
    /* Without TLS whoever listens there would get it; and one that was revoked is not there. */
    if (rc == 0 && (!out->tls || access_load_key(key_path, false, out->key, &made, NULL) != 0))
        out->key[0] = '\0';
    json_decref(j);
    free(path);
    free(key_path);
    return rc;
}
