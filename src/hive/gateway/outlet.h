/*
 * outlet.h - a streamed answer on its way to a client: server-sent events, or a JSON line each.
 *
 * Events are gathered in `buf` and leave with outlet_flush: once for all that came from the worker
 * at a time. However large they are, the server holds little more than OUTLET_FULL bytes of them
 * (past http_limits it cuts a client off that only needs time): the rest waits here and follows as
 * the client reads. Of one that reads slowly the worker is not read further while outlet_is_full.
 * A stream of events is never silent for long, whoever is waited for (a worker's queue, a place):
 * clients and proxies take that for a dead one. Lines have nothing to be said with.
 * Loop thread only. Source of the formats: WHATWG HTML 9.2; ndjson.org.
 */
#ifndef RBEE_HIVE_GATEWAY_OUTLET_H
#define RBEE_HIVE_GATEWAY_OUTLET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define OUTLET_MAX        (128u << 20) /* bytes gathered at most: a last event may repeat all the text */
#define OUTLET_FULL       (128u << 10) /* with so many bytes unsent no more should be made */
#define OUTLET_PIECE      (64u << 10)  /* given to the server at a time */
#define OUTLET_SILENCE_MS 10000        /* without a byte, of a stream of events: a comment then */

struct event;
struct event_base;
struct http_exchange;

enum outlet_kind { OUTLET_SSE, OUTLET_LINES };

struct outlet {
    struct http_exchange *x;
    enum outlet_kind kind;
    bool open;
    struct buf buf;
    size_t n_whole, n_sent; /* bytes of `buf`: of events that are whole; that the server has */
    struct event_base *base;
    struct event *silence; /* owned; NULL = there may be silence */
    int64_t put_ms;        /* when it was opened, or bytes left last */
    /* Told, once, after the outlet was full: the client has read all. May be NULL. */
    void (*on_room)(void *arg);
    void *arg;
};

/* `base` is for what breaks silence. */
void outlet_init(struct outlet *o, struct event_base *base, struct http_exchange *x,
                 enum outlet_kind kind);
void outlet_done(struct outlet *o); /* its own only: the exchange is as it is */

/* The 200 and its headers; nothing when it is open already. */
void outlet_open(struct outlet *o);

/* An event's beginning, its name only where the API gives one (NULL = none, and for lines). The
 * JSON is put to o->buf, on one line, by the caller; then outlet_end. */
void outlet_begin(struct outlet *o, const char *name);
void outlet_end(struct outlet *o);
/* ": text"; lines have no comments, nothing is sent there. */
void outlet_comment(struct outlet *o, const char *text);
/* A whole event. */
void outlet_put(struct outlet *o, const char *data);

/* -1 when an event did not fit, or had no memory: it and those behind it are left out, and the
 * stream should say so and end. */
int outlet_flush(struct outlet *o);
/* Behind outlet_flush: the client takes its answer slower than it is made. */
bool outlet_is_full(const struct outlet *o);
/* Bytes that wait here. */
size_t outlet_n_left(const struct outlet *o);
/* What waits here is left out, and given back. */
void outlet_drop(struct outlet *o);
/* Gives the server all that waits, at once, and ends the answer: the exchange is no more. */
void outlet_close(struct outlet *o);

#endif
