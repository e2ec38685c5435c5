/*
 * reach.c - see reach.h.
 *
 * A path is walked part by part, as the kernel would, so that nothing behind a mount is touched
 * before that mount has answered.
 */
#include "hive/disk/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/disk/mounts.h"
#include "hive/process/leftover.h"
#include "hive/process/moment.h"

#define LINKS_MAX 40 /* as the kernel: path_resolution(7) */
#define NAMES_MAX 16 /* of one automounter that are asked of at once; each may hang */

/* A file system that has been asked. */
struct far {
    LIST_ENTRY(far) link;
    int id;               /* of the mount */
    char *under;          /* owned; where that fans out: the name in it. Else "" */
    struct child looking; /* pidfd -1: nobody */
    int64_t asked_ms;
    int64_t good_ms; /* when it last answered; 0 = never */
    bool is_quick;   /* that was within REACH_QUICK_MS */
};

struct reach {
    struct event_base *base;
    int list_fd; /* /proc/self/mountinfo, polled for changes; -1 = there is none */
    bool stale;  /* a change was told, which could not be read yet */
    struct mounts mounts;
    LIST_HEAD(, far) all;
    /* A folder that was walked to over this machine's disks and no link: what begins as it does
     * need not be walked again before REACH_GOOD_MS are over. "" = none. */
    char plain[PATH_MAX];
    int64_t plain_ms; /* when it was walked to from the root */
};

int reach_create(struct event_base *base, struct reach **out, struct err *err)
{
    struct reach *r = calloc(1, sizeof *r);
    int rc = 0;

    if (!r)
        return err_no_memory(err, sizeof *r, "the file systems");
    r->base = base;
    LIST_INIT(&r->all);
    r->list_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    if (r->list_fd >= 0)
        rc = mounts_read(r->list_fd, &r->mounts, err);
    if (rc == 0)
        *out = r;
    else
        reach_free(r);
    return rc;
}

static void forget(struct reach *r, struct far *f)
{
    LIST_REMOVE(f, link);
    leftover_leave(r->base, &f->looking);
    free(f->under);
    free(f);
}

void reach_free(struct reach *r)
{
    struct far *f;

    if (!r)
        return;
    while ((f = LIST_FIRST(&r->all)))
        forget(r, f);
    mounts_done(&r->mounts);
    if (r->list_fd >= 0)
        close(r->list_fd);
    free(r);
}

static bool has_answered(struct far *f, int64_t wait_ms)
{
    if (!child_has_ended(&f->looking, wait_ms))
        return false;
    child_reap(&f->looking);
    f->good_ms = clock_ms();
    f->is_quick = f->good_ms - f->asked_ms <= REACH_QUICK_MS;
    return true;
}

/* ---- the list ---- */

static void renew(struct reach *r)
{
    struct pollfd p = {.fd = r->list_fd, .events = POLLPRI};
    struct mounts now;
    struct far *f, *next;

    if (r->list_fd < 0 || (!r->stale && poll(&p, 1, 0) <= 0))
        return;
    r->stale = mounts_read(r->list_fd, &now, NULL) != 0; /* told once, by poll */
    if (r->stale)
        return;
    mounts_done(&r->mounts);
    r->mounts = now;
    r->plain[0] = '\0';
    for (f = LIST_FIRST(&r->all); f; f = next) {
        next = LIST_NEXT(f, link);
        if (!mounts_has(&r->mounts, f->id))
            forget(r, f);
    }
}

/* The name behind the place of a mount that fans out: "/net/nas/x" -> "nas". free() */
static char *name_under(const struct mount *m, const char *done)
{
    const char *name = done + strlen(m->at);

    name += strspn(name, "/");
    return str_ndup(name, m->fans_out ? strcspn(name, "/") : 0);
}

/* The names of a mount that do not answer. One that was slow once may never be asked of again: it
 * is forgotten when it has answered. */
static unsigned n_silent(struct reach *r, const struct mount *m)
{
    struct far *f, *next;
    unsigned n = 0;

    for (f = LIST_FIRST(&r->all); f; f = next) {
        next = LIST_NEXT(f, link);
        if (f->id != m->id)
            continue;
        if (m->is_auto && (f->looking.pidfd < 0 || has_answered(f, 0)))
            forget(r, f);
        else
            n++;
    }
    return n;
}

