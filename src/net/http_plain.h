/*
 * http_plain.h - the plain transport, as its files see each other.
 *
 * A client owns its connections; a connection carries one call at a time, or none and is kept for
 * the next. A call without a connection is trying the addresses of its host in turn with a
 * connection that is not made yet. Everything runs in the loop's thread.
 */
#ifndef RBEE_NET_HTTP_PLAIN_H
#define RBEE_NET_HTTP_PLAIN_H

#include "net/http_answer.h"
#include "net/http_client_internal.h"
#include "net/http_resolve.h"
#include "net/http_url.h"
#include "net/tls.h"

#define PLAIN_IDLE_MAX       8      /* connections kept for later */
#define PLAIN_IDLE_MS        15000  /* no longer: servers close theirs too */
#define PLAIN_POST_IDLE_MS   1000   /* for a request that may not be sent twice */
#define PLAIN_DEAD_IDLE_S    15     /* a silent server is asked for after so long, ... */
#define PLAIN_DEAD_BETWEEN_S 5      /* ... so often ... */
#define PLAIN_DEAD_ASKS      3      /* ... and so many times: gone after 30 s */
#define PLAIN_LOST_MS        120000 /* ... or, while it has not taken all that it was sent, this */
#define PLAIN_TAKEN_LOOK_S   1      /* after so long without a byte it is seen whether it has */
#define PLAIN_FIRST_MS       1000   /* for an address to take a connection, while others wait */
#define PLAIN_REQUEST_MAX    (1u << 20) /* a request's head */

struct bufferevent;

struct plain_client {
    struct http_client c; /* first */
    enum http_names names;
    struct plain_conn *conns; /* all */
    const struct tls *tls;    /* NULL: not loaded yet */
    struct tls_client *trust; /* made with the first https call */
    char pin[TLS_PIN_BYTES];  /* "" = none */
};

struct plain_conn {
    struct plain_client *client;
    struct plain_conn *next, **link;
    struct bufferevent *bev;
    struct plain_call *call; /* NULL: kept for later */
    char *place;             /* for whom it can be used again: see plain_call */
    bool secure;             /* bev speaks TLS */
    bool connected;          /* and shaken hands */
    bool used_before;        /* or made long ago: it may be closed without our knowing */
    int64_t connect_by_ms;   /* its share of the call's time */
    int64_t idle_since_ms;
};

/* On the way to a connection; not kept behind it, as there may be a thousand streams. */
struct plain_way {
    struct http_addrs addrs;
    size_t n_tried;            /* of those, in this round */
    bool late[HTTP_ADDRS_MAX]; /* they said nothing in their share of the first round ... */
    bool again;                /* ... and are tried once more: the second round */
    struct err failure;        /* what is told when none of them works; code 0 = nothing yet */
};

struct plain_call {
    struct http_call call; /* first */
    struct http_url url;
    char *place;           /* owned: "host:port" with the zone, by TLS "https host:port pin" */
    struct plain_way *way; /* owned; NULL before it is needed, and once connected */
    int64_t connect_by_ms; /* the end of connecting */
    struct plain_conn *conn;
    struct http_answer answer;
    bool has_answer; /* `answer` is initialised */
    bool heard;      /* a byte of the answer has come */
    size_t n_unsent; /* when last looked at */
};

/* ---- http_plain.c ---- */

/* Whom the call trusts with https: a pin, or NULL for the system's authorities. */
const char *http_plain_pin(const struct plain_call *t);

/* ERR_BUSY, with what on_done tells where memory is short before anything was sent. */
int http_plain_no_memory(const struct plain_call *t, struct err *err);

/* The call's connection has failed before or within the answer: once more, or the end. */
void http_plain_failed(struct plain_call *t, const char *why);
/* The whole request has left. */
void http_plain_sent(struct plain_call *t);
/* The other side is there, and is not to be spoken to, or none is: the end, as err says. */
void http_plain_refused(struct plain_call *t, int rc, const struct err *err);

/* ---- http_plain_addrs.c ---- */

/* Begins with the call's next address (t->way), or ends it when there is none left. */
void http_plain_try_address(struct plain_call *t);
/* An address does not work: the next one, or the end. */
void http_plain_next_address(struct plain_call *t, bool late, const char *why);

/* ---- http_plain_conn.c ---- */

/* Begins to connect to the call's address `i`. 0, or -1 with errno. */
int http_plain_connect(struct plain_call *t, size_t i, int64_t timeout_ms);
/* Puts the call's request on `conn`, which is connected or will be. 0, or -1: no memory. */
int http_plain_send(struct plain_call *t, struct plain_conn *conn);
bool http_plain_has_sent(struct plain_call *t); /* since last asked */
void http_plain_read_on(struct plain_call *t);  /* behind a pause */
/* The loop was held up for so long: those that are being connected have that time still. */
void http_plain_stood_still(struct plain_client *c, int64_t ms);
void http_plain_close(struct plain_conn *conn); /* NULL is fine; its call is not told */
/* A kept connection to the place that is not known to be closed, not idle longer than so; NULL. */
struct plain_conn *http_plain_kept(struct plain_client *c, const char *place, int64_t idle_ms);

/* ---- http_plain_lost.c ---- */

/* A socket on its way to the address, or -1 with errno. */
int http_plain_socket(const struct sockaddr_storage *at, socklen_t bytes);
/* Something is put on the connection: the server has so long to take it; 0 = it has. */
void http_plain_limit_taking(struct plain_conn *conn, int lost_ms);
/* Nothing has come for PLAIN_TAKEN_LOOK_S: has the server taken all there is? */
void http_plain_look_taken(struct plain_conn *conn);

#endif
