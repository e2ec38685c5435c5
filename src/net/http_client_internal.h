/*
 * http_client_internal.h - the client's parts as they see each other; nothing outside src/net
 * includes it.
 *
 * libcurl may not be entered again from within its own callbacks. So calls are added, resumed and
 * (when libcurl is on the stack) removed by one deferred event, `ev_later`, that looks at the
 * calls' flags. A call is freed only outside libcurl.
 */
#ifndef RBEE_NET_HTTP_CLIENT_INTERNAL_H
#define RBEE_NET_HTTP_CLIENT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/http_client.h"

#define HTTP_CLIENT_HEAD_MAX   (256u << 10) /* of one hop's answer */
#define HTTP_CLIENT_BUFFER     (64u << 10)  /* what libcurl reads at once */
#define HTTP_CLIENT_CONNECT_MS 10000

struct event;

struct http_client {
    struct event_base *base;
    CURLM *multi;
    struct event *ev_timer, *ev_later;
    struct http_call *calls;
    char *no_proxy;
    unsigned in_curl; /* > 0: libcurl is on the stack */
};

struct http_call {
    struct http_client *client;
    struct http_call *next, **link;
    struct http_call_params params; /* its texts are not kept: see below */
    CURL *easy;
    struct curl_slist *given;   /* the caller's headers */
    struct curl_slist *headers; /* of this hop */
    char *method, *url, *bearer;
    void *sent; /* the request's body */
    char error[CURL_ERROR_SIZE];
    struct event *ev_timer;
    struct buf body;
    uint64_t body_bytes;
    size_t head_bytes; /* of this hop's answer */
    int status;        /* of this hop; 0 until its status line */
    unsigned n_hops;
    int64_t started_ms, first_byte_ms, last_byte_ms;
    curl_off_t n_uploaded; /* when last looked at */
    bool started;          /* libcurl has it */
    bool paused, to_resume;
    bool cancelled, ended;
    bool over_limit, out_of_memory;
    bool has_location;
    bool no_credentials; /* a hop has left the first origin */
};

/* ---- http_transfer.c ---- */

int http_call_setup(struct http_call *call, struct err *err); /* the easy handle of this hop */
/* Adds a line to a list; on failure (also of a NULL line) the list stays, and -1 comes back. */
int http_add_line(struct curl_slist **list, const char *line);

/* ---- http_call.c ---- */

/* libcurl is done with it, and does not have it any more: next hop, or the end. */
void http_call_ended(struct http_call *call, CURLcode code);
/* The end; *err tells why when rc is not 0. Frees the call. */
void http_call_finish(struct http_call *call, int rc, const struct err *err);
void http_call_free(struct http_call *call); /* libcurl must not have it */

/* ---- http_hop.c ---- */

struct http_origin {
    char *scheme, *host, *port; /* libcurl's memory */
};
int http_origin_of(const char *url, struct http_origin *out, struct err *err);
void http_origin_done(struct http_origin *o);
/* Turns the call to where its answer points; refuses with ERR_DENIED. */
int http_hop_next(struct http_call *call, const char *url, struct err *err);
bool http_hop_is_redirect(const struct http_call *call);
/* An URL as it may be shown: without user, query and fragment; dst as it is for a broken one. */
const char *http_url_shown(const char *url, char *dst, size_t dst_size);

/* ---- http_client.c ---- */

void http_client_wake(struct http_client *c);
/* Takes the call away from libcurl; not from within libcurl. */
void http_client_remove(struct http_call *call);

#endif
