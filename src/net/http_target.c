/*
 * http_target.c - a request's target to a path and query parameters.
 *
 * Origin-form, and absolute-form when it names the Host. Percent escapes are decoded once; a broken
 * one is refused, as is one that would put a control byte into the path. Of parameters of one name
 * the first counts. RFC 9112, section 3.2; '+' in a query is a blank, as forms send it.
 */
#include "net/http_parse.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* Decodes s in place; -1 for a broken escape or a NUL. */
static int decode(char *s, bool plus_is_blank)
{
    char *dst = s;

    for (; *s; s++) {
        if (*s == '%') {
            int high = str_hex_digit(s[1]), low = high < 0 ? -1 : str_hex_digit(s[2]);

            if (low < 0 || (high == 0 && low == 0))
                return -1;
            *dst++ = (char)(high * 16 + low);
            s += 2;
        } else {
            *dst++ = *s == '+' && plus_is_blank ? ' ' : *s;
        }
    }
    *dst = '\0';
    return 0;
}

static bool has_control(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

/* How long "host:port" is without the scheme's own port. */
static size_t cut_port(const char *place, size_t n, const char *port)
{
    size_t k = strlen(port);

    return n > k && memcmp(place + n - k, port, k) == 0 ? n - k : n;
}

/* Where the path begins in an absolute-form target; NULL when it is for another host. */
static const char *skip_authority(const struct http_request *req, const char *authority,
                                  const char *port)
{
    const char *host = http_request_header(req, "host");
    size_t n = strcspn(authority, "/?"), n_named = cut_port(authority, n, port);

    if (!host || cut_port(host, strlen(host), port) != n_named ||
        strncasecmp(host, authority, n_named) != 0)
        return NULL;
    return authority + n;
}

/* Cuts the query (owned by the request) into decoded pairs. */
static int parse_query(struct http_request *req, const char *query, struct http_fault *fault)
{
    char *rest;

    req->query = str_dup(query);
    req->params = calloc(HTTP_QUERY_MAX, sizeof *req->params);
    if (!req->query || !req->params)
        return http_fault_set(fault, 503, "There is no memory for the request's query.");
    rest = req->query;
    while (rest) {
        char *name = strsep(&rest, "&"), *value = strchr(name, '=');

        if (*name == '\0')
            continue;
        if (req->n_params == HTTP_QUERY_MAX)
            return http_fault_set(fault, 400, "The query has more than %d parameters.",
                                  HTTP_QUERY_MAX);
        if (value)
            *value++ = '\0';
        else
            value = name + strlen(name);
        if (decode(name, true) || decode(value, true))
            return http_fault_set(fault, 400, "The query holds a broken percent escape.");
        req->params[req->n_params++] = (struct http_field){name, value};
    }
    return 0;
}

int http_target_parse(struct http_request *req, struct http_fault *fault)
{
    const char *path = req->target;
    size_t n;

    if (str_starts_nocase(path, "http://"))
        path = skip_authority(req, path + 7, ":80");
    else if (str_starts_nocase(path, "https://"))
        path = skip_authority(req, path + 8, ":443");
    if (!path)
        return http_fault_set(fault, 400, "The target names another host than the Host header.");
    n = strcspn(path, "?");
    if (path == req->target && *path != '/')
        return http_fault_set(fault, 400, "The target does not begin with \"/\".");
    if (strchr(path, '#'))
        return http_fault_set(fault, 400, "The target holds a fragment.");
    req->path = n ? str_ndup(path, n) : str_dup("/");
    if (!req->path)
        return http_fault_set(fault, 503, "There is no memory for the request's path.");
    if (decode(req->path, false) || has_control(req->path))
        return http_fault_set(fault, 400, "The path holds a broken percent escape.");
    return path[n] == '?' ? parse_query(req, path + n + 1, fault) : 0;
}
