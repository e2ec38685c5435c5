/*
 * http_reply.c - answers: whole ones, streams, and the server's own refusals.
 *
 * A head is put together in one buffer and leaves with the first bytes of the body in one system
 * call. A connection is kept only when the request was read whole and the client wishes so.
 * RFC 9110 and 9112.
 */
#include "net/http_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define REPLY_HEAD_MAX  (2u * HTTP_HEAD_MAX)
#define REPLY_FAULT_MAX 2048

/* The reason phrase of a status, "Not Found". */
static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Unknown";
}

/* Status line and the headers that every answer has. */
static void put_head(struct buf *head, const struct http_conn *c, int status, const char *id,
                     const char *content_type)
{
    buf_init(head, REPLY_HEAD_MAX);
    buf_printf(head, "HTTP/1.1 %d %s\r\nServer: %s\r\nDate: %s\r\nX-Request-Id: %s\r\n", status,
               status_text(status), c->server->name, http_server_date(c->server), id);
    if (content_type)
        buf_printf(head, "Content-Type: %s\r\n", content_type);
    if (!c->keep_alive)
        buf_puts(head, "Connection: close\r\n");
    else if (c->x && c->x->req.version_1_0)
        buf_puts(head, "Connection: keep-alive\r\n");
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

static bool is_head(const struct http_exchange *x)
{
    return x && x->req.method && strcmp(x->req.method, "HEAD") == 0;
}

/* Whether the connection can serve another request behind this answer. */
static void decide_keep_alive(struct http_conn *c)
{
    if (!c->parser.whole || c->server->draining)
        c->keep_alive = false;
}

/* Sends head and body of an answer and ends the exchange. */
static void reply_send(struct http_conn *c, struct buf *head, const void *body, size_t n)
{
    struct iovec iov[2] = {{head->data, head->len}, {(void *)(uintptr_t)body, n}};

    if (buf_failed(head))
        http_conn_break(c);
    else
        http_conn_send(c, iov, n ? 2 : 1);
    buf_done(head);
    http_conn_answered(c);
}

/* What is kept for clients that have not read it yet, theirs who read slowly and theirs who never
 * will. */
static size_t unread_bytes(const struct http_server *s)
{
    size_t n = 0;

    for (const struct http_conn *c = s->conns; c; c = c->next)
        n += c->out.len;
    return n;
}

/* A limit for each answer bounds nothing while thousands may wait for their readers. One alone is
 * let through, however large. */
static bool has_room(struct http_conn *c, size_t n)
{
    size_t others = n > HTTP_ANSWER_LARGE ? unread_bytes(c->server) : 0;
    size_t max = c->server->params.limits.bodies_max;
    struct http_fault full = {0};

    if (others == 0 || (n <= max && others <= max - n))
        return true;
    http_fault_set(&full, 503,
                   "The answer has %zu bytes, %zu of others wait to be read by their clients, and "
                   "%zu are allowed at once.",
                   n, others, max);
    http_reply_fault(c, &full);
    return false;
}

void http_reply(struct http_exchange *x, int status, const char *content_type, const void *body,
                size_t n)
{
    struct http_conn *c = x->conn;
    struct buf head;

    BUG_ON(x->streaming || c->phase != PHASE_HANDLER);
    if (buf_failed(&x->headers)) {
        status = 500;
        content_type = NULL;
        n = 0;
        buf_clear(&x->headers);
    }
    if (!is_head(x) && !has_no_body(status) && !has_room(c, n))
        return;
    decide_keep_alive(c);
    put_head(&head, c, status, x->id, content_type);
    if (!has_no_body(status))
        buf_printf(&head, "Content-Length: %zu\r\n", n);
    buf_put(&head, buf_str(&x->headers), x->headers.len);
    buf_puts(&head, "\r\n");
    reply_send(c, &head, body, is_head(x) || has_no_body(status) ? 0 : n);
}

/* What was asked for, once the head was understood so far. */
static const char *target_of(const struct http_conn *c)
{
    return c->x && c->parser.head_done ? c->x->req.target : NULL;
}

void http_reply_fault(struct http_conn *c, const struct http_fault *fault)
{
    const struct http_server_params *params = &c->server->params;
    char body[REPLY_FAULT_MAX], id[HTTP_REQUEST_ID_BYTES];
    const char *type = "text/plain; charset=utf-8";
    struct buf head;
    size_t n;

    if (c->x)
        memcpy(id, c->x->id, sizeof id);
    else
        uuid_make(id);
    c->keep_alive = false;
    snprintf(body, sizeof body, "%s\n", fault->text);
    if (params->render_error)
        type =
            params->render_error(fault->status, target_of(c), fault->text, id, body, sizeof body);
    n = strnlen(body, sizeof body);
    put_head(&head, c, fault->status, id, type);
    if (fault->status == 503)
        buf_puts(&head, "Retry-After: 1\r\n");
    if (c->x && !buf_failed(&c->x->headers))
        buf_put(&head, buf_str(&c->x->headers), c->x->n_prepared);
    buf_printf(&head, "Content-Length: %zu\r\n\r\n", n);
    reply_send(c, &head, body, is_head(c->x) ? 0 : n);
}

/* ---- streams ---- */

/* Streams to HTTP/1.0 clients end with the connection. */
static bool is_chunked(const struct http_exchange *x)
{
    return !x->req.version_1_0;
}

void http_stream_begin(struct http_exchange *x, int status, const char *content_type)
{
    struct http_conn *c = x->conn;
    struct buf head;
    struct iovec iov;

    BUG_ON(x->streaming || c->phase != PHASE_HANDLER || has_no_body(status));
    x->streaming = true;
    decide_keep_alive(c);
    if (!is_chunked(x))
        c->keep_alive = false;
    put_head(&head, c, status, x->id, content_type);
    if (is_chunked(x))
        buf_puts(&head, "Transfer-Encoding: chunked\r\n");
    buf_put(&head, buf_str(&x->headers), x->headers.len);
    buf_puts(&head, "\r\n");
    iov = (struct iovec){head.data, head.len};
    if (buf_failed(&head) || buf_failed(&x->headers))
        http_conn_break(c);
    else
        http_conn_send(c, &iov, 1);
    buf_done(&head);
    buf_done(&x->headers);
}

int http_stream_put(struct http_exchange *x, const void *bytes, size_t n)
{
    static char line_end[] = "\r\n";
    struct http_conn *c = x->conn;
    char size[24];
    int n_size = snprintf(size, sizeof size, "%zx\r\n", n);
    struct iovec iov[3] = {
        {size, (size_t)n_size}, {(void *)(uintptr_t)bytes, n}, {line_end, sizeof line_end - 1}};

    BUG_ON(!x->streaming);
    if (c->broken)
        return -1;
    if (n == 0 || is_head(x))
        return 0;
    /* Of what comes now nobody can have read anything: it says nothing about the reader. */
    if (http_conn_unsent(c) > c->server->params.limits.stream_pending_max)
        http_conn_cut_slow(c);
    else if (is_chunked(x))
        http_conn_send(c, iov, 3);
    else
        http_conn_send(c, iov + 1, 1);
    return c->broken ? -1 : 0;
}

void http_stream_end(struct http_exchange *x)
{
    static char last_chunk[] = "0\r\n\r\n";
    struct http_conn *c = x->conn;
    struct iovec iov = {last_chunk, sizeof last_chunk - 1};

    BUG_ON(!x->streaming);
    if (is_chunked(x) && !is_head(x))
        http_conn_send(c, &iov, 1);
    http_conn_answered(c);
}

bool http_stream_begun(const struct http_exchange *x)
{
    return x->streaming;
}

size_t http_stream_pending(const struct http_exchange *x)
{
    return http_conn_unsent(x->conn);
}
