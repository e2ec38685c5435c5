/* outlet.c - see outlet.h. */
#include "hive/gateway/outlet.h"

#include <event2/event.h>

#include "base/clock.h"
#include "net/http_server.h"

void outlet_init(struct outlet *o, struct event_base *base, struct http_exchange *x,
                 enum outlet_kind kind)
{
    *o = (struct outlet){.x = x, .base = base, .kind = kind};
    buf_init(&o->buf, OUTLET_MAX);
}

static void end_watch(struct outlet *o)
{
    if (o->silence)
        event_free(o->silence);
    o->silence = NULL;
}

void outlet_done(struct outlet *o)
{
    end_watch(o);
    buf_done(&o->buf);
}

/* ---- silence ---- */

static void watch_for(struct outlet *o, int64_t ms)
{
    const struct timeval in = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_add(o->silence, &in);
}

/* A client that has not taken what there is has no use for more. */
static void on_silence(evutil_socket_t fd, short what, void *arg)
{
    struct outlet *o = arg;
    int64_t left = o->put_ms + OUTLET_SILENCE_MS - clock_ms();

    (void)fd, (void)what;
    if (left <= 0) {
        if (!outlet_is_full(o)) {
            outlet_comment(o, "keep-alive");
            outlet_flush(o);
        }
        left = OUTLET_SILENCE_MS;
    }
    watch_for(o, left);
}

/* Without memory for the timer there may be silence. */
static void begin_watch(struct outlet *o)
{
    o->put_ms = clock_ms();
    o->silence = o->kind == OUTLET_SSE ? evtimer_new(o->base, on_silence, o) : NULL;
    if (o->silence)
        watch_for(o, OUTLET_SILENCE_MS);
}

void outlet_open(struct outlet *o)
{
    if (o->open)
        return;
    o->open = true;
    http_add_header(o->x, "Cache-Control", "no-cache, no-store");
    http_add_header(o->x, "X-Accel-Buffering", "no");
    http_stream_begin(o->x, 200,
                      o->kind == OUTLET_SSE ? "text/event-stream" : "application/x-ndjson");
    begin_watch(o);
}

/* ---- events ---- */

static void mark_whole(struct outlet *o)
{
    if (!buf_failed(&o->buf))
        o->n_whole = o->buf.len;
}

void outlet_begin(struct outlet *o, const char *name)
{
    if (o->kind == OUTLET_LINES)
        return;
    if (name)
        buf_printf(&o->buf, "event: %s\n", name);
    buf_put(&o->buf, "data: ", 6);
}

void outlet_end(struct outlet *o)
{
    buf_put(&o->buf, "\n\n", o->kind == OUTLET_SSE ? 2 : 1);
    mark_whole(o);
}

void outlet_comment(struct outlet *o, const char *text)
{
    if (o->kind == OUTLET_SSE)
        buf_printf(&o->buf, ": %s\n\n", text);
    mark_whole(o);
}

void outlet_put(struct outlet *o, const char *data)
{
    outlet_begin(o, NULL);
    buf_puts(&o->buf, data);
    outlet_end(o);
}

/* ---- out ---- */

size_t outlet_n_left(const struct outlet *o)
{
    return o->n_whole - o->n_sent;
}

void outlet_drop(struct outlet *o)
{
    buf_done(&o->buf);
    o->n_whole = o->n_sent = 0;
}

/* Nothing waits; what a large event took is given back. */
static void empty(struct outlet *o)
{
    if (o->buf.cap > OUTLET_FULL)
        buf_done(&o->buf);
    else
        buf_clear(&o->buf);
    o->n_whole = o->n_sent = 0;
}

static void on_drained(struct http_exchange *x, void *arg);

/* As much as the server should hold for its client. */
static void write_out(struct outlet *o)
{
    while (outlet_n_left(o) && http_stream_pending(o->x) <= OUTLET_FULL) {
        size_t n = outlet_n_left(o);

        if (n > OUTLET_PIECE)
            n = OUTLET_PIECE;
        if (http_stream_put(o->x, o->buf.data + o->n_sent, n)) /* it has left: we are told soon */
            n = outlet_n_left(o);
        o->n_sent += n;
        o->put_ms = clock_ms();
    }
    if (outlet_n_left(o) == 0)
        empty(o);
    if (outlet_is_full(o))
        http_on_drained(o->x, on_drained, o);
}

static void on_drained(struct http_exchange *x, void *arg)
{
    struct outlet *o = arg;

    (void)x;
    write_out(o);
    if (!outlet_is_full(o) && o->on_room)
        o->on_room(o->arg);
}

int outlet_flush(struct outlet *o)
{
    bool failed = buf_failed(&o->buf);

    if (!o->open)
        return 0;
    buf_cut(&o->buf, o->n_whole);
    write_out(o);
    return failed ? -1 : 0;
}

bool outlet_is_full(const struct outlet *o)
{
    return o->open && (outlet_n_left(o) || http_stream_pending(o->x) > OUTLET_FULL);
}

void outlet_close(struct outlet *o)
{
    end_watch(o);
    if (outlet_n_left(o))
        http_stream_put(o->x, o->buf.data + o->n_sent, outlet_n_left(o));
    http_stream_end(o->x);
}
