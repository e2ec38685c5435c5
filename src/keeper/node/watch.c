/* watch.c - client.h's calls that run the loop themselves: a stream, and several calls at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "api/json_load.h"
#include "keeper/node/client_internal.h"
#include "keeper/shell/interrupt.h"
#include "net/sse.h"

struct watching {
    struct client *c;
    const struct client_watch *w;
    struct sse_reader *reader;
    struct buf refusal; /* the body of an answer that is no stream, as much as is kept */
    struct err err;
    int status, rc;
    int64_t last_ms;    /* client_ms when the last byte came, at first when it was asked */
    int64_t refused_ms; /* when an answer that is no stream began; 0 = none has */
    bool connected;     /* somebody is there */
    bool heard;         /* a byte has come */
    bool silent;        /* head_ms or stall_ms has passed */
    bool refused;       /* of an answer that is no stream no more is awaited */
    bool over;          /* the call has ended: rc, err */
    bool any;           /* an event has come */
    bool closed;        /* [DONE] came */
    bool stopped;       /* on_event wants no more */
    bool garbage;
};

static bool on_data(void *arg, const char *data, size_t n)
{
    struct watching *s = arg;
    json_t *event;

    s->any = true;
    if (n == 6 && memcmp(data, "[DONE]", 6) == 0) {
        s->closed = true;
        return false;
    }
    event = json_load_bounded(data, n, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(event)) {
        s->garbage = true;
        err_set(&s->err, ERR_INVALID, "an event of %zu bytes is not a JSON object", n);
    } else if (!s->w->on_event(s->w->arg, event, data, n)) {
        s->stopped = true;
    }
    json_decref(event);
    return !s->garbage && !s->stopped;
}

/* An answer that is no stream has begun, by its head or its body. */
static void begin_refusal(struct watching *s, int status)
{
    s->status = status;
    if (!s->refused_ms)
        s->refused_ms = client_ms(s->c);
}

static void on_connected(void *arg)
{
    struct watching *s = arg;

    s->connected = s->c->last.connected = true; /* the latter for on_tick */
}

static void on_header(void *arg, int status, const char *name, const char *value)
{
    struct watching *s = arg;

    if (status > 200)
        begin_refusal(s, status);
    client_last_header(s->c, name, value);
}

/* Keeps what fits; what goes on behind that is no error's text. */
static void put_refusal(struct watching *s, const char *bytes, size_t n)
{
    size_t room = s->refusal.max - s->refusal.len;

    buf_put(&s->refusal, bytes, n < room ? n : room);
    s->refused = n > room || buf_failed(&s->refusal);
}

static bool on_body(void *arg, int status, const char *bytes, size_t n)
{
    struct watching *s = arg;

    s->status = status;
    s->last_ms = client_ms(s->c);
    s->heard = true;
    if (status != 200) {
        begin_refusal(s, status);
        put_refusal(s, bytes, n);
    } else if (sse_reader_put(s->reader, bytes, n, &s->err)) {
        s->garbage = true;
    }
    s->last_ms = client_ms(s->c); /* not counting how long the terminal took */
    return true;
}

static void on_done(void *arg, int rc, const struct http_response *response, const struct err *err)
{
    struct watching *s = arg;

    s->over = true;
    s->rc = rc;
    s->status = response ? response->status : s->status;
    if (rc && err && !s->garbage)
        s->err = *err;
}

static void check_silence(struct watching *s)
{
    int64_t limit = s->heard ? s->w->stall_ms : s->w->head_ms;
    char place[512];

    if (s->refused_ms && client_ms(s->c) - s->refused_ms >= CLIENT_REFUSAL_MS)
        s->refused = true;
    if (s->refused || limit == 0 || client_ms(s->c) - s->last_ms < limit)
        return;
    s->silent = true;
    s->rc = err_set(&s->err, ERR_TIMEOUT, "%s sent nothing for %lld s",
                    client_url_host(s->w->url, place, sizeof place), (long long)(limit / 1000));
}

/* Runs the loop until the stream has ended or somebody wants it to. */
static void run(struct client *c, struct watching *s, struct http_call *call)
{
    bool goes_on = true;

    while (!s->over && !s->closed && !s->stopped && !s->garbage && !s->silent && !s->refused &&
           goes_on) {
        event_base_loop(c->base, EVLOOP_ONCE);
        check_silence(s);
        goes_on = s->w->on_tick ? s->w->on_tick(s->w->arg) : !interrupt_seen();
    }
    if (!s->over)
        http_call_cancel(call);
}

