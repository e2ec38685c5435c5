/*
 * post.h - how another thread gives work to a loop's thread.
 *
 * A locked queue and an eventfd. What is sent runs in the loop's thread in the order it was sent.
 * Sending may be done from any thread (not from a signal handler). After post_free nothing runs any
 * more: senders must have ended before.
 */
#ifndef RBEE_NET_POST_H
#define RBEE_NET_POST_H

#include <stdbool.h>

#include "base/err.h"

struct event_base;
struct post;

int post_create(struct event_base *base, struct post **out, struct err *err);
void post_free(struct post *p); /* what still waits is dropped, its args are not freed */

/* 0, or -1 when out of memory: fn will not run. */
int post_send(struct post *p, void (*fn)(void *arg), void *arg);

/* A place in the queue that is the sender's own: nothing can fail. */
struct post_item {
    struct post_item *next; /* the queue's */
    void (*fn)(void *arg);
    void *arg;
    bool is_posts; /* made by post_send */
};
/* fn and arg are set. The item may go, or be sent again, as soon as fn has begun. */
void post_put(struct post *p, struct post_item *item);
/* It is not in the queue any more; fn does not run. Nothing happens when it is not there. */
void post_withdraw(struct post *p, struct post_item *item);

#endif
