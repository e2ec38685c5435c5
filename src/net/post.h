/*
 * post.h - how another thread gives work to a loop's thread.
 *
 * A locked queue and an eventfd. post_send may be called from any thread (not from a signal
 * handler); the functions run in the loop's thread in the order they were sent. After post_free
 * nothing runs any more: senders must have ended before.
 */
#ifndef RBEE_NET_POST_H
#define RBEE_NET_POST_H

#include "base/err.h"

struct event_base;
struct post;

int post_create(struct event_base *base, struct post **out, struct err *err);
void post_free(struct post *p); /* what still waits is dropped, its args are not freed */

/* 0, or -1 when out of memory: fn will not run. */
int post_send(struct post *p, void (*fn)(void *arg), void *arg);

#endif
