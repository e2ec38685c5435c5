/*
 * http_server.h - an HTTP/1.1 server on a libevent loop, strict about what it accepts.
 *
 * One listening socket, any number of connections, all in the loop's thread. A request is handed to
 * the handler once its head and body are whole; the handler answers now or later, with one reply or
 * with a stream. Parsing is llhttp's in its strict mode; on top of it refused with 400 and a close:
 * no or several Host headers (HTTP/1.1), obs-fold, a blank before a colon, NUL or control bytes in
 * the head, bare CR or LF, conflicting or repeated Content-Length, Content-Length with
 * Transfer-Encoding, any coding but "chunked", trailers, a repeated Authorization, Origin, Expect,
 * Content-Type or Content-Encoding, an absolute-form target of another host's, a target not
 * beginning with '/', broken percent escapes. An Upgrade is not taken, the request is answered in
 * HTTP/1.1. 431 past the head's limit, 413 past the body's, 415 for a body with a Content-Encoding,
 * 408 past a time limit, 503 past the connections'. Keep-alive and pipelining work (one request is
 * in the handler at a time); HEAD replies carry no body. "Expect: 100-continue" is answered.
 *
 * While a request waits for its answer the socket is still read, so that a client that leaves, or
 * shuts its sending side, is noticed at once: `on_gone` is called.
 *
 * Every reply carries X-Request-Id, Date and Server. Keys hook in by `filter`. No SIGPIPE comes of
 * the server's own sockets.
 */
#ifndef RBEE_NET_HTTP_SERVER_H
#define RBEE_NET_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct event_base;
struct http_server;
struct tls;
struct tls_server;
struct http_exchange; /* one request and its answer */

/* The beginning of what a port with TLS answers to plain HTTP. */
#define HTTP_SPEAKS_HTTPS     "This port speaks https and was asked in plain http"
#define HTTP_HEAD_MAX         (32u << 10)
#define HTTP_HEADERS_MAX      100
#define HTTP_REQUEST_ID_BYTES 37
#define HTTP_CONNECTIONS_MAX  4096
#define HTTP_HEAD_TIMEOUT_MS  10000
#define HTTP_BODY_TIMEOUT_MS  30000
#define HTTP_WRITE_TIMEOUT_MS 60000

struct http_limits {
    size_t body_max;          /* bytes of a request's body */
    size_t bodies_max;        /* of all that are held at once; past it the largest goes, 503 */
    uint32_t connections_max; /* taken, one makes room for another: see http_place.c */
    /* Times, in ms; 0 or less = no limit. */
    int64_t head_timeout_ms;  /* from the first byte (or accept) to a whole head */
    int64_t body_timeout_ms;  /* from the head to a whole body */
    int64_t idle_timeout_ms;  /* a kept-alive connection between requests */
    int64_t write_timeout_ms; /* no byte accepted by the client while some wait to be sent */
    /* bytes a slow reader may leave waiting; who has more when the next piece comes is cut. So it
     * is this and one piece that a stream holds at most. */
    size_t stream_pending_max;
};
/* 16 MiB, 256 MiB, 4096 or half of the descriptors that the process may have, 10 s, 30 s, 75 s,
 * 60 s, 1 MiB */
struct http_limits http_limits_default(void);

struct http_server_params {
    struct event_base *base;
    const char *address; /* "127.0.0.1", "::1", "0.0.0.0" */
    uint16_t port;       /* 0 = the kernel picks */
    /*
     * > 0: a bound (maybe listening) TCP socket to use instead of address and port; the server's
     * own once http_server_create has succeeded. 0 or less: none (descriptor 0 is never one).
     */
    int listen_fd;
    const char *name; /* for the Server header: "rbee-hive/0.1.0" */
    struct http_limits limits;
    void *arg;
    /*
     * Called once a request's head is known, also where the server refuses it for what it says; may
     * be NULL. It answers nothing: it puts what every answer is to have (http_add_header,
     * http_set_request_id). http_path may be NULL here, http_target is not.
     */
    void (*prepare)(struct http_exchange *x, void *arg);
    /*
     * A whole request. Must answer it, now or later, and stop touching it once answered or gone.
     * No callback may free the server.
     */
    void (*handle)(struct http_exchange *x, void *arg);
    /*
     * Asked before `handle` (and before a body is read), may be NULL. Returns true to go on; or
     * answers the exchange itself and returns false. Where keys and Host checks live.
     */
    bool (*filter)(struct http_exchange *x, void *arg);
    /*
     * Renders an error the server itself finds (400, 408, 413, 415, 431, 503): puts a body for
     * `status` with the sentence `text` into dst, returns its content type. `target` is the
     * request's as it was sent, with its query, or NULL when the head was not understood. May be
     * NULL (plain text).
     */
    const char *(*render_error)(int status, const char *target, const char *text,
                                const char *request_id, char *dst, size_t dst_size);
    /*
     * TLS (tls.h), both or neither; borrowed. The handshake counts as a part of the first head. Who
     * asks in plain HTTP is answered 400 in plain HTTP. `tls_failed` (may be NULL) is told of every
     * connection that ends before its handshake is done with bytes that are no TLS of ours.
     */
    const struct tls *tls;
    struct tls_server *tls_server;
    void (*tls_failed)(void *arg, const char *peer, const char *why);
};

/*
 * Binds and listens. ERR_BUSY when the port is taken (text: address and port), ERR_DENIED, ERR_IO,
 * ERR_INVALID for a bad address or a listen_fd that is no TCP socket. The texts in params need not
 * live on. Free with http_server_free: closes the listener and every connection, telling on_gone.
 */
