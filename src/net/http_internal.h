/*
 * http_internal.h - the server's parts as they see each other; nothing outside src/net includes it.
 *
 * The server owns its connections (a list), a connection owns its exchange, the exchange its
 * request. A connection is destroyed only in callbacks of the loop and in http_server_free, never
 * in a function that a handler may call: those mark it `broken` and wake `ev_later`.
 */
#ifndef RBEE_NET_HTTP_INTERNAL_H
#define RBEE_NET_HTTP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "net/http_parse.h"
#include "net/http_server.h"

#define HTTP_BACKLOG        4096
#define HTTP_ACCEPTS_MAX    64           /* in one go */
#define HTTP_ACCEPT_REST_MS 100          /* when descriptors or memory are short */
#define HTTP_REFUSED_MAX    64           /* connections past the limit that are told 503 */
#define HTTP_LINGER_MS      2000         /* for the client to read the last answer */
#define HTTP_GONE_CHECK_MS  250          /* while the read-ahead is full */
#define HTTP_READ_AHEAD_MAX (64u << 10)  /* bytes read but not yet taken by the parser ... */
#define HTTP_READ_BUSY_MAX  4096         /* ... and past so many no more while a handler works */
#define HTTP_UNSENT_BUSY    (64u << 10)  /* with so many unsent no further request is begun */
#define HTTP_UNSENT_MAX     (256u << 20) /* the most a connection holds for its client */
#define HTTP_ANSWER_LARGE   (64u << 10)  /* a whole one: see http_reply; 4096 of them: bodies_max */
#define HTTP_PEER_BYTES     64
#define HTTP_HOLD_LITTLE    (64u << 10) /* 4096 connections together: bodies_max */
#define HTTP_DEAD_IDLE_S    15          /* a silent client is asked for after so long ... */
#define HTTP_DEAD_BETWEEN_S 5           /* ... so often ... */
#define HTTP_DEAD_ASKS      3    /* ... and so many times: gone after 30 s, or write_timeout_ms */
#define HTTP_LOST_BEHIND_MS 5000 /* the kernel gives up so much later than the loop */

struct event;
struct sockaddr_storage;
struct tls_session;

enum http_phase {
    PHASE_IDLE,    /* between requests; no exchange */
    PHASE_HEAD,    /* an exchange's head is arriving */
    PHASE_BODY,    /* its body is arriving; the filter has let it pass */
    PHASE_HANDLER, /* it is the handler's (or the filter's) */
    PHASE_CLOSING, /* the last answer is being sent */
    PHASE_LINGER   /* it is sent; what the client still says is dropped */
};

struct http_exchange {
    struct http_conn *conn;
    struct http_request req;
    char id[HTTP_REQUEST_ID_BYTES];
    struct buf headers; /* added by the handler; */
    size_t n_prepared;  /* bytes of them by `prepare`: every answer has those */
    void (*gone)(struct http_exchange *x, void *arg);
    void *gone_arg;
    void (*drained)(struct http_exchange *x, void *arg);
    void *drained_arg;
    uint64_t pass;    /* see http_set_pass */
    size_t n_counted; /* bytes of its body, in the server's n_body_bytes */
    size_t n_held;    /* those that the handler keeps: n_counted, or 0 while that is a body */
    size_t n_granted; /* of these: they leave it as little as it had without them */
    bool streaming;   /* http_stream_begin was called */
    bool cut;         /* by http_server_cut */
};

struct http_conn {
    struct http_server *server;
    struct http_conn *next, **link; /* in the server's list */
    int fd;
    char peer[HTTP_PEER_BYTES];
    uint64_t place; /* whose it is: see http_place.c */
    enum http_phase phase;
    struct event *ev_read, *ev_write, *ev_timer, *ev_later;
    struct http_parser parser;
    struct http_exchange *x; /* NULL in PHASE_IDLE and behind PHASE_HANDLER, or of a broken one */
    uint64_t n_requests;     /* begun */
    unsigned n_blank;        /* bytes of an empty line before the next one: see http_take.c */
    struct buf in;           /* read ahead of the parser, */
    size_t n_ahead;          /* its bytes, in the server's n_body_bytes */
    struct buf out;          /* the first out_sent bytes of it are sent */
    size_t out_sent;
    uint64_t armed;          /* what the timer was started for: see conn_arm, */
    int64_t due_ms;          /* and when it is over (clock_ms) */
    struct tls_session *tls; /* NULL: plain */
    bool unmet;              /* it is to be TLS, and its first record is not there */
    bool keep_alive;
    bool refused;  /* one past the limit */
    bool had_pass; /* one of its requests: who is there has shown a key */
    bool parsing;  /* the parser is on the stack */
    bool reading;  /* false: the read-ahead is full, TLS has to write, or the client has ended */
    bool ended;    /* the client has shut its sending side */
    bool broken;   /* to be destroyed by the loop */
};

