/* glance.c - see glance.h. */
#include "hive/disk/glance.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/process/leftover.h"
#include "hive/process/moment.h"

/* What the process says. */
struct sighting {
    struct file_mark mark;
    int64_t took_ms;
};

struct glance {
    struct event_base *base;
    char *path;           /* owned */
    struct child looking; /* pidfd -1: nobody */
    int answer;           /* where it says so; -1 = nowhere */
    int64_t begun_ms;     /* when it was last looked */
    int64_t seen_ms;      /* when the answer came; 0 = none has */
    bool slow;            /* the look before was longer than anybody waits */
    bool there;
    struct sighting seen;
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
    struct sighting seen = {.took_ms = -clock_ms()};

    if (!file_mark_of(arg, &seen.mark))
        return 1;
    seen.took_ms += clock_ms();
    return write(0, &seen, sizeof seen) == (ssize_t)sizeof seen ? 0 : 1;
}

static bool start(struct glance *g)
{
    int ends[2], rc;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return false;
    g->begun_ms = clock_ms();
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
    g->there = read(g->answer, &g->seen, sizeof g->seen) == (ssize_t)sizeof g->seen;
    g->slow = g->there && g->seen.took_ms >= GLANCE_WAIT_MS;
    g->seen_ms = clock_ms();
    close_answer(g);
}

/* A look that was left alone: has it ended, and does its answer still say anything? */
static void take_late(struct glance *g)
{
    if (!child_has_ended(&g->looking, 0))
        return;
    take(g);
    if (clock_ms() - g->begun_ms >= GLANCE_LATE_MS)
        g->seen_ms = 0;
}

static void look_now(struct glance *g, int64_t wait_ms)
{
    if (!start(g))
        return;
    if (child_has_ended(&g->looking, g->slow ? 0 : wait_ms))
        take(g);
    else
        g->slow = true;
}

bool glance_at(struct glance *g, int64_t wait_ms, struct file_mark *out)
{
    if (g->looking.pidfd >= 0)
        take_late(g);
    if (g->looking.pidfd < 0 && (!g->seen_ms || clock_ms() - g->seen_ms >= GLANCE_GOOD_MS)) {
        g->seen_ms = 0;
        look_now(g, wait_ms);
    }
    *out = g->seen.mark;
    return g->looking.pidfd < 0 && g->seen_ms && g->there;
}
