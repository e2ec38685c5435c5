/*
 * cmd_keys.c - `keys create`, `keys list` and `keys revoke`: the keys of the hive of this home, in
 * its file (api/keys.h). A hive that runs notices by itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/keys.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/dir_lock.h"
#include "base/path.h"
#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/node/keeper.h"
#include "keeper/shell/interrupt.h"
#include "keeper/shell/table.h"

#define PLAIN_FILE    "api-key"
#define USED_FILE     "run/keys-used"
#define USED_FILE_MAX (16u << 10)

static enum api_code code_of(int rc)
{
    switch (rc) {
    case ERR_NOT_FOUND:
        return API_NOT_FOUND;
    case ERR_INVALID:
    case ERR_CONFLICT:
    case ERR_LIMIT:
    case ERR_DENIED: /* the mode of a file, which its owner can mend */
        return API_INVALID_REQUEST;
    case ERR_BUSY:
        return API_QUEUE_TIMEOUT;
    default:
        return API_INTERNAL;
    }
}

/* Only what was typed is a usage error: not a file's mode, what is in it, or one key too many. */
static int fail(struct keeper *k, int rc, const struct err *err, bool typed)
{
    struct keys keys;
    bool damaged = keys_load(config_home(k->config), &keys, NULL) != 0;
    int code = keeper_fail_err(k, code_of(rc), err);

    return code == CLI_USAGE && (!typed || damaged || rc != ERR_INVALID) ? CLI_ERROR : code;
}

/* ---- create ---- */

/* Nobody has seen it, and nobody will: it is not left as one that opens the hive. */
static void take_back(struct keeper *k, const char *key)
{
    unsigned char hash[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES], print[KEYS_PRINT_BYTES];
    struct keys_entry gone;
    struct err err = {0};

    sha256_of(key, strlen(key), hash);
    if (keys_revoke(config_home(k->config), sha256_hex(hash, hex), KEYS_WAIT_MS, NULL, &gone, &err))
        term_say(&k->term, "The key %s, which nobody has seen, is in the list: %s.",
                 keys_print(hash, print), err.text);
    else
        term_say(&k->term, "The key was not shown, and is not in the list.");
}

int cmd_keys_create(const struct cli_command *self, int argc, char **argv)
{
    const struct keeper_flags flags = {0};
    const char *name = "key";
    const struct cli_opt opts[] = {
        {"name", 0, CLI_STR, &name, 0, 0, "NAME", "what the key is called in lists and logs", 0},
        {0}};
    char key[ACCESS_KEY_MAX + 1];
    struct keeper k = {.command = self->name};
    struct err err = {0};
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    rc = keeper_open(&k, self, &flags);
    if (rc != CLI_GO)
        return keeper_end(&k, rc);
    rc = keys_create(config_home(k.config), name, KEYS_WAIT_MS, interrupt_flag(), key, &err);
    if (rc)
        return keeper_end(&k, fail(&k, rc, &err, true));
    if (out_printf(&k.out, "%s\n", key))
        take_back(&k, key);
    else
        term_note(&k.term, "This is shown once: only its hash is kept.");
    explicit_bzero(key, sizeof key);
    return keeper_end(&k, CLI_DONE);
}

/* ---- list ---- */

/* The key of the older file beside the list, when there is one; it may be in the list, too. */
static int add_plain(const char *home, struct keys *keys, struct err *err)
{
    char key[ACCESS_KEY_MAX + 1], *path = path_join(home, PLAIN_FILE);
    struct err why = {0};
    bool made;
    int rc = path ? access_load_key(path, false, key, &made, &why)
                  : err_no_memory(&why, strlen(home), "a path");

    free(path);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc)
        return err_set(err, rc, "%s", why.text);
    keys_add(keys, key, PLAIN_FILE, 0, NULL);
    explicit_bzero(key, sizeof key);
    return 0;
}

