/*
 * http_url.h - a node's URL to its parts, without a library; RFC 3986, the little of it we need.
 *
 * An IPv6 address of one link has a zone behind it, "fe80::2%eth0" (RFC 6874): which of this
 * machine's links is meant. As people write it, or with "%25" as the RFC has it.
 */
#ifndef RBEE_NET_HTTP_URL_H
#define RBEE_NET_HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HTTP_URL_HOST_MAX 256 /* a name's most (RFC 1035: 253), with its NUL */

struct http_url {
    char host[HTTP_URL_HOST_MAX];       /* without the brackets of an IPv6 address; with its zone */
    char place[HTTP_URL_HOST_MAX + 10]; /* "host:port", as the Host header says it: without one */
    uint16_t port;
    const char *target; /* within the URL: path and query, "" for none */
    int target_bytes;
    bool tls;
};

/*
 * ERR_INVALID for what is no http or https URL, names a user, or holds blanks, control or
 * non-ASCII bytes. *out points into `url`.
 */
int http_url_parse(const char *url, struct http_url *out, struct err *err);

/* An URL as it may be shown: without user, query and fragment; dst as it is for a broken one. */
const char *http_url_shown(const char *url, char *dst, size_t dst_size);

#endif
