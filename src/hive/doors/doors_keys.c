/* doors_keys.c - the list of keys while the hive runs: read anew when its files change. See
 * doors.h. Linux: inotify. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "api/access_share.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/doors/doors_internal.h"
#include "hive/doors/revoke.h"
#include "hive/doors/security_log.h"

#define EVENTS_BYTES 4096
#define LOST_EVENTS  (IN_MOVE_SELF | IN_DELETE_SELF | IN_IGNORED | IN_UNMOUNT)
#define WATCHED_EVENTS                                                                             \
    (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE | IN_ATTRIB |            \
     IN_MOVE_SELF | IN_DELETE_SELF)

/* ---- reading ---- */

static int read_plain(const char *home, struct keys *out, struct err *err)
{
    char key[ACCESS_KEY_MAX + 1], *path = path_join(home, DOORS_KEY_FILE);
    struct err why = {0};
    bool made;
    int rc = path ? access_load_key(path, false, key, &made, &why)
                  : err_no_memory(&why, strlen(home), "a path");

    free(path);
    out->n = 0;
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc)
        return err_set(err, rc, "%s", why.text);
    rc = keys_add(out, key, DOORS_KEY_FILE, 0, err);
    explicit_bzero(key, sizeof key);
    return rc;
}

static const struct source {
    const char *name;
    int (*read)(const char *home, struct keys *out, struct err *err); /* not there: no keys */
} sources[DOORS_N_FILES] = {{KEYS_FILE, keys_load}, {DOORS_KEY_FILE, read_plain}};

/* One list of what stands in the files; a key may stand in both. */
static void put_together(struct doors *d)
{
    d->keys.n = 0;
    for (size_t f = 0; f < DOORS_N_FILES; f++)
        for (size_t i = 0; i < d->files[f].keys.n; i++)
            if (!keys_has(&d->keys, d->files[f].keys.items[i].hash)) {
                BUG_ON(d->keys.n == KEYS_MAX);
                d->keys.items[d->keys.n++] = d->files[f].keys.items[i];
            }
}

int doors_read_keys(struct doors *d, struct err *err)
{
    int rc = 0;

    for (size_t f = 0; f < DOORS_N_FILES && rc == 0; f++)
        rc = sources[f].read(d->home, &d->files[f].keys, err);
    if (rc == 0)
        put_together(d);
    return rc;
}

/* ---- reading again ---- */

/*
 * A key in the clear is dropped when its file is not what is taken at a start: who overwrote it
 * wants the old one gone. The list stays, for `keys revoke` does not change one that is bad, and
 * says so; and all keys would be shut out by a slip of an editor.
 */
static bool is_dropped(size_t f, int rc)
{
    return str_eq(sources[f].name, DOORS_KEY_FILE) &&
           (rc == ERR_DENIED || rc == ERR_INVALID || rc == ERR_LIMIT);
}

static void tell_failed(struct doors *d, const char *name, bool dropped, const struct err *why)
{
    log_error("the keys of the file %s %s: %s", name,
              dropped ? "open nothing any more" : "stay as they were, until it can be read",
              why->text);
    security_log_event(d->log, "keys_reload_failed",
                       json_pack("{s:s, s:b}", "file", name, "dropped", dropped));
}

static void read_again(struct doors *d, size_t f)
{
    struct doors_file *file = &d->files[f];
    struct err err = {0};
    struct keys now;
    int rc = doors_look(d, sources[f].name, &file->seen, &err); /* before it: nothing is missed */
    bool dropped;

    if (rc == 0)
        rc = sources[f].read(d->home, &now, &err);
    dropped = is_dropped(f, rc);
    if (rc == 0)
        file->keys = now;
    else if (dropped)
        file->keys.n = 0;
    if (rc && rc != file->failed) /* once, not each second */
        tell_failed(d, sources[f].name, dropped, &err);
    else if (rc == 0 && file->failed)
        log_info("the file %s can be read again", sources[f].name);
    file->failed = rc;
}

void doors_free_spare(struct doors *d)
{
    if (d->spare_fd >= 0)
        close(d->spare_fd);
    d->spare_fd = -1;
}

void doors_keep_spare(struct doors *d)
{
    if (d->spare_fd < 0)
        d->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void read_all_again(struct doors *d)
{
    doors_free_spare(d);
    for (size_t f = 0; f < DOORS_N_FILES; f++)
        read_again(d, f);
    doors_keep_spare(d);
}

static void retry_later(struct doors *d)
{
    const struct timeval later = {.tv_sec = DOORS_RETRY_MS / 1000};
    bool wanted = false;

    for (size_t f = 0; f < DOORS_N_FILES; f++)
        wanted |= d->files[f].failed != 0 || d->files[f].seen.elsewhere;
    if (wanted && d->retry)
        event_add(d->retry, &later);
}

void doors_tell_created(struct doors *d, const struct keys_entry *key)
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
        if (!keys_has(b, a->items[i].hash))
            tell(d, &a->items[i]);
}

/* ---- a home that is another folder now ---- */

/* A list that is not there is an empty one; not so where the folder is about to be put back. */
static bool files_are_there(const struct doors *d)
{
    bool there = true;

    for (size_t f = 0; f < DOORS_N_FILES; f++) {
        char *path = path_join(d->home, sources[f].name);

        there = there && (d->files[f].keys.n == 0 || (path && path_is_file(path)));
        free(path);
    }
    return there;
}

