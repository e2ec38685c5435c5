/* http_resolve.c - see http_resolve.h. localhost: RFC 6761, section 6.3. */
#include "net/http_resolve.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "net/http_lookup.h"

/* Adds what getaddrinfo knows; returns its code. */
static int add(const char *host, uint16_t port, int flags, const volatile bool *stop,
               struct http_addrs *out)
{
    const struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    int rc;

    snprintf(service, sizeof service, "%u", port);
    rc = http_lookup(host, service, &want, stop, &found);
    for (struct addrinfo *a = rc ? NULL : found; a && out->n < HTTP_ADDRS_MAX; a = a->ai_next) {
        if (a->ai_addrlen > sizeof out->at[0])
            continue;
        memcpy(&out->at[out->n], a->ai_addr, a->ai_addrlen);
        out->bytes[out->n++] = a->ai_addrlen;
    }
    if (rc == 0)
        freeaddrinfo(found);
    return rc;
}

static bool is_localhost(const char *host)
{
    size_t n = strlen(host), suffix = strlen(".localhost");

    return strcasecmp(host, "localhost") == 0 ||
           (n > suffix && strcasecmp(host + n - suffix, ".localhost") == 0);
}

int http_resolve(const char *host, uint16_t port, enum http_names names, const volatile bool *stop,
                 struct http_addrs *out, struct err *err)
{
    int rc;

    out->n = 0;
    if (is_localhost(host)) {
        add("127.0.0.1", port, AI_NUMERICHOST, NULL, out);
        add("::1", port, AI_NUMERICHOST, NULL, out);
        return 0;
    }
    if (add(host, port, AI_NUMERICHOST, NULL, out) == 0)
        return 0;
    if (names == HTTP_NAMES_REFUSED)
        return err_set(err, ERR_UNSUPPORTED, "\"%s\" is a name; only addresses are taken here",
                       host);
    rc = add(host, port, 0, stop, out);
    if (rc == 0)
        return 0;
    if (rc == HTTP_LOOKUP_LEFT)
        return err_set(err, ERR_CANCELLED, "the address of \"%s\" was not waited for", host);
    return err_set(err, ERR_UNREACHABLE, "the address of \"%s\" is not known: %s", host,
                   gai_strerror(rc));
}
