/*
 * http_curl_transfer.c - one hop of a call as libcurl sees it: what it is told, what it gives back,
 * and what its codes mean here.
 *
 * The callbacks here run within libcurl: they note, hand on, and never end a call themselves.
 */
#include "net/http_curl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "net/http_proxy.h"
#include "version.h"

#define CURL_BUFFER_BYTES                                                                          \
    (256L << 10) /* read at once; of four streams, a sixth less work than 64 KiB */

/* ---- what libcurl gives ---- */

/* "HTTP/1.1 200 OK" begins a head: an interim one, a hop's or the last. */
static void take_status_line(struct curl_call *t, const char *line)
{
    struct http_call *call = &t->call;
    const char *blank = strchr(line, ' ');

    call->status = 0;
    t->has_location = false;
    for (int i = 1; blank && i <= 3 && blank[i] >= '0' && blank[i] <= '9'; i++)
        call->status = call->status * 10 + (blank[i] - '0');
}

/* Cuts "Name: value\r\n" into its texts in place; false for other lines. */
static bool cut_header(char *line, char **value)
{
    char *colon = strchr(line, ':'), *end = line + strlen(line);

    if (!colon)
        return false;
    while (end > colon + 1 && strchr(" \t\r\n", end[-1]))
        *--end = '\0';
    *colon = '\0';
    for (char *p = line; p < colon; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p += 'a' - 'A';
    *value = colon + 1 + strspn(colon + 1, " \t");
    return true;
}

static void take_header(struct curl_call *t, char *line)
{
    struct http_call *call = &t->call;
    char *value;

    if (call->status < 200 || !cut_header(line, &value))
        return;
    if (strcmp(line, "location") == 0)
        t->has_location = true;
    if (call->params.on_header)
        call->params.on_header(call->params.arg, call->status, line, value);
}

static size_t on_curl_header(char *bytes, size_t size, size_t n, void *arg)
{
    struct curl_call *t = arg;
    struct http_call *call = &t->call;
    char *line;

    n *= size;
    if (call->cancelled)
        return CURL_WRITEFUNC_ERROR;
    http_call_heard(call);
    t->head_bytes += n;
    if (t->head_bytes > HTTP_CLIENT_HEAD_MAX) {
        call->head_over = true;
        return CURL_WRITEFUNC_ERROR;
    }
    line = str_ndup(bytes, n);
    if (!line) {
        call->out_of_memory = true;
        return CURL_WRITEFUNC_ERROR;
    }
    if (str_starts(line, "HTTP/"))
        take_status_line(t, line);
    else
        take_header(t, line);
    free(line);
    return call->cancelled ? CURL_WRITEFUNC_ERROR : n;
}

static size_t on_curl_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct curl_call *t = arg;
    struct http_call *call = &t->call;

    n *= size;
    if (call->cancelled)
        return CURL_WRITEFUNC_ERROR;
    http_call_heard(call);
    if (http_hop_is_redirect(t))
        return n;
    switch (http_call_take_body(call, bytes, n)) {
    case HTTP_TAKEN:
        return n;
    case HTTP_TAKEN_PAUSE:
        return CURL_WRITEFUNC_PAUSE;
    case HTTP_TAKEN_STOP:
        break;
    }
    return CURL_WRITEFUNC_ERROR;
}

/* ---- what libcurl is told ---- */

static bool is_credential(const char *line)
{
    return http_line_is(line, "authorization") || http_line_is(line, "cookie") ||
           http_line_is(line, "proxy-authorization");
}

/* On failure, also of a NULL line, the list stays, and -1 comes back. */
static int add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = line ? curl_slist_append(*list, line) : NULL;

    if (!longer)
        return -1;
    *list = longer;
    return 0;
}

/* The headers of this hop. */
static int make_headers(struct curl_call *t)
{
    const char *bearer = t->no_credentials ? NULL : t->call.bearer;
    int rc = add_line(&t->headers, "Expect:"); /* none */
    bool has_type = false;

    for (char **h = t->call.given; *h && rc == 0; h++) {
        has_type |= http_line_is(*h, "content-type");
        if (!(t->no_credentials && is_credential(*h)))
            rc = add_line(&t->headers, *h);
    }
    if (rc == 0 && !has_type)
        rc = add_line(&t->headers, "Content-Type:"); /* not libcurl's own */
    if (rc == 0 && bearer) {
        char *line = str_printf("Authorization: Bearer %s", bearer);

        rc = add_line(&t->headers, line);
        free(line);
    }
    return rc;
}

