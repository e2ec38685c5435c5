/*
 * fetch_work.c - what a download does in helper threads: hashing what is on disk already, and
 * syncing and renaming the finished file. A work owns its descriptor, digest and names until it is
 * done; a fetch that ended meanwhile has taken itself out of `owner`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "hive/fetch_internal.h"
#include "hive/task.h"

struct fetch_work {
    struct fetch *owner; /* loop thread only; NULL = nobody waits */
    struct task *task;
    int fd;
    struct digest *digest;
    uint64_t n_bytes;
    char *part, *path;
    int rc;
    struct err err;
};

static void free_work(struct fetch_work *w)
{
    if (w->fd >= 0)
        close(w->fd);
    digest_free(w->digest);
    free(w->part);
    free(w->path);
    free(w);
}

/* Moves descriptor and digest from the fetch to a new work. */
static struct fetch_work *take_over(struct fetch *f)
{
    struct fetch_work *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    *w = (struct fetch_work){.owner = f,
                             .fd = f->fd,
                             .digest = f->digest,
                             .n_bytes = f->have,
                             .part = str_dup(f->part),
                             .path = str_dup(f->path)};
    f->fd = -1;
    f->digest = NULL;
    if (w->part && w->path)
        return w;
    free_work(w);
    return NULL;
}

static int start(struct fetch *f, void (*work)(void *arg, const struct task *self),
                 void (*done)(void *arg), struct err *err)
{
    struct fetch_work *w = take_over(f);
    int rc;

    if (!w)
        return err_no_memory(err, sizeof *w, "a helper's work");
    rc = tasks_start(f->p.tasks, work, done, w, &w->task, err);
    if (rc)
        free_work(w);
    else
        f->work = w;
    return rc;
}

/* ---- hashing what is there ---- */

static bool is_cancelled(const void *arg)
{
    return task_cancelled(arg);
}

static void hash(void *arg, const struct task *self)
{
    struct fetch_work *w = arg;

    w->rc = digest_put_file(w->digest, w->fd, w->n_bytes, is_cancelled, self, &w->err);
}

static void hashed(void *arg)
{
    struct fetch_work *w = arg;
    struct fetch *f = w->owner;

    if (f) {
        f->work = NULL;
        f->fd = w->fd;
        f->digest = w->digest;
        w->fd = -1;
        w->digest = NULL;
        fetch_hashed(f, w->rc, &w->err);
    }
    free_work(w);
}

int fetch_work_hash(struct fetch *f, struct err *err)
{
    return start(f, hash, hashed, err);
}

/* ---- putting the file into its place ---- */

static int sync_folder(const char *path, struct err *err)
{
    char *dir = str_dup(path), *slash = dir ? strrchr(dir, '/') : NULL;
    int fd = -1, rc = 0;

    if (slash)
        *slash = '\0';
    if (slash)
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        rc = err_errno(err, ERR_IO, errno, "cannot sync the folder of %s", path);
    if (fd >= 0)
        close(fd);
    free(dir);
    return rc;
}

static void settle(void *arg, const struct task *self)
{
    struct fetch_work *w = arg;

    if (fsync(w->fd) != 0)
        w->rc = err_errno(&w->err, ERR_IO, errno, "cannot bring %s to the disk", w->part);
    else if (task_cancelled(self))
        w->rc = err_set(&w->err, ERR_CANCELLED, "nobody wants %s any more", w->path);
    else if (rename(w->part, w->path) != 0)
        w->rc = err_errno(&w->err, ERR_IO, errno, "cannot put %s into its place", w->path);
    else
        w->rc = sync_folder(w->path, &w->err);
}

static void settled(void *arg)
{
    struct fetch_work *w = arg;
    struct fetch *f = w->owner;

    if (f) {
        f->work = NULL;
        if (w->rc == 0)
            fetch_settled(f);
        else
            fetch_end(f, w->rc == ERR_NO_SPACE ? API_DISK_FULL : API_DOWNLOAD_FAILED, "%s",
                      w->err.text);
    }
    free_work(w);
}

void fetch_work_settle(struct fetch *f)
{
    struct err err;

    if (start(f, settle, settled, &err))
        fetch_end(f, API_DOWNLOAD_FAILED, "%s", err.text);
}

void fetch_work_abandon(struct fetch *f)
{
    if (!f->work)
        return;
    f->work->owner = NULL;
    task_cancel(f->work->task);
    f->work = NULL;
}
