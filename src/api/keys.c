/* keys.c - see keys.h. */
#include "api/keys.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/dir_lock.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sweep.h"

#define FILE_MAX_BYTES (64u << 10)
#define LINE_BYTES     (2 * SHA256_BYTES + 24 + KEYS_NAME_BYTES)

/* ---- the list ---- */

char *keys_print(const unsigned char hash[SHA256_BYTES], char dst[KEYS_PRINT_BYTES])
{
    char hex[SHA256_HEX_BYTES];

    sha256_hex(hash, hex);
    str_copy(dst, KEYS_PRINT_BYTES, hex);
    return dst;
}

uint64_t keys_mark(const unsigned char hash[SHA256_BYTES])
{
    uint64_t mark;

    memcpy(&mark, hash, sizeof mark);
    return mark ? mark : 1;
}

uint64_t keys_mark_of(const char *key)
{
    unsigned char hash[SHA256_BYTES];

    sha256_of(key, strlen(key), hash);
    return keys_mark(hash);
}

bool keys_has_mark(const struct keys *k, uint64_t mark)
{
    for (size_t i = 0; i < k->n; i++)
        if (keys_mark(k->items[i].hash) == mark)
            return true;
    return false;
}

int keys_find(const struct keys *k, const char *key)
{
    unsigned char hash[SHA256_BYTES];
    int found = -1;

    sha256_of(key, strlen(key), hash);
    for (size_t i = 0; i < k->n; i++)
        found = sha256_same(k->items[i].hash, hash) ? (int)i : found;
    return found;
}

bool keys_has(const struct keys *k, const unsigned char hash[SHA256_BYTES])
{
    for (size_t i = 0; i < k->n; i++)
        if (sha256_same(k->items[i].hash, hash))
            return true;
    return false;
}

static bool is_name(const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < n; i++)
        if (!isascii((unsigned char)name[i]) ||
            (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i])))
            return false;
    return n > 0 && n < KEYS_NAME_BYTES;
}

static int too_many(struct err *err)
{
    return err_set(err, ERR_LIMIT,
                   "there are %d keys already, which is the limit: revoke one that is not used",
                   KEYS_LISTED_MAX);
}

static int put(struct keys *k, const struct keys_entry *entry, struct err *err)
{
    char print[KEYS_PRINT_BYTES];

    if (!is_name(entry->name))
        return err_set(err, ERR_INVALID,
                       "'%.60s' is no name for a key: 1 to %d letters, digits, '.', '_' or '-'",
                       entry->name, KEYS_NAME_BYTES - 1);
    if (keys_has(k, entry->hash))
        return err_set(err, ERR_CONFLICT, "the key %s is there twice",
                       keys_print(entry->hash, print));
    if (k->n == KEYS_MAX)
        return too_many(err);
    k->items[k->n++] = *entry;
    return 0;
}

int keys_add(struct keys *k, const char *key, const char *name, int64_t made_s, struct err *err)
{
    struct keys_entry entry = {.made_s = made_s};

    if (!str_copy(entry.name, sizeof entry.name, name))
        return err_set(err, ERR_INVALID, "a key's name has at most %d characters, not %zu",
                       KEYS_NAME_BYTES - 1, strlen(name));
    sha256_of(key, strlen(key), entry.hash);
    return put(k, &entry, err);
}

/* ---- the file's text ---- */

/* "<hash> <seconds> <name>", NUL-terminated; false for anything else. */
static bool parse_line(char *line, struct keys_entry *out)
{
    char *made = line + 2 * SHA256_BYTES, *name;

    *out = (struct keys_entry){0};
    if (strlen(line) < 2 * SHA256_BYTES + 4 || !sha256_from_hex(line, out->hash) || *made++ != ' ')
        return false;
    name = strchr(made, ' ');
    if (!name)
        return false;
    *name++ = '\0';
    return str_to_i64(made, &out->made_s) == 0 && str_copy(out->name, sizeof out->name, name);
}

int keys_parse(const char *path, const char *text, size_t n, struct keys *out, struct err *err)
{
    unsigned number = 1;

    out->n = 0;
    for (const char *p = text; p < text + n; number++) {
        const char *end = memchr(p, '\n', (size_t)(text + n - p));
        size_t len = (size_t)((end ? end : text + n) - p);
        struct keys_entry entry;
        char line[LINE_BYTES];
        int rc = 0;

        if (len > 0 && p[0] != '#') {
            bool fits = len < sizeof line && !memchr(p, '\0', len);

            if (fits) {
                memcpy(line, p, len);
                line[len] = '\0';
            }
            rc = fits && parse_line(line, &entry)
                     ? put(out, &entry, err)
                     : err_set(err, ERR_INVALID, "this is no \"HASH SECONDS NAME\"");
        }
        if (rc == 0 && out->n > KEYS_LISTED_MAX)
            rc = too_many(err);
        if (rc) {
            err_prefix(err, "%s, line %u", path, number);
            return rc;
        }
        p += len + 1;
    }
    return 0;
}

static int put_text(const struct keys *k, struct buf *text)
{
    char hex[SHA256_HEX_BYTES];

    buf_puts(text, "# The keys of this hive, as hashes; see `rbee-keeper keys`.\n");
    for (size_t i = 0; i < k->n; i++)
        buf_printf(text, "%s %lld %s\n", sha256_hex(k->items[i].hash, hex),
                   (long long)k->items[i].made_s, k->items[i].name);
    return buf_failed(text) ? -1 : 0;
}

