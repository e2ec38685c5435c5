/*
 * http_client_internal.h - the client's parts as they see each other; nothing outside src/net
 * includes it.
 *
 * What is the same for every transport is here: the list of calls, their time limits, what is told
 * to their callers, and their end. A transport moves the bytes. It may not be entered again from
 * within the callers' callbacks, so calls are begun, resumed and removed by one deferred event,
 * `ev_later`, that looks at the calls' flags. A call is freed only with no transport on the stack
 * that still knows it.
 */
#ifndef RBEE_NET_HTTP_CLIENT_INTERNAL_H
#define RBEE_NET_HTTP_CLIENT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/http_client.h"
#include "net/http_url.h"

#define HTTP_CLIENT_HEAD_MAX   (256u << 10) /* of one hop's answer */
#define HTTP_CLIENT_BUFFER     (64u << 10)  /* what is read at once */
#define HTTP_CLIENT_CONNECT_MS 10000

struct event;

/* A transport's call and client begin with struct http_call and struct http_client. */
struct http_transport {
    size_t call_bytes;
    /* Checks the URL and makes what `done` frees; no bytes move yet. */
    int (*setup)(struct http_call *call, struct err *err);
    void (*begin)(struct http_call *call);    /* from the loop; http_call_ended comes some time */
    void (*go_on)(struct http_call *call);    /* from the loop: it is not paused any more */
    bool (*has_sent)(struct http_call *call); /* did bytes of it leave since last asked? */
    void (*remove)(struct http_call *call);   /* ends its transport in silence; also unbegun */
    void (*done)(struct http_call *call);     /* frees what setup made; also half-built */
    void (*close)(struct http_client *c);     /* frees the client; it has no calls */
    /* The loop was held up, for time limits that are the transport's own. May be NULL. */
    void (*stood_still)(struct http_client *c, int64_t ms);
    /* Not NULL: makes c->real, which gets the calls; nothing above but `close` is there then. */
    int (*make_real)(struct http_client *c, struct err *err);
};

struct http_client {
    struct event_base *base;
    const struct http_transport *via;
    struct event *ev_later;
    struct http_call *calls;
    unsigned n_entered;       /* > 0: a transport that calls back is on the stack */
    struct http_client *real; /* owned: of one that is made with the first call */
    int64_t waited_ms;        /* http_client_waited since http_client_stood_still */
};

struct http_call {
    struct http_client *client;
    struct http_call *next, **link;
    struct http_call_params params; /* its texts are not kept: see below */
    char **given;                   /* the caller's headers, NULL behind the last */
    char *method, *url, *bearer, *pin;
    void *sent; /* the request's body; a transport may free it once it has left */
    struct event *ev_timer;
    struct buf body;
    uint64_t body_bytes;
    int status; /* of this hop; 0 until its status line */
    int64_t started_ms, first_byte_ms, last_byte_ms;
    int64_t due_ms; /* when ev_timer is over */
    bool started;   /* the transport has begun it */
    bool paused, to_resume;
    bool cancelled, ended;
    const char *lost;          /* its server is, and why; NULL = it is not */
    bool head_over, body_over; /* a limit was passed */
    bool out_of_memory;
};

/* ---- http_client.c ---- */

int http_client_init(struct http_client *c, struct event_base *base,
                     const struct http_transport *via, struct err *err);
void http_client_done(struct http_client *c); /* what init made */
void http_client_wake(struct http_client *c);

/* ---- http_call.c: for transports ---- */

/* There is a connection. */
void http_call_connected(const struct http_call *call);
/* ... and it is one for the request. */
void http_call_sending(const struct http_call *call);

/* Bytes came, of whatever kind. */
void http_call_heard(struct http_call *call);

/* What the caller says to a piece of the body. */
enum http_taken { HTTP_TAKEN, HTTP_TAKEN_PAUSE, HTTP_TAKEN_STOP };
/* PAUSE: the piece was not taken, go_on will come. STOP: end the call, the reason is noted. */
enum http_taken http_call_take_body(struct http_call *call, const char *bytes, size_t n);

/*
 * The end: rc 0 for a whole answer. Limits, lack of memory and cancellation are looked at here
 * first. The transport does not know the call any more. Frees it.
 */
void http_call_ended(struct http_call *call, int rc, const struct err *err);
void http_call_free(struct http_call *call);

/* The errors of a call, by how far it has come. They return the code. */
int http_call_broken(const struct http_call *call, const char *why, struct err *err);
int http_call_connect_late(const struct http_call *call, struct err *err);
int64_t http_call_connect_ms(const struct http_call *call);

/* The transport has held up the loop for so long: http_client_stood_still is told of it, too. */
void http_client_waited(struct http_client *c, int64_t ms);

/* "Name: value" lines. */
bool http_line_is(const char *line, const char *name);

#endif