/* NULL without memory, or where too many names of a mount do not answer. */
static struct far *far_of(struct reach *r, const struct mount *m, const char *done)
{
    char *under = name_under(m, done);
    struct far *f;

    LIST_FOREACH(f, &r->all, link)
    {
        if (under && f->id == m->id && str_eq(f->under, under)) {
            free(under);
            return f;
        }
    }
    f = under && n_silent(r, m) < NAMES_MAX ? calloc(1, sizeof *f) : NULL;
    if (!f) {
        free(under);
        return NULL;
    }
    *f = (struct far){.id = m->id, .under = under, .looking = {.pidfd = -1}};
    LIST_INSERT_HEAD(&r->all, f, link);
    return f;
}

/* ---- one file system ---- */

/* What is looked at. */
struct sight {
    const char *at, *path;
};

/* Runs in the new process. statfs asks NFS's server, stat mounts what autofs has not mounted yet.
 * An error is an answer, too. */
static int look(const void *arg)
{
    const struct sight *sight = arg;
    struct statfs of_mount;
    struct stat of_path;

    return statfs(sight->at, &of_mount) == 0 && stat(sight->path, &of_path) == 0 ? 0 : 1;
}

static int start_look(struct far *f, const char *at, const char *path, struct err *err)
{
    const struct sight sight = {at, path};

    f->asked_ms = clock_ms();
    return moment_start(look, &sight, -1, &f->looking, err);
}

static int refuse(const struct far *f, const struct mount *m, struct err *err)
{
    return err_set(err, ERR_UNREACHABLE,
                   "the file system at %.300s%s%.200s (%.60s, %.200s) has not answered for %.1f s",
                   m->at, f->under[0] ? "/" : "", f->under, m->kind, m->source,
                   (double)(clock_ms() - f->asked_ms) / 1000);
}

/* patience_ms 0: as long as is good for the loop. */
static int ask_far(struct far *f, const struct mount *m, const char *path, int64_t patience_ms,
                   struct err *err)
{
    int rc;

    if (f->looking.pidfd >= 0 && !has_answered(f, patience_ms))
        return refuse(f, m, err);
    if (f->good_ms && clock_ms() - f->good_ms < REACH_GOOD_MS)
        return 0;
    if (!patience_ms)
        patience_ms = f->is_quick ? REACH_WAIT_MS : REACH_SLOW_MS;
    rc = start_look(f, m->at, path, err);
    if (rc == 0 && !has_answered(f, patience_ms))
        rc = refuse(f, m, err);
    return rc;
}

static int ask(struct reach *r, const struct mount *m, const char *done, const char *path,
               int64_t patience_ms, struct err *err)
{
    struct far *f = far_of(r, m, done);
    int rc;

    if (!f)
        return err_set(err, ERR_UNREACHABLE,
                       "no more can be asked of the file system at %.300s (%.60s, %.200s): %d "
                       "names in it do not answer, or there is no memory",
                       m->at, m->kind, m->source, NAMES_MAX);
    rc = ask_far(f, m, path, patience_ms, err);
    if (m->is_auto && f->looking.pidfd < 0)
        forget(r, f); /* what it has mounted is asked from now on */
    return rc;
}

/* May one go on from the place that `done` leads to? The place of an automounter that fans out is
 * its own: it mounts, and waits, for the names in it only. */
static int ask_at(struct reach *r, const char *done, const char *path, int64_t patience_ms,
                  bool *met_far, struct err *err)
{
    const struct mount *m = mounts_find(&r->mounts, done);
    bool is_auto = m && m->is_auto;
    int rc;

    *met_far = *met_far || (m && m->is_far);
    if (!m || !m->is_far || (m->fans_out && str_eq(m->at, done)))
        return 0;
    rc = ask(r, m, done, path, patience_ms, err);
    if (rc || !is_auto)
        return rc;
    renew(r);
    m = mounts_find(&r->mounts, done);
    return m && m->is_far && !m->is_auto ? ask(r, m, done, path, patience_ms, err) : 0;
}

/* ---- a path ---- */

struct walk {
    char done[PATH_MAX]; /* full, without links; "" is the root */
    char left[PATH_MAX];
    unsigned n_links;
    size_t n_known; /* bytes of the path that were not walked */
    bool met_far;
};

