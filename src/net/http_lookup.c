/* http_lookup.c - see http_lookup.h. The struct is shared by two threads, and the last frees it. */
#include "net/http_lookup.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/thread.h"

#define LOOK_MS 50

struct lookup {
    char *host, *service; /* owned */
    struct addrinfo hints;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t ended;
    bool over, left; /* the resolver has answered; nobody waits for it */
    int rc;
    struct addrinfo *found; /* owned */
};

static void lookup_free(struct lookup *l)
{
    if (l->found)
        freeaddrinfo(l->found);
    pthread_cond_destroy(&l->ended);
    pthread_mutex_destroy(&l->lock);
    free(l->host);
    free(l->service);
    free(l);
}

static struct lookup *lookup_create(const char *host, const char *service,
                                    const struct addrinfo *hints)
{
    struct lookup *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->host = str_dup(host);
    l->service = str_dup(service);
    l->hints = *hints;
    pthread_mutex_init(&l->lock, NULL);
    thread_cond_init(&l->ended);
    if (l->host && l->service)
        return l;
    lookup_free(l);
    return NULL;
}

static void *ask(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(l->host, l->service, &l->hints, &found);
    bool left;

    pthread_mutex_lock(&l->lock);
    l->rc = rc;
    l->found = rc == 0 ? found : NULL;
    l->over = true;
    left = l->left;
    pthread_cond_signal(&l->ended);
    pthread_mutex_unlock(&l->lock);
    if (left)
        lookup_free(l);
    return NULL;
}

static bool begin(struct lookup *l)
{
    pthread_t thread;

    if (thread_start(&thread, 0, ask, l, NULL))
        return false;
    pthread_detach(thread);
    return true;
}

static int wait_for(struct lookup *l, const volatile bool *stop, struct addrinfo **out)
{
    bool over;
    int rc;

    pthread_mutex_lock(&l->lock);
    while (!l->over && !*stop)
        thread_cond_wait(&l->ended, &l->lock, clock_ms() + LOOK_MS);
    over = l->over;
    rc = over ? l->rc : HTTP_LOOKUP_LEFT;
    *out = l->found;
    l->found = NULL;
    l->left = true;
    pthread_mutex_unlock(&l->lock);
    if (over) /* else its thread's */
        lookup_free(l);
    return rc;
}

int http_lookup(const char *host, const char *service, const struct addrinfo *hints,
                const volatile bool *stop, struct addrinfo **out)
{
    struct lookup *l;

    *out = NULL;
    if (!stop)
        return getaddrinfo(host, service, hints, out);
    if (*stop)
        return HTTP_LOOKUP_LEFT;
    l = lookup_create(host, service, hints);
    if (!l)
        return EAI_MEMORY;
    if (begin(l))
        return wait_for(l, stop, out);
    lookup_free(l);
    return getaddrinfo(host, service, hints, out);
}
