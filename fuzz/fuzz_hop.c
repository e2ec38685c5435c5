/*
 * fuzz_hop.c - redirects, as servers that are nobody's friends send them. A letter of the method
 * (G, H, P, U), a '+' where a body is sent, and the first URL; then a line for each answer: a digit
 * of its status (1: 301, 2: 302, 3: 303, 7: 307, 8: 308) and its Location, which libcurl resolves.
 *
 * Whatever is followed is http or https, never http behind https. Once scheme, host or port have
 * changed no credentials are sent any more, and a body never is. The method changes as browsers
 * change it. What people are shown of an URL names no user.
 */
#include <curl/curl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lines.h"
#include "net/http_curl.h"
#include "net/http_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As libcurl makes CURLINFO_REDIRECT_URL of a Location (NULL: of none, the URL itself in its
 * writing); NULL = it makes none. curl_free. */
static char *resolved(const char *base, const char *location)
{
    CURLU *u = curl_url();
    char *url = NULL;

    BUG_ON(!u);
    if (curl_url_set(u, CURLUPART_URL, base, 0) ||
        (location &&
         curl_url_set(u, CURLUPART_URL, location, CURLU_URLENCODE | CURLU_ALLOW_SPACE)) ||
        curl_url_get(u, CURLUPART_URL, &url, 0))
        url = NULL;
    curl_url_cleanup(u);
    return url;
}

/* Scheme, host and port of an URL in libcurl's own writing, read by hand. */
struct place {
    bool tls;
    const char *host;
    size_t n_host;
    unsigned long port;
};

static struct place place_of(const char *url)
{
    struct place p = {.tls = strncmp(url, "https://", 8) == 0};
    const char *at = url + (p.tls ? 8 : 7), *end, *colon;

    BUG_ON(!p.tls && strncmp(url, "http://", 7) != 0);
    end = at + strcspn(at, "/?#");
    for (const char *c = at; c < end; c++)
        if (*c == '@')
            p.host = c + 1;
    if (!p.host)
        p.host = at;
    colon = end;
    while (colon > p.host && colon[-1] >= '0' && colon[-1] <= '9')
        colon--;
    p.port = p.tls ? 443 : 80;
    if (colon > p.host && colon[-1] == ':') {
        if (colon < end)
            p.port = strtoul(colon, NULL, 10);
        end = colon - 1;
    }
    p.n_host = (size_t)(end - p.host);
    return p;
}

static bool is_elsewhere(const struct place *a, const struct place *b)
{
    return a->tls != b->tls || a->port != b->port || a->n_host != b->n_host ||
           strncasecmp(a->host, b->host, a->n_host) != 0;
}

static const char *method_behind(const char *method, int status)
{
    if (status == 303 && strcmp(method, "HEAD") != 0)
        return "GET";
    return (status == 301 || status == 302) && strcmp(method, "POST") == 0 ? "GET" : method;
}

/* Between "://" and the next slash nobody is named. */
static void check_shown(const char *url)
{
    char shown[ERR_TEXT_MAX / 2];
    const char *text = http_url_shown(url, shown, sizeof shown), *host = strstr(text, "://");

    BUG_ON(strlen(text) >= sizeof shown);
    BUG_ON(host && memchr(host + 3, '@', strcspn(host + 3, "/?#")));
}

/* One answer; false: it is not followed. */
static bool hop(struct curl_call *t, int status, const char *location)
{
    char *from = resolved(t->call.url, NULL), *to = resolved(t->call.url, location);
    const char *method = method_behind(t->call.method, status);
    bool had_body = t->call.sent != NULL, bare = t->no_credentials;
    struct err err = {0};
    int rc;

    BUG_ON(!from);
    t->call.status = status;
    t->has_location = true;
    BUG_ON(!http_hop_is_redirect(t));
    rc = http_hop_next(t, to, &err);
    BUG_ON(rc != 0 && rc != ERR_DENIED);
    BUG_ON(rc != 0 && !err.text[0]);
    if (rc == 0) {
        struct place a = place_of(from), b = place_of(t->call.url);

        check_shown(t->call.url);
        BUG_ON(strcmp(t->call.url, to) != 0 || strcmp(t->call.method, method) != 0);
        BUG_ON(a.tls && !b.tls);
        BUG_ON(is_elsewhere(&a, &b) && (!t->no_credentials || t->call.sent));
        BUG_ON(bare && !t->no_credentials);
        BUG_ON(!had_body && t->call.sent);
        BUG_ON(t->n_hops > HTTP_REDIRECTS_MAX);
    }
    curl_free(to);
    curl_free(from);
    return rc == 0;
}

static int status_of(char digit)
{
    return digit == '1' || digit == '2' || digit == '3' || digit == '7' || digit == '8'
               ? 300 + (digit - '0')
               : 0;
}

static const char *method_of(char letter)
{
    return letter == 'H' ? "HEAD" : letter == 'P' ? "POST" : letter == 'U' ? "PUT" : "GET";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct curl_call t = {.call.params.follow = true};
    char *first = take_line(&data, &size);
    bool body = first[0] && first[1] == '+', followed = true;
    const char *url = first[0] ? first + 1 + body : "";
    struct http_origin origin;

    check_shown(url);
    if (http_origin_of(url, &origin, NULL) == 0) {
        http_origin_done(&origin);
        t.call.url = str_dup(url);
        t.call.method = str_dup(method_of(first[0]));
        t.call.sent = body ? str_dup("body") : NULL;
        while (size > 0 && followed) {
            char *line = take_line(&data, &size);
            int status = status_of(line[0]);

            followed = status && hop(&t, status, line + 1);
            free(line);
        }
        free(t.call.url);
        free(t.call.method);
        free(t.call.sent);
    }
    free(first);
    return 0;
}