static enum client_end judge(const struct watching *s, const struct client_watch *w,
                             struct api_error *e)
{
    if (s->garbage) {
        api_error_set(e, API_INTERNAL, "keeper", "the stream makes no sense: %s", s->err.text);
        return CLIENT_GARBAGE;
    }
    if (s->closed)
        return CLIENT_DONE;
    if (s->stopped || (!s->over && !s->silent && !s->refused))
        return CLIENT_STOPPED;
    if (s->refused || (s->status != 0 && s->status != 200 && s->rc == 0)) {
        client_status_error(e, s->status, &s->refusal, w->url);
        return CLIENT_REFUSED;
    }
    if (s->rc) {
        client_transport_error(e, s->rc, &s->err, w->url);
        return s->rc == ERR_TIMEOUT && s->connected ? CLIENT_TIMED_OUT
               : s->status == 0                     ? CLIENT_UNREACHABLE
                                                    : CLIENT_BROKEN;
    }
    if (s->any)
        api_error_set(e, API_INTERNAL, "keeper", "the stream ended without its closing [DONE]");
    else
        client_foreign(e, w->url, "its answer is no stream of events");
    return CLIENT_BROKEN;
}

enum client_end client_watch(struct client *c, const struct client_watch *w, struct api_error *e)
{
    struct watching s = {.c = c, .w = w};
    struct http_call_params params = {.method = w->method, .url = w->url, .arg = &s};
    const char *headers[] = {client_headers[0], client_headers[1], w->header, NULL};
    struct http_call *call = NULL;
    enum client_end end;
    struct err err = {0};
    int rc = ERR_NO_MEMORY;

    params.headers = headers;
    params.bearer = c->key;
    params.body = w->body;
    params.body_bytes = w->body ? strlen(w->body) : 0;
    params.connect_timeout_ms = w->connect_timeout_ms;
    params.timeout_ms = w->timeout_ms;
    params.stop = interrupt_flag();
    s.last_ms = client_ms(c);
    params.on_connected = on_connected;
    params.on_header = on_header;
    params.on_body = on_body;
    params.on_done = on_done;
    client_last_begin(c);
    buf_init(&s.refusal, CLIENT_ERROR_BODY_MAX);
    s.reader = sse_reader_create(on_data, NULL, &s);
    if (!s.reader)
        err_no_memory(&err, SSE_EVENT_MAX, "the stream's reader");
    else
        rc = http_call_start(c->http, &params, &call, &err);
    if (rc == 0) {
        run(c, &s, call);
        end = judge(&s, w, e);
    } else {
        client_transport_error(e, rc, &err, w->url);
        end = CLIENT_UNREACHABLE;
        s.rc = rc;
    }
    c->last.rc = end == CLIENT_BROKEN && s.rc == 0 ? ERR_IO : s.rc;
    c->last.status = s.status;
    c->last.connected = s.connected;
    sse_reader_free(s.reader);
    buf_done(&s.refusal);
    return end;
}

/* ---- several at once ---- */
struct probing {
    struct client_probe *probe;
    struct http_call *call; /* NULL = ended, or never begun */
    size_t *n_open;
};

static void on_probed(void *arg, int rc, const struct http_response *response,
                      const struct err *err)
{
    struct probing *p = arg;

    p->call = NULL;
    --*p->n_open;
    if (rc)
        client_transport_error(&p->probe->error, rc, err, p->probe->url);
    else if (response->status != 200)
        client_status_error(&p->probe->error, response->status, response->body, p->probe->url);
    else
        p->probe->answer = json_load_bounded(buf_str(response->body), response->body->len, 0, NULL);
    if (rc == 0 && response->status == 200 && !p->probe->answer)
        client_foreign(&p->probe->error, p->probe->url, "its answer is not JSON");
}

static void start_probe(struct client *c, struct probing *p, int64_t timeout_ms)
{
    struct http_call_params params = {.url = p->probe->url, .arg = p, .on_done = on_probed};
    struct err err = {0};
    int rc;

    params.pin = p->probe->pin;
    params.headers = client_headers;
    params.bearer = p->probe->key; /* not the client's: not every node is that key's owner */
    params.method = p->probe->body ? "POST" : NULL;
    params.body = p->probe->body;
    params.body_bytes = p->probe->body ? strlen(p->probe->body) : 0;
    params.connect_timeout_ms = p->probe->connect_timeout_ms;
    params.body_max = CLIENT_ERROR_BODY_MAX;
    params.timeout_ms = timeout_ms;
    params.stop = interrupt_flag();
    rc = http_call_start(c->http, &params, &p->call, &err);
    if (rc)
        client_transport_error(&p->probe->error, rc, &err, p->probe->url);
    else
        ++*p->n_open;
}

bool client_probe_all(struct client *c, struct client_probe *probes, size_t n, int64_t timeout_ms)
{
    struct probing *all = calloc(n ? n : 1, sizeof *all);
    size_t n_open = 0;

    if (!all)
        return false;
    client_ms(c);
    for (size_t i = 0; i < n; i++) {
        all[i] = (struct probing){.probe = &probes[i], .n_open = &n_open};
        start_probe(c, &all[i], timeout_ms);
    }
    while (n_open && !interrupt_seen())
        event_base_loop(c->base, EVLOOP_ONCE);
    for (size_t i = 0; i < n; i++)
        if (all[i].call)
            http_call_cancel(all[i].call);
    free(all);
    return true;
}
