/* routes.c - finds the route of a request; see routes.h. */
#include "hive/routes/routes.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "hive/http/cors.h"
#include "hive/http/reply.h"
#include "hive/http/shape.h"
#include "hive/models/models.h"

#define ALLOW_MAX         64
#define AUTHORIZATION_MAX (2 * ACCESS_KEY_MAX) /* longer keys are no key of ours */

static const struct {
    const struct route *rows;
    /* All of them look into the folder of the models, and begin so. Of downloads most is in memory;
     * the rest asks for itself. */
    bool in_models;
} tables[] = {{routes_node, false},  {routes_workers, false}, {routes_downloads, false},
              {routes_models, true}, {routes_catalog, true},  {routes_gateway, false},
              {routes_pair, false},  {routes_upload, true}};

/* True when the path fits the pattern; the part under '*' goes to id. */
static bool fits(const char *pattern, const char *path, char id[ROUTE_ID_MAX])
{
    const char *star = strchr(pattern, '*');
    size_t before = star ? (size_t)(star - pattern) : 0, n;

    if (!star)
        return str_eq(pattern, path);
    if (strncmp(pattern, path, before) != 0)
        return false;
    n = star[1] == '*' ? strlen(path + before) : strcspn(path + before, "/");
    if (n == 0 || n >= ROUTE_ID_MAX || !str_eq(star + (star[1] == '*' ? 2 : 1), path + before + n))
        return false;
    memcpy(id, path + before, n);
    id[n] = '\0';
    return true;
}

/* HEAD is answered like GET; the server leaves the body out. */
static bool is_method(const struct route *r, const char *method)
{
    return str_eq(r->method, method) || (str_eq(r->method, "GET") && str_eq(method, "HEAD"));
}

static void answer_unknown(struct http_exchange *x, const struct buf *allow)
{
    struct api_error e;

    if (allow->len == 0) {
        api_error_set(&e, API_NOT_FOUND, REPLY_SRC, "there is nothing at %.200s", http_path(x));
    } else {
        http_add_header(x, "Allow", buf_str(allow));
        api_error_set(&e, API_METHOD_NOT_ALLOWED, REPLY_SRC, "%.200s takes %s, not %.20s",
                      http_path(x), buf_str(allow), http_method(x));
    }
    shape_answer(x, shape_of_path(http_path(x)), &e, 0);
}

static void answer(struct hive *h, struct http_exchange *x, const struct route *r, bool in_models,
                   const char *id)
{
    struct api_error e;

    if (in_models && models_reach(h->models, NULL, &e))
        reply_error(x, 0, &e);
    else
        r->handle(h, x, id);
}

/* Looks through the routes with, or without, a '*'. True when one was found and has answered. */
static bool try_routes(struct hive *h, struct http_exchange *x, bool with_star, struct buf *allow)
{
    char id[ROUTE_ID_MAX] = "";

    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (const struct route *r = tables[t].rows; r->method; r++) {
            if ((strchr(r->path, '*') != NULL) != with_star || !fits(r->path, http_path(x), id))
                continue;
            if (is_method(r, http_method(x))) {
                answer(h, x, r, tables[t].in_models, id);
                return true;
            }
            buf_printf(allow, "%s%s%s", allow->len ? ", " : "", r->method,
                       str_eq(r->method, "GET") ? ", HEAD" : "");
        }
    }
    return false;
}

void routes_handle(struct http_exchange *x, void *arg)
{
    struct buf allow;

    buf_init(&allow, ALLOW_MAX);
    /* A path spelled out wins over one with a '*', also when its method is another. */
    if (!try_routes(arg, x, false, &allow) && (allow.len || !try_routes(arg, x, true, &allow)))
        answer_unknown(x, &allow);
    buf_done(&allow);
}

/* The key as a Bearer of Authorization, also when it came as x-api-key, as Anthropic's clients send
 * it: beside the name and password that a proxy asked for, it may be the only way. */
static const char *authorization_of(const struct http_exchange *x, char dst[AUTHORIZATION_MAX])
{
    const char *sent = http_header(x, "authorization"), *bearer = access_bearer(sent),
               *key = http_header(x, "x-api-key");

    if ((bearer && bearer[0]) || !key || !key[0])
        return sent;
    snprintf(dst, AUTHORIZATION_MAX, "Bearer %s", key);
    return dst;
}

/* Conversations are large; nothing else is, and least what everybody may send. */
static size_t body_limit(const struct hive *h, const char *path)
{
    if (access_is_open(&h->doors.access, path))
        return ACCESS_OPEN_BODY_MAX;
    return shape_is_large(path) ? HIVE_CHAT_MAX : HIVE_BODY_MAX;
}

void routes_prepare(struct http_exchange *x, void *arg)
{
    struct hive *h = arg;

    if (http_header(x, "x-request-id")) /* by which it may be cancelled, and found in logs */
        http_set_request_id(x, http_header(x, "x-request-id"));
    if (shape_of_path(http_target(x)) == SHAPE_ANTHROPIC) /* where its clients look for it */
        http_add_header(x, "request-id", http_request_id(x));
    cors_put(&h->doors.access, x); /* a page may read why it was refused, too */
}

bool routes_filter(struct http_exchange *x, void *arg)
{
    struct hive *h = arg;
    char bearer[AUTHORIZATION_MAX], seconds[16];
    enum shape shape = shape_of_path(http_path(x));
    size_t most = body_limit(h, http_path(x));
    const struct access_ask ask = {http_path(x), http_header(x, "host"), http_header(x, "origin"),
                                   authorization_of(x, bearer), http_header(x, "sec-fetch-site")};
    struct api_error e;
    uint64_t pass = 0;
    int retry_after_s = 0;

    if (cors_is_preflight(x)) {
        if (doors_check_preflight(&h->doors, &ask, http_peer(x), &e) == 0) {
            cors_answer(&h->doors.access, x);
            return false;
        }
    } else if (http_limit_body(x, most)) {
        api_error_set(&e, API_BODY_TOO_LARGE, REPLY_SRC,
                      "the request's body is over the %zu bytes allowed at %.200s", most,
                      http_path(x));
    } else if (doors_check(&h->doors, &ask, http_peer(x), &pass, &e, &retry_after_s) == 0) {
        http_set_pass(x, pass);
        return true;
    }
    if (retry_after_s > 0) {
        snprintf(seconds, sizeof seconds, "%d", retry_after_s);
        http_add_header(x, "Retry-After", seconds);
    }
    shape_answer(x, shape, &e, 0);
    return false;
}

/* By a loopback name at another address: at the end of a tunnel, where the asker's own ports are.
 */
static bool leads_back(const struct hive *h, const char *asked)
{
    return access_is_loopback(asked) && !h->doors.access.loopback_only;
}

const char *routes_public_host(const struct hive *h, const struct http_exchange *x,
                               char dst[CONFIG_HOST_MAX])
{
    const char *asked = http_header(x, "host");
    bool wildcard = str_eq(h->addr.host, "0.0.0.0") || str_eq(h->addr.host, "::");
    int port = 0;

    if (asked && access_split_host(asked, dst, CONFIG_HOST_MAX, &port, NULL) == 0 &&
        (wildcard || (h->doors.tls && !leads_back(h, dst))))
        return dst;
    str_copy(dst, CONFIG_HOST_MAX, h->addr.host);
    return dst;
}
