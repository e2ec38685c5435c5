/*
 * http_transfer.c - one hop of a call as libcurl sees it: what it is told, and what it gives back.
 *
 * The callbacks here run within libcurl: they note, hand on, and never end a call themselves.
 */
#include "net/http_client_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/str.h"
#include "version.h"

/* ---- what libcurl gives ---- */

static void note_bytes(struct http_call *call)
{
    call->last_byte_ms = clock_ms();
    if (!call->first_byte_ms)
        call->first_byte_ms = call->last_byte_ms;
}

/* "HTTP/1.1 200 OK" begins a head: an interim one, a hop's or the last. */
static void take_status_line(struct http_call *call, const char *line)
{
    const char *blank = strchr(line, ' ');

    call->status = 0;
    call->has_location = false;
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

static void take_header(struct http_call *call, char *line)
{
    char *value;

    if (call->status < 200 || !cut_header(line, &value))
        return;
    if (strcmp(line, "location") == 0)
        call->has_location = true;
    if (call->params.on_header)
        call->params.on_header(call->params.arg, call->status, line, value);
}

static size_t on_curl_header(char *bytes, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    char *line;

    n *= size;
    if (call->cancelled)
        return CURL_WRITEFUNC_ERROR;
    note_bytes(call);
    call->head_bytes += n;
    if (call->head_bytes > HTTP_CLIENT_HEAD_MAX) {
        call->over_limit = true;
        return CURL_WRITEFUNC_ERROR;
    }
    line = str_ndup(bytes, n);
    if (!line) {
        call->out_of_memory = true;
        return CURL_WRITEFUNC_ERROR;
    }
    if (str_starts(line, "HTTP/"))
        take_status_line(call, line);
    else
        take_header(call, line);
    free(line);
    return call->cancelled ? CURL_WRITEFUNC_ERROR : n;
}

static size_t on_curl_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    const struct http_call_params *params = &call->params;

    n *= size;
    if (call->cancelled)
        return CURL_WRITEFUNC_ERROR;
    note_bytes(call);
    if (http_hop_is_redirect(call))
        return n;
    if (params->body_max && n > params->body_max - call->body.len) {
        call->over_limit = true;
        return CURL_WRITEFUNC_ERROR;
    }
    call->to_resume = false; /* an older one; from within on_body it counts */
    if (params->on_body && !params->on_body(params->arg, call->status, bytes, n)) {
        call->paused = !call->cancelled;
        return call->cancelled ? CURL_WRITEFUNC_ERROR : CURL_WRITEFUNC_PAUSE;
    }
    if (call->cancelled)
        return CURL_WRITEFUNC_ERROR;
    call->body_bytes += n;
    if (params->body_max && buf_put(&call->body, bytes, n)) {
        call->out_of_memory = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return n;
}

/* ---- what libcurl is told ---- */

static bool is_header(const char *line, const char *name)
{
    size_t n = strlen(name);

    return strncasecmp(line, name, n) == 0 && line[n] == ':';
}

static bool is_credential(const char *line)
{
    return is_header(line, "authorization") || is_header(line, "cookie") ||
           is_header(line, "proxy-authorization");
}

int http_add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = line ? curl_slist_append(*list, line) : NULL;

    if (!longer)
        return -1;
    *list = longer;
    return 0;
}

/* The headers of this hop. */
static int make_headers(struct http_call *call)
{
    bool has_type = false;
    int rc = http_add_line(&call->headers, "Expect:"); /* none */

    for (struct curl_slist *h = call->given; h && rc == 0; h = h->next) {
        has_type |= is_header(h->data, "content-type");
        if (!(call->no_credentials && is_credential(h->data)))
            rc = http_add_line(&call->headers, h->data);
    }
    if (rc == 0 && !has_type)
        rc = http_add_line(&call->headers, "Content-Type:"); /* not libcurl's own */
    if (rc == 0 && call->bearer && !call->no_credentials) {
        char *line = str_printf("Authorization: Bearer %s", call->bearer);

        rc = http_add_line(&call->headers, line);
        free(line);
    }
    return rc;
}

static void set_method(struct http_call *call)
{
    CURL *easy = call->easy;
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

static void set_options(struct http_call *call)
{
    int64_t connect_ms = call->params.connect_timeout_ms;
    CURL *easy = call->easy;

    curl_easy_setopt(easy, CURLOPT_URL, call->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "rbee/" RBEE_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, call->client->no_proxy);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a cancel does not wait for a resolver */
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)HTTP_CLIENT_BUFFER);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(connect_ms ? connect_ms : HTTP_CLIENT_CONNECT_MS));
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_curl_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
}

int http_call_setup(struct http_call *call, struct err *err)
{
    if (call->easy)
        curl_easy_reset(call->easy);
    else
        call->easy = curl_easy_init();
    curl_slist_free_all(call->headers);
    call->headers = NULL;
    call->status = 0;
    call->head_bytes = 0;
    call->has_location = false;
    call->error[0] = '\0';
    if (!call->easy || make_headers(call))
        return err_no_memory(err, 0, "an HTTP request");
    set_options(call);
    set_method(call);
    return 0;
}
