/* turns.c - see turns.h. */
#include "hive/process/turns.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"

struct turns {
    struct event *next;
    TAILQ_HEAD(, turn) all; /* in the order they asked */
    unsigned n_at_work;     /* without those that are stuck */
};

static unsigned n_of(const struct turns *ts, const char *who)
{
    const struct turn *t;
    unsigned n = 0;

    TAILQ_FOREACH(t, &ts->all, link)
    n += t->state != TURN_WAITS && str_eq(t->who, who);
    return n;
}

/* NULL: nobody waits. */
static struct turn *choose(const struct turns *ts)
{
    struct turn *t, *best = NULL;
    unsigned n, n_best = 0;

    TAILQ_FOREACH(t, &ts->all, link)
    {
        if (t->state != TURN_WAITS)
            continue;
        n = n_of(ts, t->who);
        if (!best || n < n_best) {
            best = t;
            n_best = n;
        }
    }
    return best;
}

/* In the loop: those whom it is told of may end their turns, and ask anew, without end. */
static void on_next(evutil_socket_t fd, short what, void *arg)
{
    struct turns *ts = arg;
    struct turn *t;

    (void)fd;
    (void)what;
    while (ts->n_at_work < TURNS_AT_ONCE && (t = choose(ts))) {
        t->state = TURN_WORKS;
        t->n_done = 0;
        t->moved_ms = clock_ms();
        ts->n_at_work++;
        t->begin(t->arg);
    }
}

void turn_ask(struct turns *ts, struct turn *t)
{
    t->of = ts;
    t->state = TURN_WAITS;
    TAILQ_INSERT_TAIL(&ts->all, t, link);
    event_active(ts->next, EV_TIMEOUT, 1);
}

void turn_end(struct turn *t)
{
    struct turns *ts = t->of;

    if (t->state == TURN_NONE)
        return;
    TAILQ_REMOVE(&ts->all, t, link);
    if (t->state == TURN_WORKS) {
        ts->n_at_work--;
        event_active(ts->next, EV_TIMEOUT, 1);
    }
    t->state = TURN_NONE;
}

void turn_moves(struct turn *t, uint64_t n_done, int64_t now_ms)
{
    struct turns *ts = t->of;

    if (n_done != t->n_done) {
        t->n_done = n_done;
        t->moved_ms = now_ms;
        if (t->state == TURN_STUCK) { /* one too many for a while, if its place is lent */
            t->state = TURN_WORKS;
            ts->n_at_work++;
        }
    } else if (t->state == TURN_WORKS && now_ms - t->moved_ms >= TURN_STUCK_MS) {
        t->state = TURN_STUCK;
        ts->n_at_work--;
        event_active(ts->next, EV_TIMEOUT, 1);
    }
}

int turns_create(struct event_base *base, struct turns **out, struct err *err)
{
    struct turns *ts = calloc(1, sizeof *ts);

    if (ts) {
        TAILQ_INIT(&ts->all);
        ts->next = evtimer_new(base, on_next, ts);
    }
    if (!ts || !ts->next) {
        free(ts);
        return err_no_memory(err, sizeof *ts, "whose turn it is");
    }
    *out = ts;
    return 0;
}

void turns_free(struct turns *ts)
{
    if (!ts)
        return;
    event_free(ts->next);
    free(ts);
}
