/* cors.c - see cors.h. */
#include "hive/http/cors.h"

#include <string.h>

#include "base/str.h"
#include "net/http_server.h"

#define HEADERS_MAX 512 /* bytes of the list of headers that a page wants to send */
#define MAX_AGE     "600"

static const char *allowed_origin(const struct access *a, const struct http_exchange *x)
{
    const char *origin = http_header(x, "origin");

    return origin && access_origin_allowed(a, origin) ? origin : NULL;
}

void cors_put(const struct access *a, struct http_exchange *x)
{
    const char *origin = allowed_origin(a, x);

    if (!origin)
        return;
    http_add_header(x, "Access-Control-Allow-Origin", origin);
    http_add_header(x, "Access-Control-Expose-Headers",
                    "X-Request-Id, Request-Id, Retry-After, X-Should-Retry");
    http_add_header(x, "Vary", "Origin");
}

bool cors_is_preflight(const struct http_exchange *x)
{
    return str_eq(http_method(x), "OPTIONS") && http_header(x, "origin") &&
           http_header(x, "access-control-request-method");
}

/* Names of headers with commas between, and nothing else. */
static bool is_list(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && n < HEADERS_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, ") == n;
}

void cors_answer(const struct access *a, struct http_exchange *x)
{
    const char *wanted = http_header(x, "access-control-request-headers");

    if (allowed_origin(a, x)) {
        http_add_header(x, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE");
        if (wanted && is_list(wanted))
            http_add_header(x, "Access-Control-Allow-Headers", wanted);
        if (http_header(x, "access-control-request-private-network"))
            http_add_header(x, "Access-Control-Allow-Private-Network", "true");
        http_add_header(x, "Access-Control-Max-Age", MAX_AGE);
    }
    http_reply(x, 204, NULL, NULL, 0);
}