/* When a key was last used, of the hive's notes; 0 = never. */
static int64_t used_s(const char *notes, const struct keys_entry *entry)
{
    char hex[SHA256_HEX_BYTES], seconds[24];
    const char *line = strstr(notes, sha256_hex(entry->hash, hex));
    int64_t s = 0;

    if (!line || line[SHA256_HEX_BYTES - 1] != ' ')
        return 0;
    line += SHA256_HEX_BYTES;
    snprintf(seconds, sizeof seconds, "%.*s", (int)strcspn(line, "\n"), line);
    str_to_i64(seconds, &s);
    return s;
}

static const char *when(int64_t s, char dst[CLOCK_ISO_BYTES])
{
    const struct timespec t = {.tv_sec = s};

    return s > 0 ? clock_iso8601(clock_unix_ms_of(&t), dst) : "-";
}

/* The same in JSON: null, as the hive says never. */
static json_t *json_when(const char *when)
{
    return str_eq(when, "-") ? json_null() : json_string(when);
}

static void show(struct keeper *k, const struct keys *keys, const char *notes, bool json)
{
    static const char *const heads[] = {"KEY", "NAME", "CREATED", "LAST USED"};
    struct table *t = table_create(heads, sizeof heads / sizeof heads[0]);
    json_t *list = json_array(), *root = json_pack("{s:o}", "keys", list);

    for (size_t i = 0; t && root && i < keys->n; i++) {
        const struct keys_entry *e = &keys->items[i];
        char print[KEYS_PRINT_BYTES], made[CLOCK_ISO_BYTES], used[CLOCK_ISO_BYTES];
        const char *const cells[] = {keys_print(e->hash, print), e->name, when(e->made_s, made),
                                     when(used_s(notes, e), used)};

        table_add(t, cells);
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "fingerprint", cells[0],
                                              "name", cells[1], "created", json_when(cells[2]),
                                              "last_used", json_when(cells[3])));
    }
    if (json && root)
        keeper_print_json(k, root);
    else if (t)
        table_print(t, "There are no keys.", &k->out);
    table_free(t);
    json_decref(root);
}

static char *read_notes(const char *home)
{
    char *path = path_join(home, USED_FILE), *text = NULL;
    size_t n;

    if (!path || path_read_file(path, USED_FILE_MAX, &text, &n, NULL) != 0)
        text = str_dup("");
    free(path);
    return text;
}

int cmd_keys_list(const struct cli_command *self, int argc, char **argv)
{
    struct keeper_flags flags = {0};
    const struct cli_opt opts[] = {KEEPER_OPT_JSON(flags), {0}};
    struct keeper k = {.command = self->name};
    struct err err = {0};
    struct keys keys;
    char *notes;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    rc = keeper_open(&k, self, &flags);
    if (rc != CLI_GO)
        return keeper_end(&k, rc);
    rc = keys_load(config_home(k.config), &keys, &err);
    if (rc)
        return keeper_end(&k, fail(&k, rc, &err, false));
    if (add_plain(config_home(k.config), &keys, &err))
        term_say(&k.term, "The key of the file " PLAIN_FILE " is not shown: %s.", err.text);
    notes = read_notes(config_home(k.config));
    show(&k, &keys, notes ? notes : "", flags.json);
    free(notes);
    return keeper_end(&k, CLI_DONE);
}

/* ---- revoke ---- */

/* No power cut brings it back. */
static int remove_plain(const char *home, struct err *err)
{
    char *path = path_join(home, PLAIN_FILE);
    struct dir_lock lock = DIR_LOCK_NONE;
    int rc = path ? dir_lock_take(home, KEYS_WAIT_MS, interrupt_flag(), &lock, err)
                  : err_no_memory(err, strlen(home), "a path");

    if (rc == 0 && unlink(path) != 0)
        rc = err_errno(err, ERR_IO, errno, "cannot remove %s", path);
    if (rc == 0)
        rc = dir_lock_sync(&lock, home, err);
    dir_lock_release(&lock);
    free(path);
    return rc;
}

/* Removes the older file when its key has that fingerprint. */
static int revoke_plain(const char *home, const char *print, struct keys_entry *out,
                        struct err *err)
{
    struct keys plain = {.n = 0};
    char hex[SHA256_HEX_BYTES];
    int rc = add_plain(home, &plain, err);