int http_server_create(const struct http_server_params *params, struct http_server **out,
                       struct err *err);
void http_server_free(struct http_server *s);
/* New connections show another certificate; the one of before may be freed. */
void http_server_renew_tls(struct http_server *s, struct tls_server *tls_server);

/*
 * Ends requests from outside, each by the pass that let it in (http_set_pass): those for which
 * `is_over` says so, from the moment the filter has let them in until they are answered whole.
 */
struct http_cut {
    bool (*is_over)(void *arg, uint64_t pass);
    /* Must answer at once: a stream that has begun (http_stream_begun) gets its last bytes. */
    void (*farewell)(struct http_exchange *x, void *arg);
    void *arg;
};
/*
 * on_gone is called first: a handler that finds http_is_cut may answer `x` there by itself, and
 * `farewell` is for those that have not. Returns how many requests were ended. In the loop's
 * thread, but not from within the handler of a request that has a pass.
 */
uint32_t http_server_cut(struct http_server *s, const struct http_cut *cut);

uint16_t http_server_port(const struct http_server *s);

/* Accepts no more, closes idle connections; requests under way are answered, then closed. */
void http_server_drain(struct http_server *s);
/* Exchanges the handler has not answered, and answers the kernel has not wholly taken. */
uint32_t http_server_n_active(const struct http_server *s);
/* Of these, what the handler has not answered. */
uint32_t http_server_n_handled(const struct http_server *s);
/* Bytes of answers that their clients' machines have not taken: kept here, and by the kernel. */
uint64_t http_server_n_unsent(const struct http_server *s);
/* Connections cut because their clients read too slowly: by bytes or by time (http_limits). */
uint64_t http_server_n_slow(const struct http_server *s);

/* ---- the request; texts belong to the exchange ---- */
const char *http_method(const struct http_exchange *x); /* "GET" */
/* As it was sent, with its query. */
const char *http_target(const struct http_exchange *x);
const char *http_path(const struct http_exchange *x); /* decoded, without the query; has no NUL */
const char *http_query(const struct http_exchange *x, const char *name);  /* decoded, or NULL */
const char *http_header(const struct http_exchange *x, const char *name); /* or NULL; any case */
const char *http_body(const struct http_exchange *x, size_t *n);          /* NUL-terminated */
void http_drop_body(struct http_exchange *x); /* read and needed no more: a stream may last */
/*
 * What a handler made of a body that it has dropped, and still holds, counts as bodies do: so many
 * bytes, until it says another number or the exchange ends. False, and nothing has changed, when
 * that is over limits.bodies_max; or, for more than 64 KiB, when handlers would keep over three
 * quarters of it.
 */
bool http_hold(struct http_exchange *x, size_t n);
/* Of what it holds so much was let in once and stays: a stream that makes little beside it is not
 * ended for the room that others take later. */
void http_hold_granted(struct http_exchange *x, size_t n);
const char *http_request_id(const struct http_exchange *x);
/* Another one, of who asks in somebody's name; what is no UUID is not taken. */
void http_set_request_id(struct http_exchange *x, const char *id);
const char *http_peer(const struct http_exchange *x); /* "127.0.0.1:53210" */

/*
 * For `filter`: this request's body may have n bytes at most, when that is less than the server's
 * limit. -1 when the head says already that it has more: the filter should refuse it. A body that
 * turns out longer is refused by the server, 413.
 */
int http_limit_body(struct http_exchange *x, size_t n);

/* For `filter`: by what right the request passes, a number of the owner's; 0 = none. A connection
 * that had one is not ended to make room for strangers. */
void http_set_pass(struct http_exchange *x, uint64_t pass);
bool http_is_cut(const struct http_exchange *x); /* on_gone is called by http_server_cut */

/* Called once if the client leaves, the request is cut, or the server ends, before the answer was
 * complete. Setting it replaces the previous one; NULL takes it away. After it was called `x` is no
 * more. */
void http_on_gone(struct http_exchange *x, void (*gone)(struct http_exchange *x, void *arg),
                  void *arg);
/*
 * Of a stream of which something is unsent: called once, from the loop, when the kernel has taken
 * all that was put, for those who make more only as fast as the client reads. Where nothing is
 * unsent it is not called. NULL takes it away. It may put to the stream, and
 * end it.
 */
void http_on_drained(struct http_exchange *x, void (*drained)(struct http_exchange *x, void *arg),
                     void *arg);

/* ---- the answer ---- */
/* Adds a header to the coming reply; name and value must hold no CR or LF (a BUG otherwise). */
void http_add_header(struct http_exchange *x, const char *name, const char *value);

/*
 * The whole answer at once; `x` is no more afterwards. content_type NULL for an empty body. One of
 * over 1 MiB becomes a 503 when it and what other clients have not read yet are over
 * limits.bodies_max.
 */
void http_reply(struct http_exchange *x, int status, const char *content_type, const void *body,
                size_t n);

/*
 * A stream: head now, pieces as they come (chunked; written out at once), an end. http_stream_put
 * returns 0, or -1 when the client has left or the slow reader's limit was passed: the connection
 * is then being closed and on_gone is called from the loop, not from within. After http_stream_end
 * `x` is no more.
 */
void http_stream_begin(struct http_exchange *x, int status, const char *content_type);
int http_stream_put(struct http_exchange *x, const void *bytes, size_t n);
void http_stream_end(struct http_exchange *x);
bool http_stream_begun(const struct http_exchange *x);
size_t http_stream_pending(const struct http_exchange *x); /* bytes not yet taken by the kernel */

#endif
