/* addr.c - "host:port" as people write it; see config.h. No name is looked up here. */
#include "config/config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static bool has_only(const char *s, size_t n, const char *signs)
{
    for (size_t i = 0; i < n; i++)
        if (!isascii((unsigned char)s[i]) ||
            (!isalnum((unsigned char)s[i]) && !strchr(signs, s[i])))
            return false;
    return n > 0;
}

/* Host names, IPv4 and IPv6 literals (these with a zone behind '%', too: "fe80::2%eth0"): nothing
 * that could end a URL's host part. */
static bool host_ok(const char *host, size_t n)
{
    const char *zone = memchr(host, '%', n);
    size_t n_named = zone ? (size_t)(zone - host) : n;

    if (n >= CONFIG_HOST_MAX || !has_only(host, n_named, ".-_:"))
        return false;
    return !zone || (memchr(host, ':', n_named) && has_only(zone + 1, n - n_named - 1, ".-_"));
}

static bool port_ok(const char *text, uint16_t *out)
{
    uint64_t port;

    if (str_to_u64(text, &port) || port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

/* Finds the host's bytes and the port's text (NULL when there is none). */
static bool split(const char *text, const char **host, size_t *host_n, const char **port)
{
    const char *colon = strchr(text, ':'), *end;

    *port = NULL;
    *host = text;
    if (text[0] == '[') {
        end = strchr(text, ']');
        if (!end || !colon || (end[1] != '\0' && end[1] != ':'))
            return false;
        *host = text + 1;
        *host_n = (size_t)(end - *host);
        *port = end[1] ? end + 2 : NULL;
        return memchr(*host, ':', *host_n) != NULL;
    }
    if (!colon || strchr(colon + 1, ':')) { /* a bare name, or a bare IPv6 address */
        *host_n = strlen(text);
        return true;
    }
    *host_n = (size_t)(colon - text);
    *port = colon + 1;
    return true;
}

int config_addr_parse(const char *text, uint16_t default_port, struct config_addr *out,
                      struct err *err)
{
    struct config_addr a = {.port = default_port};
    const char *host, *port;
    size_t n = 0;

    if (strchr(text, '@')) /* what stands before it may be a password: it is not told again */
        return err_set(err, ERR_INVALID,
                       "an address with a '@' names a user, which is nobody here; write HOST:PORT, "
                       "such as 192.168.1.20:8080");
    if (!split(text, &host, &n, &port) || !host_ok(host, n))
        return err_set(err, ERR_INVALID,
                       "'%.80s' is not an address; write HOST:PORT, such as 192.168.1.20:8080",
                       text);
    if (strspn(host, "0123456789") >= n) /* which the system takes for one, as 0.0.31.144 */
        return err_set(err, ERR_INVALID,
                       "'%.80s' names no host: %.*s is a port; write HOST:PORT, such as "
                       "127.0.0.1:%.*s",
                       text, (int)n, host, (int)n, host);
    if (port && !port_ok(port, &a.port))
        return err_set(err, ERR_INVALID, "'%.80s' has no port between 0 and 65535 behind its ':'",
                       text);
    memcpy(a.host, host, n);
    *out = a;
    return 0;
}

const char *config_addr_text(const struct config_addr *a, char *dst, size_t dst_size)
{
    bool v6 = strchr(a->host, ':') != NULL;

    snprintf(dst, dst_size, "%s%s%s:%u", v6 ? "[" : "", a->host, v6 ? "]" : "", a->port);
    return dst;
}