    if (rc)
        return rc;
    if (plain.n == 0 || strncmp(sha256_hex(plain.items[0].hash, hex), print, strlen(print)) != 0)
        return ERR_NOT_FOUND;
    *out = plain.items[0];
    return remove_plain(home, err);
}

/*
 * A key may stand in both files, and opens until it is in neither. A file that a hive does not take
 * either is only told of.
 */
static int revoke_twin(struct keeper *k, const struct keys_entry *gone, struct err *err)
{
    char hex[SHA256_HEX_BYTES];
    struct keys_entry twin;
    int rc = revoke_plain(config_home(k->config), sha256_hex(gone->hash, hex), &twin, err);

    switch (rc) {
    case 0:
        out_printf(&k->out, "It was the key of the file " PLAIN_FILE " as well, which is gone.\n");
        return 0;
    case ERR_NOT_FOUND:
        return 0;
    case ERR_DENIED:
    case ERR_INVALID:
    case ERR_LIMIT:
        term_say(&k->term, "Whether the file " PLAIN_FILE " holds it as well is not known: %s.",
                 err->text);
        return 0;
    default:
        err_prefix(err, "the file " PLAIN_FILE " may hold it as well");
        return rc;
    }
}

/* By the beginning of its hash, in the list and in the older file; `beside`: in this, too. */
static int revoke_print(const char *home, const char *print, struct keys_entry *gone, bool *beside,
                        struct err *err)
{
    int rc = keys_revoke(home, print, KEYS_WAIT_MS, interrupt_flag(), gone, err);

    *beside = rc == ERR_NOT_FOUND;
    if (!*beside)
        return rc;
    rc = revoke_plain(home, print, gone, err);
    if (rc != ERR_NOT_FOUND && rc != 0)
        err_prefix(err,
                   "there is no key %.12s in the list, and that of the file " PLAIN_FILE
                   " is not known",
                   print);
    return rc;
}

/* A whole key in place of its fingerprint goes by its hash, and nothing repeats it. One of hex
 * digits may be either. */
static int revoke_word(const char *home, const char *word, struct keys_entry *gone, bool *beside,
                       struct err *err)
{
    size_t n = strlen(word);
    bool is_hex = strspn(word, "0123456789abcdef") == n;
    char hex[SHA256_HEX_BYTES];
    unsigned char hash[SHA256_BYTES];
    int rc = ERR_NOT_FOUND;

    if (is_hex || n < ACCESS_KEY_MIN)
        rc = revoke_print(home, word, gone, beside, err);
    if (rc != ERR_NOT_FOUND || n < ACCESS_KEY_MIN)
        return rc;
    sha256_of(word, n, hash);
    return revoke_print(home, sha256_hex(hash, hex), gone, beside, err);
}

int cmd_keys_revoke(const struct cli_command *self, int argc, char **argv)
{
    const struct keeper_flags flags = {0};
    const struct cli_opt opts[] = {{0}};
    const char *word = NULL;
    char print[KEYS_PRINT_BYTES];
    struct keeper k = {.command = self->name};
    struct keys_entry gone;
    struct err err = {0};
    size_t n = 0;
    bool beside; /* it was looked for in the older file as well */
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &word, 1, &n);

    if (rc != CLI_GO)
        return rc;
    if (n == 0)
        return keeper_usage(&k, "name a key by its fingerprint, as `keys list` shows it");
    rc = keeper_open(&k, self, &flags);
    if (rc != CLI_GO)
        return keeper_end(&k, rc);
    rc = revoke_word(config_home(k.config), word, &gone, &beside, &err);
    if (rc == ERR_NOT_FOUND)
        return keeper_end(&k,
                          keeper_fail_missing(&k, err.text, "`rbee-keeper keys list` shows them."));
    if (rc)
        return keeper_end(&k, fail(&k, rc, &err, !beside));
    out_printf(&k.out, "Revoked the key %s (%s).\n", keys_print(gone.hash, print), gone.name);
    if (revoke_twin(&k, &gone, &err))
        return keeper_end(&k, keeper_fail_err(&k, API_INTERNAL, &err));
    return keeper_end(&k, CLI_DONE);
}