static void tell_lost(struct doors *d)
{
    d->lost = true;
    log_warn("the folder %s was moved or deleted: the keys stay as they are until their files are "
             "there again",
             d->home);
}

/* A machine has so many watches for each user, and an editor or a container may hold them all: that
 * is no reason to serve nobody. */
static void do_without_watch(struct doors *d, int why)
{
    log_warn("changes of the keys in %s cannot be followed: %s (`sysctl fs.inotify` shows the "
             "limits); their files are looked at each second instead",
             d->home, strerror(why));
    if (d->watch)
        event_free(d->watch);
    if (d->watch_fd >= 0)
        close(d->watch_fd);
    d->watch = NULL;
    d->watch_fd = d->watch_id = -1;
    d->unwatched = true;
    doors_look(d, ".", &d->folder, NULL);
}

/* Is the home another folder than before, or none? Nobody tells. */
static void look_at_home(struct doors *d)
{
    const struct doors_seen before = d->folder;

    if (doors_look(d, ".", &d->folder, NULL) == 0 && !d->lost &&
        (d->folder.dev != before.dev || d->folder.ino != before.ino))
        tell_lost(d);
}

/* False: there is nothing to read yet, and it is looked for again each second. */
static bool is_followed(struct doors *d)
{
    const struct timeval later = {.tv_sec = DOORS_RETRY_MS / 1000};

    if (d->watch_id < 0 && d->watch_fd >= 0) {
        d->watch_id = inotify_add_watch(d->watch_fd, d->home, WATCHED_EVENTS);
        if (d->watch_id < 0 && errno == ENOSPC) /* else it is not there yet */
            do_without_watch(d, errno);
    }
    if (d->unwatched)
        look_at_home(d);
    if (!d->lost)
        return true;
    if ((d->watch_id < 0 && !d->unwatched) || !files_are_there(d)) {
        event_add(d->retry, &later);
        return false;
    }
    d->lost = false;
    log_info("the keys' files are in %s again", d->home);
    return true;
}

static void lose(struct doors *d)
{
    inotify_rm_watch(d->watch_fd, d->watch_id);
    d->watch_id = -1;
    tell_lost(d);
}

void doors_reload(struct doors *d)
{
    const struct keys before = d->keys;

    if (!d->access.keys || !is_followed(d))
        return;
    read_all_again(d);
    put_together(d);
    doors_forget_used(d);
    access_share_publish(d->share, &d->keys);
    each_missing(d, &d->keys, &before, doors_tell_created);
    each_missing(d, &before, &d->keys, end_revoked);
    retry_later(d);
}

/* ---- following the files ---- */

static bool is_ours(const char *name)
{
    return str_eq(name, KEYS_FILE) || str_eq(name, DOORS_KEY_FILE);
}

/* A file that is made is read when it was written; to a link nothing more happens. */
static bool is_news(const struct doors *d, const struct inotify_event *e, const char *name)
{
    struct doors_seen now;

    if (!is_ours(name))
        return false;
    return !(e->mask & IN_CREATE) || (doors_look(d, name, &now, NULL) == 0 && now.elsewhere);
}

static void on_change(evutil_socket_t fd, short what, void *arg)
{
    _Alignas(struct inotify_event) char bytes[EVENTS_BYTES];
    ssize_t n = read(fd, bytes, sizeof bytes);
    struct doors *d = arg;
    bool changed = d->lost;

    (void)what;
    for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
        struct inotify_event e;

        memcpy(&e, bytes + at, sizeof e);
        changed |= (e.mask & IN_Q_OVERFLOW) || (e.len > 0 && is_news(d, &e, bytes + at + sizeof e));
        if ((e.mask & LOST_EVENTS) && e.wd == d->watch_id) {
            lose(d);
            changed = true;
        }
        at += (ssize_t)(sizeof e + e.len);
    }
    if (changed)
        doors_reload(d);
}

static bool is_other(const struct doors *d, size_t f)
{
    struct doors_seen now;

    return doors_look(d, sources[f].name, &now, NULL) == 0 &&
           !doors_seen_same(&now, &d->files[f].seen);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    struct doors *d = arg;
    bool read = d->lost;

    (void)fd;
    (void)what;
    for (size_t f = 0; f < DOORS_N_FILES && !read; f++)
        read = d->files[f].failed || is_other(d, f);
    if (read)
        doors_reload(d);
    else
        retry_later(d);
}

int doors_watch(struct doors *d, struct event_base *base, struct err *err)
{
    if (!d->access.keys)
        return 0;
    d->retry = evtimer_new(base, on_retry, d);
    if (!d->retry)
        return err_no_memory(err, 128, "a timer");
    d->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    d->watch_id = d->watch_fd < 0 ? -1 : inotify_add_watch(d->watch_fd, d->home, WATCHED_EVENTS);
    if (d->watch_id < 0) {
        do_without_watch(d, errno);
    } else {
        d->watch = event_new(base, d->watch_fd, EV_READ | EV_PERSIST, on_change, d);
        if (!d->watch || event_add(d->watch, NULL))
            return err_no_memory(err, 128, "following changes of the keys");
    }
    doors_reload(d); /* what changed since they were read */
    return 0;
}

void doors_unwatch(struct doors *d)
{
    if (d->watch)
        event_free(d->watch);
    if (d->retry)
        event_free(d->retry);
    if (d->watch_fd >= 0)
        close(d->watch_fd);
    d->watch = d->retry = NULL;
    d->watch_fd = -1;
}
