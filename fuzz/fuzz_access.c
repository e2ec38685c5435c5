/*
 * fuzz_access.c - who may ask: a byte of flags (1: only on loopback, 2: pages of the list may ask,
 * 4: a key is needed), then a path, a Host, an Origin and an Authorization header on a line each,
 * an empty one not sent. Nobody gets by without the key, and no name of another place does.
 */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/access.h"
#include "base/str.h"
#include "lines.h"

#define KEY     "rbee-abcdefghijklmnopqrstuvwxyz234567abcdef"
#define ORIGINS "https://chat.example http://10.0.0.9:3000"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *sent(const char *line)
{
    return line[0] ? line : NULL;
}

/* A header that was let by: a host of this machine, with nothing that a URL goes on with. */
static void check_local(const char *header)
{
    const char *host = str_starts_nocase(header, "http://")    ? header + 7
                       : str_starts_nocase(header, "https://") ? header + 8
                                                               : header;
    size_t n = strcspn(host, ":");
    struct in6_addr v6;
    char text[64] = "";

    if (host[0] == '[') {
        n = strcspn(host, "]");
        BUG_ON(n >= sizeof text || host[n] != ']');
        memcpy(text, host + 1, n - 1);
        BUG_ON(inet_pton(AF_INET6, text, &v6) != 1);
        BUG_ON(!IN6_IS_ADDR_LOOPBACK(&v6) && !IN6_IS_ADDR_V4MAPPED(&v6));
        return;
    }
    if (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n)
        return;
    n -= n > 0 && host[n - 1] == '.';
    BUG_ON(n < 9 || strncasecmp(host + n - 9, "localhost", 9) != 0);
    BUG_ON(n > 9 && host[n - 10] != '.');
    for (size_t i = 0; i < n; i++)
        if (strchr("/\\?#@ \t\r", host[i]) || (unsigned char)host[i] < ' ')
            BUG("'%s' is taken as a name of this machine", header);
}

/* Is it the key, behind the scheme and blanks (RFC 9110, section 11.4: one or more)? */
static bool has_key(const char *authorization)
{
    const char *at = authorization + strlen("Bearer");

    if (strncasecmp(authorization, "Bearer", strlen("Bearer")) != 0)
        return false;
    return *at == ' ' && str_eq(at + strspn(at, " "), KEY);
}

static void check_passed(const struct access *a, const struct access_ask *ask)
{
    bool open = str_eq(ask->path, "/health") || str_eq(ask->path, "/v1/health");

    if (a->loopback_only && ask->host)
        check_local(ask->host);
    if (a->loopback_only && ask->origin &&
        !(a->origins && (strcasecmp(ask->origin, "https://chat.example") == 0 ||
                         strcasecmp(ask->origin, "http://10.0.0.9:3000") == 0)))
        check_local(ask->origin);
    BUG_ON(a->key[0] && !open && (!ask->authorization || !has_key(ask->authorization)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *path, *host, *origin, *authorization;
    struct access a = {0};
    struct access_ask ask;
    struct api_error e = {0};
    uint8_t flags;
    int entry;

    if (size < 1)
        return 0;
    flags = data[0];
    data++, size--;
    path = take_line(&data, &size);
    host = take_line(&data, &size);
    origin = take_line(&data, &size);
    authorization = take_line(&data, &size);
    ask = (struct access_ask){path, sent(host), sent(origin), sent(authorization)};
    a.loopback_only = flags & 1;
    a.origins = flags & 2 ? ORIGINS : NULL;
    str_copy(a.key, sizeof a.key, flags & 4 ? KEY : "");
    if (access_check(&a, &ask, "fuzz", &entry, &e) == 0) {
        check_passed(&a, &ask);
        BUG_ON(entry != -1);
    } else {
        BUG_ON(!e.message[0] || (e.code != API_FORBIDDEN_HOST && strstr(e.message, KEY)));
    }
    api_error_done(&e);
    free(path);
    free(host);
    free(origin);
    free(authorization);
    return 0;
}
