/*
 * fake_loop.h - events of a loop that only the target turns: what is active is called by
 * run_active, what waits for a time by run_next. In the place of libevent's functions; included by
 * one file of a target.
 */
#ifndef RBEE_FUZZ_FAKE_LOOP_H
#define RBEE_FUZZ_FAKE_LOOP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

#define FAKE_EVENTS_MAX 256

/* `struct event` may be the gateway's: the loop's is of the same name. */
struct fake_event {
    event_callback_fn call;
    void *arg;
    bool there, armed, active;
};

static struct fake_event fake_events[FAKE_EVENTS_MAX];

static struct fake_event *fake_of(const struct event *event)
{
    struct fake_event *e = (struct fake_event *)(uintptr_t)event;

    BUG_ON(!e->there);
    return e;
}

struct event *event_new(struct event_base *base, evutil_socket_t fd, short what,
                        event_callback_fn call, void *arg)
{
    (void)base;
    BUG_ON(fd != -1 || what);
    for (size_t i = 0; i < FAKE_EVENTS_MAX; i++)
        if (!fake_events[i].there) {
            fake_events[i] = (struct fake_event){.call = call, .arg = arg, .there = true};
            return (struct event *)(void *)&fake_events[i];
        }
    BUG("more events than there can be");
}

int event_add(struct event *event, const struct timeval *after)
{
    struct fake_event *e = fake_of(event);

    BUG_ON(!after || after->tv_sec < 0 || after->tv_usec < 0);
    e->armed = true;
    return 0;
}

int event_del(struct event *event)
{
    struct fake_event *e = fake_of(event);

    e->armed = e->active = false;
    return 0;
}

void event_active(struct event *event, int what, short n)
{
    (void)what;
    (void)n;
    fake_of(event)->active = true;
}

int event_pending(const struct event *event, short what, struct timeval *tv)
{
    const struct fake_event *e = fake_of(event);

    (void)what;
    (void)tv;
    return e->armed || e->active;
}

void event_free(struct event *event)
{
    *fake_of(event) = (struct fake_event){0};
}

static void fake_loop_begin(void)
{
    memset(fake_events, 0, sizeof fake_events);
}

/* False: none is. */
static bool run_active(void)
{
    for (size_t i = 0; i < FAKE_EVENTS_MAX; i++)
        if (fake_events[i].active) {
            fake_events[i].active = false;
            fake_events[i].call(-1, EV_TIMEOUT, fake_events[i].arg);
            return true;
        }
    return false;
}

/* The first that waits, as if its time had come, which `now_ms` then is by `after_ms`. */
static bool run_next(int64_t *now_ms, int64_t after_ms)
{
    for (size_t i = 0; i < FAKE_EVENTS_MAX; i++)
        if (fake_events[i].armed) {
            *now_ms += after_ms;
            fake_events[i].armed = false;
            fake_events[i].call(-1, EV_TIMEOUT, fake_events[i].arg);
            return true;
        }
    return false;
}

static void fake_loop_check_empty(void)
{
    for (size_t i = 0; i < FAKE_EVENTS_MAX; i++)
        BUG_ON(fake_events[i].there);
}

#endif
