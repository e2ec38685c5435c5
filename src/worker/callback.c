/*
 * callback.c - see callback.h.
 *
 * One message at a time. A bufferevent may not be freed in its own callbacks, so these only write
 * down how the try went and wake `step`, which does the rest.
 */
#include "worker/callback.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <jansson.h>

#include "base/log.h"
#include "base/str.h"
#include "worker/server.h"

#define CALLBACK_PATH "/v1/workers/ready"
#define SCHEME        "http://"
#define DEFAULT_PORT  8080
#define STATUS_AT     9 /* "HTTP/1.1 200": where the status is */
#define STATUS_BYTES  12
#define REQUEST_MAX   65536

struct callback {
    struct server *server;
    char host[SERVER_HOST_MAX]; /* "127.0.0.1:8080", for the Host header and people */
    struct sockaddr_storage to;
    int to_bytes;
    struct bufferevent *bev; /* the try under way */
    struct event *step;
    bool waiting; /* step is the pause before the next try */
    int tries;    /* made of the message under way; 0 = none is */
    int status;   /* the last try's answer; 0 = none came */
    bool again;   /* the state changed meanwhile */
    char why[160];
};

static void try_once(struct callback *c);

static void wake_step(struct callback *c, int64_t ms)
{
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    event_add(c->step, &tv);
}

static void try_went(struct callback *c, const char *why)
{
    str_copy(c->why, sizeof c->why, why);
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    wake_step(c, 0);
}

/* The status line is all that is read of the answer. */
static void on_read(struct bufferevent *bev, void *arg)
{
    struct callback *c = arg;
    char line[STATUS_BYTES + 1] = "", why[64];
    int64_t status = 0;

    if (evbuffer_get_length(bufferevent_get_input(bev)) < STATUS_BYTES)
        return;
    evbuffer_copyout(bufferevent_get_input(bev), line, STATUS_BYTES);
    if (str_starts(line, "HTTP/1."))
        str_to_i64(line + STATUS_AT, &status);
    c->status = (int)status;
    snprintf(why, sizeof why, "its answer has status %d", c->status);
    try_went(c, why);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    if (what & BEV_EVENT_TIMEOUT)
        try_went(arg, "it does not answer in time");
    else if (what & BEV_EVENT_ERROR)
        try_went(arg, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
    else if (what & BEV_EVENT_EOF)
        try_went(arg, "it closed the connection without an answer");
}

static char *message(const struct server *s)
{
    const struct serve_options *o = &s->o;
    bool loaded = s->stage == LOAD_DONE;
    json_t *m = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "worker_id", o->worker_id, "url",
                          s->url, "model_ref", o->model_ref, "backend", SERVER_BACKEND, "device",
                          (json_int_t)o->device, "state", loaded ? "idle" : "loading");
    char *text = NULL;

    if (m && loaded) {
        json_object_set_new(m, "slots_total", json_integer(atomic_load(&s->board->slots_total)));
        json_object_set_new(m, "n_ctx", json_integer(atomic_load(&s->board->n_ctx)));
    }
    if (m)
        text = json_dumps(m, JSON_COMPACT);
    json_decref(m);
    return text;
}

