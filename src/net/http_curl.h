/*
 * http_curl.h - the transport that is libcurl, as its files see each other.
 *
 * libcurl may not be entered again from within its own callbacks, which include the callers'. A
 * call's easy handle is taken away and freed only outside libcurl.
 */
#ifndef RBEE_NET_HTTP_CURL_H
#define RBEE_NET_HTTP_CURL_H

#include <curl/curl.h>

#include "net/http_client_internal.h"

struct curl_client {
    struct http_client c; /* first */
    CURLM *multi;
    struct event *ev_timer;
    char *no_proxy;
};

struct curl_call {
    struct http_call call; /* first */
    CURL *easy;
    struct curl_slist *headers; /* of this hop */
    char error[CURL_ERROR_SIZE];
    size_t head_bytes; /* of this hop's answer */
    unsigned n_hops;
    curl_off_t n_uploaded; /* when last looked at */
    bool added;            /* libcurl has it */
    bool has_location;
    bool no_credentials; /* a hop has left the first origin */
};

static inline struct curl_client *curl_client_of(struct http_call *call)
{
    return (struct curl_client *)call->client;
}

/* ---- http_curl_transfer.c ---- */

int http_curl_setup(struct http_call *call, struct err *err); /* the easy handle of this hop */
bool http_curl_has_sent(struct http_call *call);
/* libcurl is done with it, and does not have it any more: next hop, or the end. */
void http_curl_ended(struct curl_call *t, CURLcode code);

/* ---- http_hop.c ---- */

struct http_origin {
    char *scheme, *host, *port; /* libcurl's memory */
};
int http_origin_of(const char *url, struct http_origin *out, struct err *err);
void http_origin_done(struct http_origin *o);
/* Turns the call to where its answer points; refuses with ERR_DENIED. */
int http_hop_next(struct curl_call *t, const char *url, struct err *err);
bool http_hop_is_redirect(const struct curl_call *t);

#endif
