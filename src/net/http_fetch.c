/* http_fetch.c - one call as a function that waits, for command lines: see http_client.h. */
#include "net/http_client_internal.h"

#include <event2/event.h>

#define FETCH_LOOK_MS 100

struct fetch {
    const struct http_call_params *params;
    const volatile bool *stop;
    struct buf *body;
    struct err err;
    int rc, status;
    bool done, over_limit;
    struct http_call *call;
};

static void on_connected(void *arg)
{
    const struct http_call_params *params = ((struct fetch *)arg)->params;

    if (params->on_connected)
        params->on_connected(params->arg);
}

static void on_sending(void *arg)
{
    const struct http_call_params *params = ((struct fetch *)arg)->params;

    if (params->on_sending)
        params->on_sending(params->arg);
}

static void on_header(void *arg, int status, const char *name, const char *value)
{
    const struct http_call_params *params = ((struct fetch *)arg)->params;

    if (params->on_header)
        params->on_header(params->arg, status, name, value);
}

static bool on_body(void *arg, int status, const char *bytes, size_t n)
{
    struct fetch *f = arg;

    if (f->params->on_body)
        return f->params->on_body(f->params->arg, status, bytes, n);
    if (f->body && buf_put(f->body, bytes, n)) {
        f->over_limit = true;
        http_call_cancel(f->call);
    }
    return true;
}

static void on_done(void *arg, int rc, const struct http_response *response, const struct err *err)
{
    struct fetch *f = arg;

    f->done = true;
    f->rc = rc;
    f->status = response->status;
    if (rc)
        f->err = *err;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg; /* it only turns the loop, so that `stop` is looked at */
}

static int fetch_wait(struct http_client *c, struct fetch *f, struct err *err)
{
    struct timeval look = {.tv_usec = FETCH_LOOK_MS * 1000};
    struct event *tick = event_new(c->base, -1, EV_PERSIST, on_look, NULL);

    if (!tick || event_add(tick, &look)) {
        if (tick)
            event_free(tick);
        http_call_cancel(f->call);
        return err_no_memory(err, 0, "a timer");
    }
    while (!f->done && !f->over_limit && !(f->stop && *f->stop))
        if (event_base_loop(c->base, EVLOOP_ONCE) != 0)
            break;
    event_free(tick);
    if (f->done) {
        if (f->rc && err)
            *err = f->err;
        return f->rc;
    }
    if (f->over_limit) /* cancelled already, maybe gone */
        return err_set(err, ERR_LIMIT, "the answer is over the %zu bytes allowed", f->body->max);
    http_call_cancel(f->call);
    return err_set(err, ERR_CANCELLED, "the request was cancelled");
}

int http_fetch(struct http_client *c, const struct http_call_params *params,
               const volatile bool *stop, int *status, struct buf *body, struct err *err)
{
    struct fetch f = {.params = params, .stop = stop, .body = body};
    struct http_call_params mine = *params;
    int rc;

    mine.arg = &f;
    mine.stop = stop;
    mine.on_connected = on_connected;
    mine.on_sending = on_sending;
    mine.on_header = on_header;
    mine.on_body = on_body;
    mine.on_done = on_done;
    mine.body_max = 0;
    rc = http_call_start(c, &mine, &f.call, err);
    if (rc == 0)
        rc = fetch_wait(c, &f, err);
    if (status)
        *status = f.status;
    return rc;
}
