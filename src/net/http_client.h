/*
 * http_client.h - HTTP requests on a libevent loop, over one of two transports.
 *
 * The plain one, on libevent and llhttp, between the machines of one household: http:// and, by the
 * module of tls.h, https://; addresses and names, no redirects, never a proxy. And libcurl, for the
 * world outside: https, redirects, the environment's proxies (except for loopback). A program links
 * the transport it creates; what comes behind the creation is the same for both.
 *
 * All in the loop's thread. A call's callbacks come from the loop, never from within a function
 * here; after on_done (called exactly once) or http_call_cancel the call is no more. HTTP/1.1, no
 * Expect header, compressed bodies not asked for. URLs with a user name are refused. Texts of
 * errors show URLs without their query. The program ignores SIGPIPE: libevent and OpenSSL write
 * without asking.
 *
 * Redirects are followed only when asked, at most 5, never from https to http. When host, port or
 * scheme change the bearer and the headers Authorization, Cookie and Proxy-Authorization stay
 * behind for good, and a body is not sent on (ERR_DENIED).
 */
#ifndef RBEE_NET_HTTP_CLIENT_H
#define RBEE_NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct event_base;
struct http_client;
struct http_call;

#define HTTP_REDIRECTS_MAX 5

struct http_response {
    int status;          /* 0 when no answer came */
    const char *url;     /* of the last hop */
    uint64_t body_bytes; /* received */
    struct buf *body;    /* the collected body, the call's own; NULL when body_max is 0 */
    int64_t first_byte_ms, total_ms;
};

struct http_call_params {
    const char *method; /* NULL = GET */
    const char *url;
    const char *const *headers; /* "Name: value", NULL behind the last; may be NULL */
    const char *bearer;         /* sent as Authorization, dropped on another host; may be NULL */
    const char *pin;  /* plain transport: whom https trusts (tls.h); NULL = the client's choice */
    const void *body; /* copied; may be NULL */
    size_t body_bytes;
    size_t body_max; /* collect at most so many bytes into response.body; 0 = on_body only */
    bool follow;     /* redirects; libcurl only */
    bool once;       /* plain transport: never sent twice, though the method would let it */
    int64_t connect_timeout_ms; /* 0 = 10 s */
    int64_t timeout_ms;         /* of the whole call; 0 = none */
    int64_t stall_ms;           /* end when no byte came for so long; 0 = never */
    /* Plain transport: true ends the wait for a name server (ERR_CANCELLED). May be NULL. */
    const volatile bool *stop;
    void *arg;
    /* Plain transport: somebody has taken the connection, or one is there from before; with TLS he
     * has yet to say who he is. Again where it is made anew. May be NULL. */
    void (*on_connected)(void *arg);
    /* Plain transport: from here on the other side may hear of the request; with TLS behind the
     * handshake. May be NULL. */
    void (*on_sending)(void *arg);
    /* A header of any hop, also of a redirect: status of that hop, name lower-case. May be NULL. */
    void (*on_header)(void *arg, int status, const char *name, const char *value);
    /* Body bytes of the last hop. Returns false to pause; http_call_resume goes on and gives the
     * same bytes again. May be NULL. */
    bool (*on_body)(void *arg, int status, const char *bytes, size_t n);
    /*
     * The end. rc 0: an answer came (any status). Else ERR_UNREACHABLE (refused, name unknown,
     * reset before an answer), ERR_TIMEOUT (connect, whole or stall: the text says which),
     * ERR_LIMIT (body_max), ERR_IO (broken off midway), ERR_DENIED (a redirect refused, or the
     * server's certificate), ERR_CANCELLED (stop), ERR_CONFLICT (https was asked for and the server
     * speaks http), ERR_BUSY (plain: no descriptor, port or memory is left here; nothing was sent),
     * ERR_NO_MEMORY (for the answer; with libcurl for the call, too), ERR_UNSUPPORTED (a name,
     * with HTTP_NAMES_REFUSED), ERR_INVALID (libcurl: what it cannot use, such as a proxy).
     */
    void (*on_done)(void *arg, int rc, const struct http_response *response, const struct err *err);
};

/* What the plain transport does with a host's name that is neither an address nor localhost. */
enum http_names {
    HTTP_NAMES_REFUSED, /* ERR_UNSUPPORTED: a server's loop does not wait for a name server */
    HTTP_NAMES_WAIT     /* asks the system's resolver, and the loop waits: for command lines */
};

/*
 * HTTP, and https once TLS is loaded. Connections are kept and used again; a request that only
 * reads or may be repeated is sent once more when its kept connection turns out to be closed. All
 * addresses of a name are tried in order. A call that follows is ERR_UNSUPPORTED.
 */
int http_client_create_plain(struct event_base *base, enum http_names names,
                             struct http_client **out, struct err *err);
/*
 * For a plain client: the pin that https servers have to show, unless a call says another. Without
 * one the system's authorities decide. NULL takes it away. ERR_INVALID for what is no pin.
 */
int http_client_set_pin(struct http_client *c, const char *pin, struct err *err);
/* For a plain client: this TLS, which is loaded already, instead of loading it. Borrowed. */
struct tls;
void http_client_use_tls(struct http_client *c, const struct tls *tls);
/* libcurl's multi interface; resolves names in threads of its own. */
int http_client_create_curl(struct event_base *base, struct http_client **out, struct err *err);
/*
 * The same, but libcurl is loaded with the first call, with the 30 libraries that it brings along:
 * http_call_start is then ERR_UNSUPPORTED where our module with it is not installed.
 */
int http_client_create_curl_late(struct event_base *base, struct http_client **out,
                                 struct err *err);
/* Cancels what is under way (no callbacks). Not from within a callback. NULL is fine. */
void http_client_free(struct http_client *c);

/*
 * Copies what params points to. ERR_INVALID for an URL or header that cannot be sent,
 * ERR_UNSUPPORTED for what the transport does not do. All three may be called from
 * within callbacks of any call; *out (may be NULL) is valid until the call's end.
 */
int http_call_start(struct http_client *c, const struct http_call_params *params,
                    struct http_call **out, struct err *err);
void http_call_cancel(struct http_call *call); /* no callback comes any more; NULL is fine */
void http_call_resume(struct http_call *call); /* nothing happens when it is not paused */
/*
 * The program knows that the server at `origin` ("http://127.0.0.1:8081") will never answer, though
 * its connections stay open: its calls end as if it had closed them, with `why` (a literal).
 */
void http_client_lose(struct http_client *c, const char *origin, const char *why);
/*
 * The loop, or all of the program, stood still for so long since the last time this was called (0:
 * not at all); no call's time limits count that. Where it waited for a name server the client knows
 * itself, and has not counted that either: such a time is not given twice.
 */
void http_client_stood_still(struct http_client *c, int64_t ms);

/*
 * Runs the loop until one call has ended; for command lines. *status and *body (caller-initialised,
 * its max is the limit) are filled; returns the rc of on_done. `stop` (may be NULL) is looked at
 * ten times a second and ends the call with ERR_CANCELLED when true; it is the params' stop, too.
 */
int http_fetch(struct http_client *c, const struct http_call_params *params,
               const volatile bool *stop, int *status, struct buf *body, struct err *err);

#endif
