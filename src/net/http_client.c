/* http_client.c - the calls of a client, whatever moves their bytes; and their deferred work. */
#include "net/http_client_internal.h"

#include <event2/event.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

void http_client_wake(struct http_client *c)
{
    event_active(c->ev_later, EV_TIMEOUT, 1);
}

/* A call that has something to be done to it, or NULL. */
static struct http_call *next_due(struct http_client *c)
{
    for (struct http_call *call = c->calls; call; call = call->next)
        if (call->cancelled || call->lost || !call->started || (call->to_resume && call->paused))
            return call;
    return NULL;
}

static void end_lost(struct http_call *call)
{
    struct err err = {0};
    int rc = http_call_broken(call, call->lost, &err);

    call->client->via->remove(call);
    http_call_ended(call, rc, &err);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct http_client *c = arg;
    struct http_call *call;

    (void)fd, (void)what;
    /* Searched anew each time: what is done may run callbacks that change the list. */
    while ((call = next_due(c))) {
        if (call->cancelled) {
            c->via->remove(call);
            http_call_free(call);
        } else if (call->lost) {
            end_lost(call);
        } else if (!call->started) {
            call->started = true;
            c->via->begin(call);
        } else {
            call->to_resume = call->paused = false;
            call->last_byte_ms = clock_ms();
            c->via->go_on(call);
        }
    }
}

void http_client_lose(struct http_client *c, const char *origin, const char *why)
{
    size_t n = strlen(origin);

    if (c->real)
        c = c->real;
    for (struct http_call *call = c->calls; call; call = call->next)
        if (str_starts(call->url, origin) && call->url[n] == '/') {
            call->lost = why;
            http_client_wake(c);
        }
}

static void give_time(struct http_client *c, int64_t ms)
{
    for (struct http_call *call = c->calls; call; call = call->next) {
        call->started_ms += ms;
        call->last_byte_ms += ms;
        call->due_ms += ms; /* its look is not late: it is told of the time here */
    }
    if (c->via->stood_still)
        c->via->stood_still(c, ms);
}

void http_client_waited(struct http_client *c, int64_t ms)
{
    c->waited_ms += ms;
    give_time(c, ms);
}

void http_client_stood_still(struct http_client *c, int64_t ms)
{
    if (c->real)
        c = c->real;
    ms -= c->waited_ms;
    c->waited_ms = 0;
    if (ms > 0)
        give_time(c, ms);
}

int http_client_init(struct http_client *c, struct event_base *base,
                     const struct http_transport *via, struct err *err)
{
    c->base = base;
    c->via = via;
    c->ev_later = evtimer_new(base, on_later, c);
    return c->ev_later ? 0 : err_no_memory(err, sizeof *c, "an HTTP client");
}

void http_client_done(struct http_client *c)
{
    if (c->ev_later)
        event_free(c->ev_later);
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    BUG_ON(c->n_entered);
    while (c->calls) {
        c->via->remove(c->calls);
        http_call_free(c->calls);
    }
    c->via->close(c);
}