/* ---- the file ---- */

static int load_path(const char *path, struct keys *out, struct err *err)
{
    struct stat st;
    char *text;
    size_t n;
    int rc;

    out->n = 0;
    if (stat(path, &st) != 0)
        return errno == ENOENT ? 0 : err_errno(err, ERR_IO, errno, "cannot look at %s", path);
    if (st.st_mode & 077)
        return err_set(err, ERR_DENIED,
                       "%s can be read by others (mode %03o): run `chmod 600 %s` first", path,
                       (unsigned)st.st_mode & 0777, path);
    rc = path_read_file(path, FILE_MAX_BYTES, &text, &n, err);
    if (rc)
        return rc;
    rc = keys_parse(path, text, n, out, err);
    free(text);
    return rc;
}

int keys_load(const char *home, struct keys *out, struct err *err)
{
    char *path = path_join(home, KEYS_FILE);
    int rc = path ? load_path(path, out, err) : err_no_memory(err, strlen(home), "a path");

    free(path);
    return rc;
}

static int save(const char *path, const struct keys *k, struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, FILE_MAX_BYTES);
    rc = put_text(k, &text) ? err_no_memory(err, FILE_MAX_BYTES, "the list of keys")
                            : path_write_file(path, text.data, text.len, 0600, err);
    buf_done(&text);
    return rc;
}

/* A change of the list, made while nobody else makes one. */
static int change(const char *home, int wait_ms, const volatile bool *stop,
                  int (*make)(struct keys *k, void *arg, struct err *err), void *arg,
                  struct err *err)
{
    char *path = path_join(home, KEYS_FILE);
    struct keys k;
    struct dir_lock lock = DIR_LOCK_NONE;
    int rc;

    if (!path)
        return err_no_memory(err, strlen(home), "a path");
    rc = path_make_dirs(home, 0700, err);
    if (rc == 0)
        rc = dir_lock_take(home, wait_ms, stop, &lock, err);
    if (rc == 0)
        sweep_copies(path);
    if (rc == 0)
        rc = load_path(path, &k, err);
    if (rc == 0)
        rc = make(&k, arg, err);
    if (rc == 0)
        rc = save(path, &k, err);
    if (rc == 0) /* else a power cut may bring the old list back */
        rc = dir_lock_sync(&lock, home, err);
    dir_lock_release(&lock);
    free(path);
    return rc;
}

struct creation {
    const char *name, *key;
};

static int add_made(struct keys *k, void *arg, struct err *err)
{
    const struct creation *c = arg;

    if (k->n >= KEYS_LISTED_MAX)
        return too_many(err);
    return keys_add(k, c->key, c->name, clock_unix_ms() / 1000, err);
}

/* A key that nobody has seen opens nothing. */
static void take_back(const char *home, const char *key)
{
    unsigned char hash[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    struct keys_entry gone;

    sha256_of(key, strlen(key), hash);
    keys_revoke(home, sha256_hex(hash, hex), 0, NULL, &gone, NULL);
}

int keys_create(const char *home, const char *name, int wait_ms, const volatile bool *stop,
                char key[ACCESS_KEY_MAX + 1], struct err *err)
{
    struct creation c = {name, key};
    int rc;

    access_make_key(key);
    rc = change(home, wait_ms, stop, add_made, &c, err);
    if (rc == ERR_IO || rc == ERR_NO_SPACE) /* it may be in the list, and nobody will be told it */
        take_back(home, key);
    return rc;
}

int keys_check_room(const char *home, struct err *err)
{
    struct keys k;
    int rc = keys_load(home, &k, err);

    return rc == 0 && k.n >= KEYS_LISTED_MAX ? too_many(err) : rc;
}

struct revocation {
    const char *print;
    struct keys_entry *out;
};

static int take_out(struct keys *k, void *arg, struct err *err)
{
    const struct revocation *r = arg;
    size_t n = strlen(r->print), found = k->n;
    char hex[SHA256_HEX_BYTES];

    if (n < KEYS_PRINT_BYTES - 1)
        return err_set(err, ERR_INVALID, "'%s' is no fingerprint: it has %d or more hex digits",
                       r->print, KEYS_PRINT_BYTES - 1);
    for (size_t i = 0; i < k->n; i++) {
        if (strncmp(sha256_hex(k->items[i].hash, hex), r->print, n) != 0)
            continue;
        if (found < k->n)
            return err_set(
                err, ERR_CONFLICT,
                "several keys begin with %s: give more of the digits in the file " KEYS_FILE,
                r->print);
        found = i;
    }
    if (found == k->n)
        return err_set(err, ERR_NOT_FOUND, "there is no key %.12s among the %zu", r->print, k->n);
    *r->out = k->items[found];
    k->n--;
    memmove(&k->items[found], &k->items[found + 1], (k->n - found) * sizeof k->items[0]);
    return 0;
}

int keys_revoke(const char *home, const char *print, int wait_ms, const volatile bool *stop,
                struct keys_entry *out, struct err *err)
{
    struct revocation r = {print, out};

    return change(home, wait_ms, stop, take_out, &r, err);
}