/* Queues the whole request; it leaves once connected. */
static int put_request(struct callback *c)
{
    char *body = message(c->server);
    const char *key = c->server->access.key;
    struct buf head;
    int rc = -1;

    buf_init(&head, REQUEST_MAX);
    if (body) {
        buf_printf(&head,
                   "POST " CALLBACK_PATH " HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n"
                   "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                   c->host, strlen(body));
        if (key[0])
            buf_printf(&head, "Authorization: Bearer %s\r\n", key);
        buf_printf(&head, "\r\n%s", body);
        if (!buf_failed(&head))
            rc = bufferevent_write(c->bev, head.data, head.len);
    }
    buf_done(&head);
    free(body);
    return rc;
}

static int start_try(struct callback *c)
{
    static const struct timeval limit = {.tv_sec = CALLBACK_TIMEOUT_MS / 1000};

    c->bev = bufferevent_socket_new(c->server->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!c->bev)
        return -1;
    bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
    bufferevent_set_timeouts(c->bev, &limit, &limit);
    bufferevent_enable(c->bev, EV_READ);
    if (put_request(c))
        return -1;
    return bufferevent_socket_connect(c->bev, (struct sockaddr *)&c->to, c->to_bytes);
}

static void end_try(struct callback *c)
{
    if (c->bev)
        bufferevent_free(c->bev);
    c->bev = NULL;
}

static void try_once(struct callback *c)
{
    c->tries++;
    c->status = 0;
    if (start_try(c)) {
        str_copy(c->why, sizeof c->why, "the connection cannot be made");
        wake_step(c, 0);
    }
}

static void message_over(struct callback *c)
{
    c->tries = 0;
    if (c->again) {
        c->again = false;
        try_once(c);
    }
}

/* Behind a try: judges it. Behind a pause: tries again. */
static void take_step(evutil_socket_t fd, short what, void *arg)
{
    struct callback *c = arg;

    (void)fd, (void)what;
    end_try(c);
    if (c->waiting) {
        c->waiting = false;
        try_once(c);
    } else if (c->status == 200) {
        message_over(c);
    } else if (c->status == 404) {
        log_warn("the hive at %s does not know worker %s", c->host, c->server->o.worker_id);
        message_over(c);
    } else if (c->tries < CALLBACK_TRIES) {
        c->waiting = true;
        wake_step(c, (int64_t)CALLBACK_PAUSE_MS << (c->tries - 1));
    } else {
        log_warn("the hive at %s was not told of this worker in %d tries: %s", c->host, c->tries,
                 c->why);
        message_over(c);
    }
}

void callback_send(struct callback *c)
{
    if (c->tries)
        c->again = true;
    else
        try_once(c);
}

/* "http://127.0.0.1:8080" to an address. */
static int read_url(struct callback *c, const char *url, struct err *err)
{
    size_t n = str_starts(url, SCHEME) ? strcspn(url + strlen(SCHEME), "/") : 0;
    char host[SERVER_HOST_MAX];
    int port = DEFAULT_PORT;

    c->to_bytes = sizeof c->to;
    if (n == 0 || n >= sizeof c->host)
        return err_set(err, ERR_INVALID, "the hive's URL '%.100s' is not http://ADDRESS:PORT", url);
    memcpy(host, url + strlen(SCHEME), n);
    host[n] = '\0';
    str_copy(c->host, sizeof c->host, host);
    if (access_split_host(c->host, host, sizeof host, &port, err))
        return ERR_INVALID;
    snprintf(c->host, sizeof c->host, strchr(host, ':') ? "[%s]:%d" : "%s:%d",
             str_eq(host, "localhost") ? "127.0.0.1" : host, port);
    if (evutil_parse_sockaddr_port(c->host, (struct sockaddr *)&c->to, &c->to_bytes))
        return err_set(err, ERR_INVALID,
                       "the hive's URL '%.100s' must name a literal address, not a host's name",
                       url);
    return 0;
}

int callback_create(struct server *s, struct callback **out, struct err *err)
{
    struct callback *c = calloc(1, sizeof *c);
    int rc;

    if (!c)
        return err_no_memory(err, sizeof *c, "the callback to the hive");
    c->server = s;
    rc = read_url(c, s->o.hive_url, err);
    if (rc == 0) {
        c->step = evtimer_new(s->base, take_step, c);
        if (!c->step)
            rc = err_no_memory(err, 0, "the callback's timer");
    }
    if (rc) {
        callback_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void callback_free(struct callback *c)
{
    if (!c)
        return;
    end_try(c);
    if (c->step)
        event_free(c->step);
    free(c);
}
