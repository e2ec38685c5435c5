/*
 * sse_write.c - an exchange's stream as server-sent events: see sse.h. The loop's thread only.
 *
 * The timer is not moved with each event (there are many): when it fires it looks at how long ago
 * the last bytes were sent, and sleeps for the rest.
 */
#include "net/sse.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/http_server.h"

/* `data: `, the event, and the blank line behind it. */
#define SSE_LINE_MAX (SSE_EVENT_MAX + 16)

struct sse_stream {
    struct http_exchange *x;
    struct event *timer;
    struct buf line;
    int64_t keepalive_ms, last_ms;
    void (*gone)(void *arg);
    void *arg;
};

static void sse_free(struct sse_stream *s)
{
    if (s->timer)
        event_free(s->timer);
    buf_done(&s->line);
    free(s);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct sse_stream *s = arg;

    (void)x;
    if (s->gone)
        s->gone(s->arg);
    sse_free(s);
}

static void sleep_ms(struct sse_stream *s, int64_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

    event_add(s->timer, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct sse_stream *s = arg;
    int64_t quiet_ms = clock_ms() - s->last_ms;

    (void)fd, (void)what;
    if (quiet_ms >= s->keepalive_ms) {
        http_stream_put(s->x, ": keep-alive\n\n", 14);
        s->last_ms = clock_ms();
        quiet_ms = 0;
    }
    sleep_ms(s, s->keepalive_ms - quiet_ms);
}

struct sse_stream *sse_begin(struct event_base *base, struct http_exchange *x,
                             void (*gone)(void *arg), void *arg)
{
    struct sse_stream *s = calloc(1, sizeof *s);

    if (s)
        s->timer = evtimer_new(base, on_timer, s);
    if (!s || !s->timer) {
        free(s);
        http_reply(x, 500, NULL, NULL, 0);
        return NULL;
    }
    buf_init(&s->line, SSE_LINE_MAX);
    s->x = x;
    s->gone = gone;
    s->arg = arg;
    s->last_ms = clock_ms();
    http_on_gone(x, on_gone, s);
    http_add_header(x, "Cache-Control", "no-cache, no-store");
    http_add_header(x, "X-Accel-Buffering", "no");
    http_stream_begin(x, 200, "text/event-stream");
    sse_set_keepalive(s, SSE_KEEPALIVE_MS);
    return s;
}

void sse_set_keepalive(struct sse_stream *s, int64_t ms)
{
    s->keepalive_ms = ms;
    sleep_ms(s, ms);
}

int sse_send(struct sse_stream *s, const char *json, size_t n)
{
    BUG_ON(memchr(json, '\n', n) || memchr(json, '\r', n));
    if (n > SSE_EVENT_MAX)
        return -1;
    buf_clear(&s->line);
    buf_puts(&s->line, "data: ");
    buf_put(&s->line, json, n);
    buf_puts(&s->line, "\n\n");
    s->last_ms = clock_ms();
    if (buf_failed(&s->line))
        return -1;
    return http_stream_put(s->x, s->line.data, s->line.len);
}

bool sse_is_broken(struct sse_stream *s)
{
    return http_stream_put(s->x, "", 0) != 0;
}

void sse_end(struct sse_stream *s)
{
    http_stream_put(s->x, "data: [DONE]\n\n", 14);
    http_on_gone(s->x, NULL, NULL);
    http_stream_end(s->x);
    sse_free(s);
}
