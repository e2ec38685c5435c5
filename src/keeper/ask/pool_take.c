/* pool_take.c - where a worker is that the hive names, and whether anything may be sent there; see
 * pool.h. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/access.h"
#include "base/str.h"
#include "keeper/ask/pool.h"
#include "net/http_url.h"

#define HINT_PAIR "pair with the hive itself, by the line of `rbee-hive pair`"
#define HINT_TLS_PROXY                                                                             \
    "Does a proxy speak https for that hive? Tokens come straight from its workers: " HINT_PAIR    \
    ", or have it listen at 0.0.0.0:8080 with the proxy's certificate ([hive] tls_cert, "          \
    "tls_key), "                                                                                   \
    "the Host header kept, and the workers' ports (8081 and up) let through."
#define HINT_PROXY                                                                                 \
    "Behind a proxy or a port mapping, start the hive with --addr 0.0.0.0:8080, let the "          \
    "workers' ports (8081 and up) through, and have the proxy keep the Host header; or " HINT_PAIR \
    "."

static int refuse_plain(const char *node_url, const char *place, struct api_error *e)
{
    api_error_set(
        e, API_CERTIFICATE_MISMATCH, "keeper",
        "the hive at %s speaks https, but names a worker at http://%s, where nobody could "
        "tell who answers: neither key nor prompt was sent there",
        node_url, place);
    e->details = json_pack("{s:s}", "hint", HINT_TLS_PROXY);
    return -1;
}

/* Addresses that the system takes for this machine, too: "127.1", "0", "2130706433", "::". */
static bool is_loosely_here(const char *host)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (inet_aton(host, &v4))
        return v4.s_addr == htonl(INADDR_ANY) || ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, host, &v6) != 1)
        return false;
    memcpy(&v4, &v6.s6_addr[12], sizeof v4);
    return IN6_IS_ADDR_UNSPECIFIED(&v6) ||
           (IN6_IS_ADDR_V4MAPPED(&v6) && v4.s_addr == htonl(INADDR_ANY));
}

/* "localhost." is the same name. What other names mean is the resolver's to say. */
static bool is_this_machine(const char *host)
{
    char bare[HTTP_URL_HOST_MAX];
    size_t n;

    str_copy(bare, sizeof bare, host);
    n = strlen(bare);
    if (n > 1 && bare[n - 1] == '.')
        bare[n - 1] = '\0';
    return access_is_loopback(bare) || is_loosely_here(bare);
}

/* A hive of another machine that speaks of its own loopback address: it is asked through something
 * that does not say by which name. From here it is a port of this machine, and anybody's. */
static bool is_elsewhere(const char *node_url, const struct http_url *at)
{
    struct http_url node;

    return is_this_machine(at->host) && http_url_parse(node_url, &node, NULL) == 0 &&
           !is_this_machine(node.host);
}

static int refuse_elsewhere(const char *node_url, const char *place, struct api_error *e)
{
    api_error_set(e, API_CONNECTION_REFUSED, "keeper",
                  "the hive at %s names a worker at %s, which from here is a port of this machine "
                  "and not of the hive's: neither key nor prompt was sent there",
                  node_url, place);
    e->details =
        json_pack("{s:s}", "hint", str_starts(node_url, "https://") ? HINT_TLS_PROXY : HINT_PROXY);
    return -1;
}

/* A hive does not know by which of this machine's links it is reached: its workers are reached by
 * the same one. */
static void put_url(const char *node_url, const struct http_url *at, char *dst, size_t dst_size)
{
    const char *scheme = at->tls ? "https" : "http";
    struct http_url node;
    size_t n;

    if (http_url_parse(node_url, &node, NULL) == 0 && strchr(node.host, '%')) {
        n = strcspn(node.host, "%");
        if (strcspn(at->host, "%") == n && strncasecmp(node.host, at->host, n) == 0) {
            snprintf(dst, dst_size, "%s://[%s]:%u", scheme, node.host, at->port);
            return;
        }
    }
    snprintf(dst, dst_size, "%s://%s", scheme, at->place);
}

/* A worker may be at any address: its hive knows best. But what is sent there must be as safe as
 * what is sent to the hive. */
int pool_take(const char *node_url, const json_t *worker, struct pool_worker *out,
              struct api_error *e)
{
    const char *id = keeper_text(worker, "worker_id", ""), *url = keeper_text(worker, "url", "");
    struct http_url at;

    if (!id[0] || !str_copy(out->id, sizeof out->id, id) || http_url_parse(url, &at, NULL) ||
        !(str_eq(at.target, "") || str_eq(at.target, "/"))) {
        api_error_set(e, API_INTERNAL, "keeper",
                      "the hive names a worker without a usable id and URL: '%.64s', '%.200s'", id,
                      url);
        return -1;
    }
    if (str_starts(node_url, "https://") && !at.tls)
        return refuse_plain(node_url, at.place, e);
    if (is_elsewhere(node_url, &at))
        return refuse_elsewhere(node_url, at.place, e);
    put_url(node_url, &at, out->url, sizeof out->url);
    return 0;
}
