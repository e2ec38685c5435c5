/* doors_keys.c - the list of keys while the hive runs: read anew when its files change, and noted
 * when it was used. See doors.h. Linux: inotify. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "api/access_share.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/doors_internal.h"
#include "hive/revoke.h"
#include "hive/security_log.h"

#define USED_FILE      "run/keys-used"
#define USED_FILE_MAX  (16u << 10)
#define EVENTS_BYTES   4096
#define WATCHED_EVENTS (IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE)

/* ---- reading ---- */

static int add_plain(const char *home, struct keys *out, struct err *err)
{
    char key[ACCESS_KEY_MAX + 1], *path = path_join(home, DOORS_KEY_FILE);
    struct err why = {0};
    bool made;
    int rc = path ? access_load_key(path, false, key, &made, &why)
                  : err_no_memory(&why, strlen(home), "a path");

    free(path);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc)
        return err_set(err, rc, "%s", why.text);
    rc = keys_add(out, key, DOORS_KEY_FILE, 0, err);
    explicit_bzero(key, sizeof key);
    return rc == ERR_CONFLICT ? 0 : rc; /* it is in the list of hashes, too */
}

int doors_read_keys(const struct doors *d, struct keys *out, struct err *err)
{
    int rc = keys_load(d->home, out, err);

    return rc ? rc : add_plain(d->home, out, err);
}

static bool has(const struct keys *k, const struct keys_entry *entry)
{
    for (size_t i = 0; i < k->n; i++)
        if (sha256_same(k->items[i].hash, entry->hash))
            return true;
    return false;
}

static void tell_created(struct doors *d, const struct keys_entry *key)
{
    char print[KEYS_PRINT_BYTES];

    keys_print(key->hash, print);
    log_info("key_created: %s (%s)", print, key->name);
    security_log_event(d->log, "key_created",
                       json_pack("{s:s, s:s}", "key", print, "name", key->name));
}

/* What it let in ends with it. */
static void end_revoked(struct doors *d, const struct keys_entry *key)
{
    uint32_t n = revoke_end(d->server, key->hash);
    char print[KEYS_PRINT_BYTES];

    keys_print(key->hash, print);
    log_info("key_revoked: %s (%s); %u requests under it were ended", print, key->name, n);
    security_log_event(
        d->log, "key_revoked",
        json_pack("{s:s, s:s, s:i}", "key", print, "name", key->name, "ended", (int)n));
}

/* For each key of `a` that is not in `b`. */
static void each_missing(struct doors *d, const struct keys *a, const struct keys *b,
                         void (*tell)(struct doors *, const struct keys_entry *))
{
    for (size_t i = 0; i < a->n; i++)
        if (!has(b, &a->items[i]))
            tell(d, &a->items[i]);
}

void doors_reload(struct doors *d)
{
    struct keys before = d->keys, now;
    struct err err = {0};

    if (!d->access.keys)
        return;
    if (doors_read_keys(d, &now, &err)) {
        log_error("the keys stay as they were: %s", err.text);
        return;
    }
    d->keys = now;
    access_share_publish(d->share, &d->keys);
    each_missing(d, &now, &before, tell_created);
    each_missing(d, &before, &now, end_revoked);
}

/* ---- following the files ---- */

static bool is_ours(const char *name)
{
    return str_eq(name, KEYS_FILE) || str_eq(name, DOORS_KEY_FILE);
}

static void on_change(evutil_socket_t fd, short what, void *arg)
{
    _Alignas(struct inotify_event) char bytes[EVENTS_BYTES];
    ssize_t n = read(fd, bytes, sizeof bytes);
    bool changed = false;

    (void)what;
    for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
        struct inotify_event e;

        memcpy(&e, bytes + at, sizeof e);
        changed |= (e.mask & IN_Q_OVERFLOW) || (e.len > 0 && is_ours(bytes + at + sizeof e));
        at += (ssize_t)(sizeof e + e.len);
    }
    if (changed)
        doors_reload(arg);
}

int doors_watch(struct doors *d, struct event_base *base, struct err *err)
{
    if (!d->access.keys)
        return 0;
    d->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (d->watch_fd < 0 || inotify_add_watch(d->watch_fd, d->home, WATCHED_EVENTS) < 0)
        return err_errno(err, ERR_IO, errno, "cannot follow changes of the keys in %s", d->home);
    d->watch = event_new(base, d->watch_fd, EV_READ | EV_PERSIST, on_change, d);
    if (!d->watch || event_add(d->watch, NULL))
        return err_no_memory(err, 128, "following changes of the keys");
    doors_reload(d); /* what changed since they were read */
    return 0;
}

void doors_unwatch(struct doors *d)
{
    if (d->watch)
        event_free(d->watch);
    if (d->watch_fd >= 0)
        close(d->watch_fd);
    d->watch = NULL;
    d->watch_fd = -1;
}

/* ---- when they were used ---- */

static size_t find_used(const struct doors *d, const unsigned char hash[SHA256_BYTES])
{
    for (size_t i = 0; i < d->n_used; i++)
        if (sha256_same(d->used[i], hash))
            return i;
    return d->n_used;
}

void doors_note_use(struct doors *d, const struct keys_entry *key)
{
    size_t i = find_used(d, key->hash);
    char print[KEYS_PRINT_BYTES];
    bool first = i == d->n_used;

    if (first && d->n_used == KEYS_MAX)
        i = 0; /* as many were revoked meanwhile */
    else if (first)
        d->n_used++;
    memcpy(d->used[i], key->hash, SHA256_BYTES);
    d->used_s[i] = clock_unix_ms() / 1000;
    if (first)
        security_log_event(
            d->log, "key_first_used",
            json_pack("{s:s, s:s}", "key", keys_print(key->hash, print), "name", key->name));
    doors_note_used(d, first);
}

/* Keys that were not used since the start keep what an earlier hive noted. */
static void keep_older(const struct doors *d, const char *path, struct buf *text)
{
    char *old = NULL;
    size_t n = 0;

    if (path_read_file(path, USED_FILE_MAX, &old, &n, NULL) != 0)
        return;
    for (const char *p = old; *p;) {
        unsigned char hash[SHA256_BYTES];
        size_t len = strcspn(p, "\n");
        struct keys_entry entry;

        if (len > 2 * SHA256_BYTES && sha256_from_hex(p, hash)) {
            memcpy(entry.hash, hash, sizeof hash);
            if (find_used(d, hash) == d->n_used && has(&d->keys, &entry))
                buf_printf(text, "%.*s\n", (int)len, p);
        }
        p += len + (p[len] == '\n');
    }
    free(old);
}

void doors_note_used(struct doors *d, bool now)
{
    char *path, hex[SHA256_HEX_BYTES];
    struct buf text;

    if (d->n_used == 0 || (!now && clock_ms() - d->noted_ms < DOORS_USED_MS))
        return;
    d->noted_ms = clock_ms();
    path = path_join(d->home, USED_FILE);
    buf_init(&text, USED_FILE_MAX);
    for (size_t i = 0; i < d->n_used; i++)
        buf_printf(&text, "%s %lld\n", sha256_hex(d->used[i], hex), (long long)d->used_s[i]);
    if (path)
        keep_older(d, path, &text);
    if (path && !buf_failed(&text))
        path_write_file(path, text.data, text.len, 0600, NULL);
    buf_done(&text);
    free(path);
}
