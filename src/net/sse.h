/*
 * sse.h - server-sent events, writing and reading (WHATWG HTML, section 9.2).
 *
 * The writer sends `data: <json>\n\n` on an exchange's stream and keeps it alive with a comment
 * when nothing was sent for a while. The reader takes bytes in any pieces and gives whole events.
 */
#ifndef RBEE_NET_SSE_H
#define RBEE_NET_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct event_base;
struct http_exchange;

#define SSE_KEEPALIVE_MS 10000
#define SSE_EVENT_MAX    (1u << 20) /* bytes of one event the reader takes */

/* ---- writing ---- */
struct sse_stream;

/*
 * Begins a 200 text/event-stream on `x` with no-cache headers. The stream owns the exchange: use
 * sse_* only. `gone` (may be NULL) is called once if the client leaves before sse_end; the stream
 * is freed behind it. NULL when out of memory (the exchange is then answered with 500).
 */
struct sse_stream *sse_begin(struct event_base *base, struct http_exchange *x,
                             void (*gone)(void *arg), void *arg);
/* Another silence than SSE_KEEPALIVE_MS before a comment is sent; > 0. */
void sse_set_keepalive(struct sse_stream *s, int64_t ms);
/*
 * One event, one line of JSON (no newline in it: a BUG). 0, or -1: the client has left or reads too
 * slowly, `gone` will come from the loop; or the event is over SSE_EVENT_MAX, or there is no memory
 * for it, and it was not sent.
 */
int sse_send(struct sse_stream *s, const char *json, size_t n);
/* The client has left, or was cut: behind an event that was not sent, that is why. */
bool sse_is_broken(struct sse_stream *s);
/* `data: [DONE]`, the end of the response; frees the stream. */
void sse_end(struct sse_stream *s);

/* ---- reading ---- */
struct sse_reader;

/*
 * `on_data` gets each event's data (lines joined by '\n', NUL-terminated), `on_comment` (may be
 * NULL) each comment. on_data returns false to stop: sse_reader_put then ignores the rest. The
 * reader may be freed from within them.
 */
struct sse_reader *sse_reader_create(bool (*on_data)(void *arg, const char *data, size_t n),
                                     void (*on_comment)(void *arg, const char *text), void *arg);
void sse_reader_free(struct sse_reader *r);
/* 0; ERR_LIMIT past SSE_EVENT_MAX; ERR_NO_MEMORY. CR, LF and CRLF all end lines, also split ones.
 */
int sse_reader_put(struct sse_reader *r, const char *bytes, size_t n, struct err *err);
/* Bytes of an event that is not whole yet. Those of events that were given are not kept. */
size_t sse_reader_held(const struct sse_reader *r);

#endif
