/* node.c - see node.h. Waits for the resolver, or for Ctrl+C; no state. */
#include "keeper/node/node.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/str.h"
#include "keeper/shell/interrupt.h"
#include "net/http_resolve.h"

bool node_known_by_resolver(void *arg, const char *host)
{
    struct http_addrs addrs;

    (void)arg;
    return http_resolve(host, CONFIG_DEFAULT_PORT, HTTP_NAMES_WAIT, interrupt_flag(), &addrs,
                        NULL) == 0;
}

static bool is_literal(const char *host)
{
    struct in6_addr v6;
    struct in_addr v4;

    return inet_pton(AF_INET, host, &v4) == 1 || inet_pton(AF_INET6, host, &v6) == 1;
}

bool node_host_is_local(const char *host)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(host, "localhost") == 0;
}

bool node_same_place(const struct config_addr *a, const struct config_addr *b)
{
    return a->port == b->port && (strcasecmp(a->host, b->host) == 0 ||
                                  (node_host_is_local(a->host) && node_host_is_local(b->host)));
}

static void set_url(struct node *n, const char *scheme)
{
    char where[CONFIG_HOST_MAX + 9];

    snprintf(n->url, sizeof n->url, "%s://%s", scheme,
             config_addr_text(&n->addr, where, sizeof where));
}

static void fill(struct node *out, const char *name, const char *scheme)
{
    str_copy(out->name, sizeof out->name, name);
    out->local = node_host_is_local(out->addr.host);
    set_url(out, scheme);
}

/* config_addr_parse lets port 0 pass, which only makes sense to listen on. */
static int check_port(const char *text, const struct config_addr *addr, struct err *err)
{
    if (addr->port)
        return 0;
    return err_set(err, ERR_INVALID, "the node '%.200s' has port 0; ports go from 1 to 65535",
                   text);
}

/* "http://host[:port][/]"; anything behind the port but one slash is refused. */
static int resolve_url(const char *text, struct node *out, struct err *err)
{
    const char *scheme = str_starts(text, "https://") ? "https" : "http";
    char host[CONFIG_HOST_MAX + 9];
    const char *at = strstr(text, "://") + 3;
    size_t n = strcspn(at, "/?#");

    if (strchr(at, '@'))
        return config_addr_parse(at, CONFIG_DEFAULT_PORT, &out->addr, err); /* which refuses it */
    if (at[n] != '\0' && !str_eq(at + n, "/"))
        return err_set(err, ERR_INVALID,
                       "the node '%.200s' has something behind its port; write http://host:port",
                       text);
    if (n >= sizeof host)
        return err_set(err, ERR_INVALID, "the host of the node is %zu bytes long, at most %d fit",
                       n, CONFIG_HOST_MAX - 1);
    memcpy(host, at, n);
    host[n] = '\0';
    if (config_addr_parse(host, CONFIG_DEFAULT_PORT, &out->addr, err) ||
        check_port(text, &out->addr, err))
        return ERR_INVALID;
    fill(out, host, scheme);
    return 0;
}

/* A host name the resolver knows, as it is or at home; out->addr.host may get the suffix. */
static int find_host(const char *text, bool (*known)(void *arg, const char *host), void *arg,
                     struct node *out, struct err *err)
{
    char *host = out->addr.host;
    size_t len = strlen(host);

    if (strcasecmp(host, "localhost") == 0 || is_literal(host) || known(arg, host))
        return 0;
    if (strchr(host, '.'))
        return err_set(
            err, ERR_UNREACHABLE,
            "there is no machine '%.200s': it is not among the nodes and no host of that "
            "name is known",
            text);
    if (len + sizeof NODE_HOME_SUFFIX <= sizeof out->addr.host) {
        memcpy(host + len, NODE_HOME_SUFFIX, sizeof NODE_HOME_SUFFIX);
        if (known(arg, host))
            return 0;
        host[len] = '\0';
    }
    return err_set(err, ERR_UNREACHABLE,
                   "there is no machine '%.200s': it is not among the nodes, and neither the host "
                   "%.200s nor %.200s%s is known",
                   text, host, host, NODE_HOME_SUFFIX);
}

int node_resolve(const struct config *config, const char *text,
                 bool (*known)(void *arg, const char *host), void *arg, struct node *out,
                 struct err *err)
{
    const struct config_node *listed = config_node_find(config, text);
    int rc;

    *out = (struct node){0};
    if (str_starts(text, "http://") || str_starts(text, "https://"))
        return resolve_url(text, out, err);
    if (listed) {
        out->addr = listed->addr;
    } else if (config_addr_parse(text, CONFIG_DEFAULT_PORT, &out->addr, err)) {
        return ERR_INVALID;
    } else if (check_port(text, &out->addr, err)) {
        return ERR_INVALID;
    } else if ((rc = find_host(text, known, arg, out, err)) != 0) {
        return rc;
    }
    fill(out, text, "http");
    return 0;
}

const char *node_listed_as(const struct config *config, const struct node *n)
{
    if (config_node_find(config, n->name))
        return n->name;
    for (size_t i = 0; i < config_n_nodes(config); i++) {
        const struct config_node *at = config_node_at(config, i);

        if (at->addr.port == n->addr.port && strcasecmp(at->addr.host, n->addr.host) == 0)
            return at->name;
    }
    return n->name;
}

void node_move(struct node *n, const struct config_addr *addr)
{
    n->addr = *addr;
    set_url(n, "http");
}

void node_use_tls(struct node *n)
{
    set_url(n, "https");
}
