/* glance.c - see glance.h. */
#include "hive/glance.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/leftover.h"
#include "hive/moment.h"

struct glance {
    struct event_base *base;
    char *path;           /* owned */
    struct child looking; /* pidfd -1: nobody */
    int answer;           /* where it says so; -1 = nowhere */
    int64_t seen_ms;      /* when the answer came; 0 = none has */
    bool there;
    struct file_mark mark;
};

struct glance *glance_create(struct event_base *base, const char *path)
{
    struct glance *g = calloc(1, sizeof *g);

    if (!g)
        return NULL;
    *g = (struct glance){
        .base = base, .path = str_dup(path), .looking = {.pidfd = -1}, .answer = -1};
    if (g->path)
        return g;
    glance_free(g);
    return NULL;
}

static void close_answer(struct glance *g)
{
    if (g->answer >= 0)
        close(g->answer);
    g->answer = -1;
}

void glance_free(struct glance *g)
{
    if (!g)
        return;
    leftover_leave(g->base, &g->looking);
    close_answer(g);
    free(g->path);
    free(g);
}

/* Runs in the new process. */
static int look(const void *arg)
{
    struct file_mark mark = {0};

    if (!file_mark_of(arg, &mark))
        return 1;
    return write(0, &mark, sizeof mark) == (ssize_t)sizeof mark ? 0 : 1;
}

static bool start(struct glance *g)
{
    int ends[2], rc;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return false;
    rc = moment_start(look, g->path, ends[1], &g->looking, NULL);
    close(ends[1]);
    g->answer = ends[0];
    if (rc)
        close_answer(g);
    return rc == 0;
}

/* It has ended. */
static void take(struct glance *g)
{
    child_reap(&g->looking);
    g->there = read(g->answer, &g->mark, sizeof g->mark) == (ssize_t)sizeof g->mark;
    g->seen_ms = clock_ms();
    close_answer(g);
}

bool glance_at(struct glance *g, struct file_mark *out)
{
    if (g->looking.pidfd >= 0) { /* it hung; what it says may be old by now */
        if (!child_has_ended(&g->looking, 0))
            return false;
        take(g);
        g->seen_ms = 0;
    }
    if (!g->seen_ms || clock_ms() - g->seen_ms >= GLANCE_GOOD_MS) {
        if (!start(g) || !child_has_ended(&g->looking, GLANCE_WAIT_MS))
            return false;
        take(g);
    }
    *out = g->mark;
    return g->there;
}
