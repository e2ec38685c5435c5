/*
 * post.c - see post.h. Any thread may send; the rest belongs to the loop's thread. `lock` guards
 * the list alone, and is never held while a function runs.
 */
#include "net/post.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

struct post {
    pthread_mutex_t lock; /* guards first and last */
    struct post_item *first, **last;
    int fd; /* eventfd: readable while the list may hold something */
    struct event *ev;
};

static struct post_item *post_take_first(struct post *p)
{
    struct post_item *item;

    pthread_mutex_lock(&p->lock);
    item = p->first;
    if (item)
        p->first = item->next;
    if (!p->first)
        p->last = &p->first;
    pthread_mutex_unlock(&p->lock);
    return item;
}

static void drop(struct post_item *item)
{
    if (item->is_posts)
        free(item);
}

/* Runs what was sent before this turn of the loop; what comes meanwhile wakes the loop again. */
static void post_run(evutil_socket_t fd, short what, void *arg)
{
    struct post *p = arg;
    uint64_t n_sent = 0;

    (void)what;
    if (read(fd, &n_sent, sizeof n_sent) != (ssize_t)sizeof n_sent)
        return;
    while (n_sent--) {
        struct post_item *item = post_take_first(p), now;

        if (!item)
            return;
        now = *item;
        drop(item);
        now.fn(now.arg);
    }
}

int post_create(struct event_base *base, struct post **out, struct err *err)
{
    struct post *p = calloc(1, sizeof *p);

    if (!p)
        return err_no_memory(err, sizeof *p, "a thread's mailbox");
    p->last = &p->first;
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->fd < 0) {
        free(p);
        return err_errno(err, ERR_IO, errno, "cannot make an eventfd");
    }
    pthread_mutex_init(&p->lock, NULL);
    p->ev = event_new(base, p->fd, EV_READ | EV_PERSIST, post_run, p);
    if (!p->ev || event_add(p->ev, NULL)) {
        post_free(p);
        return err_no_memory(err, 0, "a thread's mailbox");
    }
    *out = p;
    return 0;
}

void post_free(struct post *p)
{
    struct post_item *item;

    if (!p)
        return;
    if (p->ev)
        event_free(p->ev);
    while ((item = post_take_first(p)))
        drop(item);
    close(p->fd);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void post_put(struct post *p, struct post_item *item)
{
    uint64_t one = 1;

    item->next = NULL;
    pthread_mutex_lock(&p->lock);
    *p->last = item;
    p->last = &item->next;
    pthread_mutex_unlock(&p->lock);
    /* One count per item: it can neither overflow nor, before it, fail. */
    if (write(p->fd, &one, sizeof one) != (ssize_t)sizeof one)
        BUG("an eventfd refused a count");
}

void post_withdraw(struct post *p, struct post_item *item)
{
    struct post_item **link = &p->first;

    pthread_mutex_lock(&p->lock);
    while (*link && *link != item)
        link = &(*link)->next;
    if (*link) {
        *link = item->next;
        if (p->last == &item->next)
            p->last = link;
    }
    pthread_mutex_unlock(&p->lock);
}

int post_send(struct post *p, void (*fn)(void *arg), void *arg)
{
    struct post_item *item = malloc(sizeof *item);

    if (!item)
        return -1;
    *item = (struct post_item){NULL, fn, arg, true};
    post_put(p, item);
    return 0;
}