static void set_method(struct curl_call *t)
{
    const struct http_call *call = &t->call;
    CURL *easy = t->easy;
    bool is_post = strcmp(call->method, "POST") == 0;

    if (call->sent || is_post) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         call->sent ? (curl_off_t)call->params.body_bytes : (curl_off_t)0);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->sent ? (char *)call->sent : "");
    } else if (strcmp(call->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    if (!is_post && strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    else if (call->sent && !is_post)
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_options(struct curl_call *t)
{
    CURL *easy = t->easy;

    curl_easy_setopt(easy, CURLOPT_URL, t->call.url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "rbee/" RBEE_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, curl_client_of(&t->call)->no_proxy);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a cancel does not wait for a resolver */
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, CURL_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)http_call_connect_ms(&t->call));
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_curl_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
}

static int make_easy(struct curl_call *t, struct err *err)
{
    if (t->easy)
        curl_easy_reset(t->easy);
    else
        t->easy = curl_easy_init();
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    t->call.status = 0;
    t->head_bytes = 0;
    t->has_location = false;
    t->error[0] = '\0';
    if (!t->easy || make_headers(t))
        return err_no_memory(err, 0, "an HTTP request");
    set_options(t);
    set_method(t);
    return 0;
}

int http_curl_setup(struct http_call *call, struct err *err)
{
    struct http_origin origin;
    int rc = http_origin_of(call->url, &origin, err);

    if (rc)
        return rc;
    http_origin_done(&origin);
    return make_easy((struct curl_call *)call, err);
}

bool http_curl_has_sent(struct http_call *call)
{
    struct curl_call *t = (struct curl_call *)call;
    curl_off_t n = 0;

    curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &n);
    if (n == t->n_uploaded)
        return false;
    t->n_uploaded = n;
    return true;
}

/* ---- the end of a hop ---- */

/* What libcurl says of it, unless that may have a secret in it: of a proxy's address that is none
 * it quotes all, or what it takes for the host. */
static const char *reason(const struct curl_call *t, CURLcode code, bool bad_proxy)
{
    bool quotes = bad_proxy || strstr(t->error, "://") || strstr(t->error, "roxy s");

    return t->error[0] && !quotes ? t->error : curl_easy_strerror(code);
}

/* What libcurl's code means here. */
static int explain(const struct curl_call *t, CURLcode code, struct err *err)
{
    const char *bad = http_proxy_bad(strncasecmp(t->call.url, "https:", 6) == 0);
    const char *why = reason(t, code, bad != NULL);
    char shown[ERR_TEXT_MAX / 2];

    if (code == CURLE_OUT_OF_MEMORY)
        return err_no_memory(err, 0, "an HTTP answer");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return http_call_connect_late(&t->call, err);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_LOGIN_DENIED)
        return err_set(err, ERR_INVALID, "the URL %s cannot be used: %s",
                       http_url_shown(t->call.url, shown, sizeof shown), why);
    if (bad && strstr(t->error, "roxy")) /* another try would change nothing */
        return err_set(err, ERR_INVALID, "%s does not answer, and " HTTP_PROXY_BAD,
                       http_url_shown(t->call.url, shown, sizeof shown), bad);
    return http_call_broken(&t->call, why, err);
}

static int next_hop(struct curl_call *t, struct err *err)
{
    char *url = NULL;
    int rc;

    curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &url);
    rc = http_hop_next(t, url, err);
    return rc ? rc : make_easy(t, err);
}

void http_curl_ended(struct curl_call *t, CURLcode code)
{
    struct err err = {0};
    int rc = 0;

    if (code != CURLE_OK)
        rc = explain(t, code, &err);
    else if (!t->call.cancelled && http_hop_is_redirect(t)) {
        rc = next_hop(t, &err);
        if (rc == 0) {
            t->call.started = false; /* begun again from the loop */
            http_client_wake(t->call.client);
            return;
        }
    }
    http_call_ended(&t->call, rc, &err);
}