struct http_server {
    struct http_server_params params;
    char *name;
    int fd; /* the listening socket, -1 once drained */
    uint16_t port;
    struct event *ev_accept, *ev_rest;
    struct http_conn *conns;
    uint32_t n_conns, n_refused; /* n_conns counts the refused ones too */
    uint32_t n_most;             /* connections at once, since memory was given back last */
    uint64_t n_slow;             /* connections cut for reading too slowly */
    size_t n_body_bytes;         /* of requests' bodies, what handlers keep, what is read ahead */
    size_t n_held_bytes;         /* the latter alone */
    bool draining;
    int64_t date_at; /* the second `date` is for */
    char date[32];
    char scratch[HTTP_READ_AHEAD_MAX]; /* what recv fills */
};

/* ---- http_conn.c ---- */

/* Takes over the socket (closed on failure too). */
void http_conn_open(struct http_server *s, int fd, const char *peer, uint64_t place, bool refused);
void http_conn_destroy(struct http_conn *c); /* tells on_gone; only from the loop */

/* Sends, keeping what the kernel does not take; a failure marks the connection broken. */
void http_conn_send(struct http_conn *c, struct iovec *iov, int n_iov);
size_t http_conn_unsent(const struct http_conn *c);
/* The loop tells when the socket takes bytes, or cuts a client that takes none in time. */
void http_conn_await_room(struct http_conn *c);
void http_conn_cut_slow(struct http_conn *c); /* breaks it, counts and logs it */
void http_conn_break(struct http_conn *c);    /* the loop will destroy it */
/* The exchange is answered whole: frees it and goes on with the next, or ends the connection. */
void http_conn_answered(struct http_conn *c);
bool http_conn_is_idle(const struct http_conn *c);

/* ---- http_place.c ---- */

/* An IPv4 address, or the /64 net of an IPv6 one: what counts as one client. */
uint64_t http_place_of(const struct sockaddr_storage *from);
/* All connections are taken: ends one for a newcomer from there; false when none should make room.
 */
bool http_place_make(struct http_server *s, uint64_t place);

/* ---- http_wire.c: as recv and send of a socket that does not block ---- */

void http_wire_open(struct http_conn *c);
ssize_t http_wire_recv(struct http_conn *c, void *dst, size_t n);
ssize_t http_wire_send(struct http_conn *c, const void *bytes, size_t n);
bool http_wire_has_pending(const struct http_conn *c); /* bytes that no event tells of */
bool http_wire_wants_write(const struct http_conn *c); /* to read on, TLS has to write */
bool http_wire_is_up(const struct http_conn *c);       /* bytes of HTTP can be exchanged */
void http_wire_shut(struct http_conn *c);              /* the sending side */
void http_wire_close(struct http_conn *c);             /* not the socket */

/* ---- http_bodies.c ---- */

/* Behind each step of the parser, before what comes of it. False: this request has been refused. */
bool http_bodies_count(struct http_conn *c);
void http_bodies_forget(struct http_exchange *x); /* its body is no more, or ends with it */

/* ---- http_take.c ---- */

/* Bytes just read: as far as they can be taken now; the rest is kept. */
void http_take_bytes(struct http_conn *c, const char *bytes, size_t n);
void http_take_ahead(struct http_conn *c); /* goes on with what was kept */
void http_take_end(struct http_conn *c);   /* frees the exchange */
void http_take_drop_ahead(struct http_conn *c);

/* ---- http_reply.c ---- */

/* An answer of the server's own, with a close behind it; x may be NULL (no request yet). */
void http_reply_fault(struct http_conn *c, const struct http_fault *fault);

/* ---- http_server.c ---- */

/* "Sun, 06 Nov 1994 08:49:37 GMT" of now. */
const char *http_server_date(struct http_server *s);

#endif
