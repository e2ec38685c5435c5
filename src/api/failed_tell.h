/*
 * failed_tell.h - who was wrong at a door is told by the door's owner, in time: at once, or when it
 * is that address's turn again, or when the owner ends. What and how often is failed_keys.h's to
 * say; this is its clock. Loop thread only. libevent.
 */
#ifndef RBEE_API_FAILED_TELL_H
#define RBEE_API_FAILED_TELL_H

#include "api/failed_keys.h"
#include "base/err.h"

struct event;
struct event_base;

struct failed_tell {
    struct failed_keys *failed; /* borrowed */
    /* `more` is what failed_tell_note was given; NULL for what was left. */
    void (*tell)(void *arg, const struct failed_rest *r, void *more);
    void *arg;
    struct event *timer; /* NULL until failed_tell_in_time: what is left waits for the end */
};

/* Counts it: one that was not `heard` had to wait. False: it is not told now, nor `more` ever. */
bool failed_tell_note(struct failed_tell *t, enum failed_kind kind, const char *peer, bool heard,
                      void *more);
int failed_tell_in_time(struct failed_tell *t, struct event_base *base, struct err *err);
/* No more in time; all that is left now, if `all`. */
void failed_tell_end(struct failed_tell *t, bool all);

#endif
