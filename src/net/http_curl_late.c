/* http_curl_late.c - a client that loads libcurl with its first call; it has no calls of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "net/curl_module.h"
#include "net/module.h"

static bool fits(const struct curl_module *m)
{
    return m->version == CURL_MODULE_VERSION &&
           strncmp(m->release, CURL_MODULE_RELEASE, sizeof m->release) == 0 &&
           m->client_bytes == sizeof(struct http_client) &&
           m->call_bytes == sizeof(struct http_call) &&
           m->transport_bytes == sizeof(struct http_transport);
}

static int make_real(struct http_client *c, struct err *err)
{
    const struct curl_module *m =
        module_load(CURL_MODULE, CURL_MODULE_SYMBOL, "HTTP to the world outside", "libcurl 4", err);

    if (!m)
        return ERR_UNSUPPORTED;
    if (!fits(m))
        return module_refuse(CURL_MODULE, err);
    return m->create(c->base, &c->real, err);
}

static void client_close(struct http_client *c)
{
    http_client_free(c->real);
    http_client_done(c);
    free(c);
}

static const struct http_transport late = {.make_real = make_real, .close = client_close};

int http_client_create_curl_late(struct event_base *base, struct http_client **out, struct err *err)
{
    struct http_client *c = calloc(1, sizeof *c);
    int rc;

    if (!c)
        return err_no_memory(err, sizeof *c, "an HTTP client");
    rc = http_client_init(c, base, &late, err);
    if (rc)
        client_close(c);
    else
        *out = c;
    return rc;
}
