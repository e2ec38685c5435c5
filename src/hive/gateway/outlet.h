/*
 * outlet.h - a streamed answer on its way to a client: server-sent events, or a JSON line each.
 *
 * Events are gathered in `buf` and leave with outlet_flush, as one piece: once for all that came
 * from the worker at a time. Of a client that reads slowly the worker is not read further while
 * outlet_is_full; the server cuts it off past http_limits. Loop thread only. Source of the formats:
 * WHATWG HTML 9.2; ndjson.org.
 */
#ifndef RBEE_HIVE_GATEWAY_OUTLET_H
#define RBEE_HIVE_GATEWAY_OUTLET_H

#include <stdbool.h>

#include "base/buf.h"

#define OUTLET_PIECE_MAX (32u << 20)
#define OUTLET_FULL      (128u << 10) /* with so many bytes unsent no more should be made */

struct http_exchange;

enum outlet_kind { OUTLET_SSE, OUTLET_LINES };

struct outlet {
    struct http_exchange *x;
    enum outlet_kind kind;
    bool open;
    struct buf buf;
};

void outlet_init(struct outlet *o, struct http_exchange *x, enum outlet_kind kind);
void outlet_done(struct outlet *o); /* the memory only */

/* The 200 and its headers; nothing when it is open already. */
void outlet_open(struct outlet *o);

/* An event's beginning, its name only where the API gives one (NULL = none, and for lines). The
 * JSON is put to o->buf, on one line, by the caller; then outlet_end. */
void outlet_begin(struct outlet *o, const char *name);
void outlet_end(struct outlet *o);
/* ": text"; lines have no comments, nothing is sent there. */
void outlet_comment(struct outlet *o, const char *text);

void outlet_flush(struct outlet *o);
/* The client takes its answer slower than it is made. */
bool outlet_is_full(const struct outlet *o);
/* Flushes and ends the answer: the exchange is no more. `last` (may be NULL) is a last event. */
void outlet_close(struct outlet *o, const char *last);

#endif