/* Goes one part on; false at the end, or where no path of the kernel's goes on. */
static bool step(struct walk *w)
{
    char *part = w->left + strspn(w->left, "/"), *end;
    size_t n = strcspn(part, "/"), n_done = strlen(w->done);

    if (n == 0)
        return false;
    if (n == 2 && part[0] == '.' && part[1] == '.') {
        end = strrchr(w->done, '/');
        if (end)
            *end = '\0';
    } else if (n != 1 || part[0] != '.') {
        if (n_done + 1 + n >= sizeof w->done)
            return false;
        snprintf(w->done + n_done, sizeof w->done - n_done, "/%.*s", (int)n, part);
    }
    memmove(w->left, part + n, strlen(part + n) + 1);
    return true;
}

/* Follows what is a link; false where no path goes on. */
static bool follow(struct walk *w)
{
    char to[PATH_MAX], rest[PATH_MAX], *end;
    ssize_t n = w->done[0] ? readlink(w->done, to, sizeof to - 1) : 0;

    if (n <= 0)
        return n == 0 || errno == EINVAL; /* no link */
    to[n] = '\0';
    str_copy(rest, sizeof rest, w->left);
    if (++w->n_links > LINKS_MAX ||
        (size_t)snprintf(w->left, sizeof w->left, "%s/%s", to, rest) >= sizeof w->left)
        return false;
    end = to[0] == '/' ? w->done : strrchr(w->done, '/');
    *end = '\0';
    return true;
}

/* How much of the path is what is known of the other: whole parts, and never its last. */
static size_t n_shared(const char *path, const char *known)
{
    size_t n = 0;

    for (size_t i = 0; path[i]; i++) {
        if (path[i] == '/' && (known[i] == '/' || known[i] == '\0'))
            n = i;
        if (path[i] != known[i])
            break;
    }
    return n;
}

/* False: longer than any path. */
static bool begin(struct walk *w, const struct reach *r, const char *path)
{
    char here[PATH_MAX] = "";

    w->done[0] = '\0';
    w->left[0] = '\0';
    w->n_links = 0;
    w->met_far = false;
    w->n_known = clock_ms() - r->plain_ms < REACH_GOOD_MS ? n_shared(path, r->plain) : 0;
    if (w->n_known) {
        memcpy(w->done, path, w->n_known);
        w->done[w->n_known] = '\0';
        return str_copy(w->left, sizeof w->left, path + w->n_known);
    }
    if (path[0] != '/' && !getcwd(here, sizeof here))
        return false;
    return (size_t)snprintf(w->left, sizeof w->left, "%s/%s", here, path) < sizeof w->left;
}

/* The folder of what was walked to. */
static void keep_plain(struct reach *r, const struct walk *w)
{
    const char *end = strrchr(w->done, '/');

    if (!end)
        return;
    memcpy(r->plain, w->done, (size_t)(end - w->done));
    r->plain[end - w->done] = '\0';
    if (w->n_known == 0)
        r->plain_ms = clock_ms();
}

static int walk_all(struct reach *r, const char *path, int64_t patience_ms, struct err *err)
{
    struct walk w;
    int rc = 0;

    if (!r)
        return 0;
    renew(r);
    if (!begin(&w, r, path) || (w.n_known && !step(&w)))
        return 0;
    do {
        rc = ask_at(r, w.done[0] ? w.done : "/", path, patience_ms, &w.met_far, err);
    } while (rc == 0 && follow(&w) && step(&w));
    if (rc == 0 && !w.met_far && w.n_links == 0)
        keep_plain(r, &w);
    return rc;
}

int reach_check(struct reach *r, const char *path, struct err *err)
{
    return walk_all(r, path, 0, err);
}

int reach_wait(struct reach *r, const char *path, int64_t wait_ms, struct err *err)
{
    return walk_all(r, path, wait_ms, err);
}

bool reach_is_near(struct reach *r, const char *path)
{
    const struct mount *m;
    struct walk w;

    if (!r)
        return true;
    renew(r);
    if (!begin(&w, r, path) || (w.n_known && !step(&w)))
        return true;
    do {
        m = mounts_find(&r->mounts, w.done[0] ? w.done : "/");
        if (m && m->is_far)
            return false;
    } while (follow(&w) && step(&w));
    return true;
}
