/*
 * http_hop.c - URLs and redirects, followed by hand: what may be sent on to where.
 *
 * A redirect may lead to http and https only, and never from https to http. When scheme, host or
 * port change, the bearer and the headers that carry credentials stay behind for good, and a body
 * is not sent on. RFC 9110, section 15.4.
 */
#include "net/http_curl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

static bool url_part(CURLU *u, CURLUPart part, char **out)
{
    return curl_url_get(u, part, out, CURLU_DEFAULT_PORT) == CURLUE_OK;
}

int http_origin_of(const char *url, struct http_origin *out, struct err *err)
{
    CURLU *u = curl_url();
    char shown[ERR_TEXT_MAX / 2];
    bool ok;

    *out = (struct http_origin){NULL, NULL, NULL};
    if (!u)
        return err_no_memory(err, 0, "an URL");
    ok = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
         url_part(u, CURLUPART_SCHEME, &out->scheme) && url_part(u, CURLUPART_HOST, &out->host) &&
         url_part(u, CURLUPART_PORT, &out->port);
    curl_url_cleanup(u);
    if (ok && (strcasecmp(out->scheme, "http") == 0 || strcasecmp(out->scheme, "https") == 0))
        return 0;
    http_origin_done(out);
    return err_set(err, ERR_INVALID, "\"%s\" is not an http or https URL",
                   http_url_shown(url, shown, sizeof shown));
}

void http_origin_done(struct http_origin *o)
{
    curl_free(o->scheme);
    curl_free(o->host);
    curl_free(o->port);
    *o = (struct http_origin){NULL, NULL, NULL};
}

bool http_hop_is_redirect(const struct curl_call *t)
{
    int status = t->call.status;

    return t->call.params.follow && t->has_location &&
           (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
}

/* The method behind a redirect: what browsers and RFC 9110 agree on. */
static int change_method(struct http_call *call, struct err *err)
{
    bool is_post = strcmp(call->method, "POST") == 0;
    bool is_read = strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0;
    bool to_get =
        call->status == 303 ? !is_read : is_post && (call->status == 301 || call->status == 302);
    char *get;

    if (!to_get)
        return 0;
    get = str_dup("GET");
    if (!get)
        return err_no_memory(err, 4, "a redirect");
    free(call->method);
    free(call->sent);
    call->method = get;
    call->sent = NULL;
    return 0;
}

static bool is_same_origin(const struct http_origin *a, const struct http_origin *b)
{
    return strcasecmp(a->scheme, b->scheme) == 0 && strcasecmp(a->host, b->host) == 0 &&
           strcmp(a->port, b->port) == 0;
}

/* Whether the call may go from one origin to another as it is now. */
static int check_hop(struct curl_call *t, const struct http_origin *from,
                     const struct http_origin *to, struct err *err)
{
    const struct http_call *call = &t->call;
    char shown[ERR_TEXT_MAX / 2];

    http_url_shown(call->url, shown, sizeof shown);
    if (t->n_hops >= HTTP_REDIRECTS_MAX)
        return err_set(err, ERR_DENIED, "%s redirects on after %d redirects", shown,
                       HTTP_REDIRECTS_MAX);
    if (strcasecmp(from->scheme, "https") == 0 && strcasecmp(to->scheme, "http") == 0)
        return err_set(err, ERR_DENIED, "%s redirects from https to http (%s)", shown, to->host);
    if (is_same_origin(from, to))
        return 0;
    t->no_credentials = true;
    if (call->sent)
        return err_set(err, ERR_DENIED, "%s redirects a request with a body to another host (%s)",
                       shown, to->host);
    return 0;
}

int http_hop_next(struct curl_call *t, const char *url, struct err *err)
{
    struct http_call *call = &t->call;
    struct http_origin from, to;
    char *next = NULL, shown[ERR_TEXT_MAX / 2];
    int rc = http_origin_of(call->url, &from, err);

    if (rc)
        return rc;
    if (!url || http_origin_of(url, &to, NULL)) {
        http_origin_done(&from);
        return err_set(err, ERR_DENIED, "%s redirects to something that is no http or https URL",
                       http_url_shown(call->url, shown, sizeof shown));
    }
    rc = change_method(call, err);
    if (rc == 0)
        rc = check_hop(t, &from, &to, err);
    http_origin_done(&from);
    http_origin_done(&to);
    if (rc)
        return rc;
    next = str_dup(url);
    if (!next)
        return err_no_memory(err, strlen(url), "a redirect");
    free(call->url);
    call->url = next;
    t->n_hops++;
    return 0;
}
