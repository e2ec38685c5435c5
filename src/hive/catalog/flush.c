/* flush.c - see flush.h. */
#include "hive/catalog/flush.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/card.h"
#include "hive/disk/reach.h"
#include "hive/process/task.h"

struct flush {
    int fd, rc;
    char *path; /* owned */
    struct err err;
    void (*done)(void *arg, const struct err *err); /* NULL: nobody waits any more */
    void *arg;
};

static void work(void *arg, const struct task *self)
{
    struct flush *f = arg;

    (void)self;
    f->rc = path_write_finish(f->fd, f->path, &f->err);
}

static void on_end(void *arg)
{
    struct flush *f = arg;

    if (f->done)
        f->done(f->arg, f->rc ? &f->err : NULL);
    else if (f->rc)
        log_warn("%s", f->err.text);
    free(f->path);
    free(f);
}

/* For want of a helper: here and now. */
static void wait_for(int fd, const char *path, void (*done)(void *arg, const struct err *err),
                     void *arg)
{
    struct err err;
    int rc = path_write_finish(fd, path, &err);

    if (done)
        done(arg, rc ? &err : NULL);
    else if (rc)
        log_warn("%s", err.text);
}

void flush_start(struct tasks *ts, int fd, const char *path,
                 void (*done)(void *arg, const struct err *err), void *arg, struct flush **out)
{
    struct flush *f = calloc(1, sizeof *f);
    struct task *task;

    *out = NULL;
    if (f) {
        *f = (struct flush){.fd = fd, .path = str_dup(path), .done = done, .arg = arg};
        if (f->path && tasks_start(ts, work, on_end, f, &task, NULL) == 0) {
            *out = f;
            return;
        }
        free(f->path);
        free(f);
    }
    wait_for(fd, path, done, arg);
}

void flush_cancel(struct flush *f)
{
    if (f)
        f->done = NULL;
}

int flush_card(struct reach *r, struct tasks *ts, const struct card *c, struct err *err)
{
    struct flush *nobodys;
    int fd, rc = reach_check(r, c->path, err);

    if (rc == 0)
        rc = card_save_open(c, &fd, err);
    if (rc == 0)
        flush_start(ts, fd, c->path, NULL, NULL, &nobodys);
    return rc;
}

void flush_card_later(struct reach *r, struct tasks *ts, const struct card *c)
{
    struct err err;

    if (flush_card(r, ts, c, &err))
        log_warn("%s", err.text);
}
