/*
 * http_lookup.h - getaddrinfo that can be left.
 *
 * It waits for name servers for 10 seconds and longer, and nothing ends it. So it runs in a thread
 * of its own, which is left behind to end by itself when its asker wants no more.
 */
#ifndef RBEE_NET_HTTP_LOOKUP_H
#define RBEE_NET_HTTP_LOOKUP_H

#include <stdbool.h>

struct addrinfo;

#define HTTP_LOOKUP_LEFT 1 /* EAI_... are below zero */

/*
 * What getaddrinfo returns for these; *out is freeaddrinfo's. HTTP_LOOKUP_LEFT as soon as `stop`
 * (may be NULL: then it is just getaddrinfo) is true, which is looked at 20 times a second.
 */
int http_lookup(const char *host, const char *service, const struct addrinfo *hints,
                const volatile bool *stop, struct addrinfo **out);

#endif
