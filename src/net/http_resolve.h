/* http_resolve.h - the addresses of a host, in the order in which they are tried. */
#ifndef RBEE_NET_HTTP_RESOLVE_H
#define RBEE_NET_HTTP_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "net/http_client.h"

#define HTTP_ADDRS_MAX 16

struct http_addrs {
    struct sockaddr_storage at[HTTP_ADDRS_MAX];
    socklen_t bytes[HTTP_ADDRS_MAX];
    size_t n;
};

/*
 * Literal addresses, and localhost (127.0.0.1, then ::1), ask nobody. Another name asks the
 * system's resolver and waits for it, or is ERR_UNSUPPORTED, as `names` says. ERR_UNREACHABLE for a
 * name that is not known; ERR_CANCELLED when `stop` (may be NULL) became true before it was.
 */
int http_resolve(const char *host, uint16_t port, enum http_names names, const volatile bool *stop,
                 struct http_addrs *out, struct err *err);

#endif
