/* failed_tell.c - see failed_tell.h. */
#include "api/failed_tell.h"

#include <event2/event.h>

#include "base/clock.h"

static void tell_rest(struct failed_tell *t, bool last)
{
    struct failed_rest r;

    while (failed_keys_rest(t->failed, clock_ms(), last, &r))
        t->tell(t->arg, &r, NULL);
}

static void tell_later(struct failed_tell *t)
{
    const struct timeval later = {.tv_sec = FAILED_KEYS_TELL_MS / 1000};

    if (t->timer && failed_keys_has_rest(t->failed) && !event_pending(t->timer, EV_TIMEOUT, NULL))
        event_add(t->timer, &later);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct failed_tell *t = arg;

    (void)fd, (void)what;
    tell_rest(t, false);
    tell_later(t);
}

bool failed_tell_note(struct failed_tell *t, enum failed_kind kind, const char *peer, bool heard,
                      void *more)
{
    struct failed_rest r = {.kind = kind};

    if (!(heard ? failed_keys_note(t->failed, kind, peer, clock_ms(), &r.n)
                : failed_keys_note_unheard(t->failed, kind, peer, clock_ms(), &r.n))) {
        tell_later(t);
        return false;
    }
    failed_keys_who(peer, r.who);
    r.others = failed_keys_unsaid(t->failed);
    t->tell(t->arg, &r, more);
    return true;
}

int failed_tell_in_time(struct failed_tell *t, struct event_base *base, struct err *err)
{
    t->timer = evtimer_new(base, on_timer, t);
    return t->timer ? 0 : err_no_memory(err, 128, "a timer");
}

void failed_tell_end(struct failed_tell *t, bool all)
{
    if (t->timer)
        event_free(t->timer);
    t->timer = NULL;
    if (all)
        tell_rest(t, true);
}
