/*
 * http_take.c - the bytes of a connection to requests, and those to the filter and the handler.
 *
 * One request at a time is in the handler; what comes behind it waits in `in`. With many bytes
 * unsent no further request is begun: answers that nobody reads must not pile up. Where one has
 * been answered at once the loop's others come before the next. Nor does the empty line begin one
 * that some clients send behind a body (RFC 9112, section 2.2).
 */
#include "net/http_internal.h"

#include <event2/event.h>
#include <stdlib.h>

static void exchange_free(struct http_exchange *x)
{
    if (!x)
        return;
    http_bodies_forget(x);
    http_request_done(&x->req);
    buf_done(&x->headers);
    free(x);
}

/* One empty line between requests is nobody's; the scanner refuses what is none, or one more. */
static bool take_blank(struct http_conn *c, char byte)
{
    static const char line[] = "\r\n";

    if (c->n_blank == 2 || byte != line[c->n_blank])
        return false;
    c->n_blank++;
    return true;
}

/* As if the scanner had seen the empty line, or its beginning. */
static void tell_blank(struct http_conn *c)
{
    c->parser.scan.skipped = c->n_blank == 2;
    if (c->n_blank == 1)
        c->parser.scan.state = SCAN_SKIP_LF;
    c->n_blank = 0;
}

static int take_begin(struct http_conn *c)
{
    struct http_exchange *x = calloc(1, sizeof *x);

    if (!x)
        return -1;
    x->conn = c;
    http_request_init(&x->req, &c->server->params.limits);
    buf_init(&x->headers, HTTP_HEAD_MAX);
    uuid_make(x->id);
    http_parse_begin(&c->parser, &x->req, &c->server->params.limits);
    tell_blank(c);
    c->x = x;
    c->phase = PHASE_HEAD;
    c->n_requests++;
    return 0;
}

void http_take_end(struct http_conn *c)
{
    exchange_free(c->x);
    c->x = NULL;
}

static void take_prepare(struct http_conn *c)
{
    const struct http_server_params *params = &c->server->params;

    if (params->prepare)
        params->prepare(c->x, params->arg);
    c->x->n_prepared = c->x->headers.len;
}

/* The head stands: the filter is asked, and the client told to send its body. */
static void take_head(struct http_conn *c)
{
    static char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct http_server_params *params = &c->server->params;
    struct iovec iov = {go_on, sizeof go_on - 1};

    c->keep_alive = c->x->req.keep_alive;
    c->phase = PHASE_HANDLER;
    if (params->filter && (!params->filter(c->x, params->arg) || !c->x))
        return;
    c->phase = PHASE_BODY;
    if (c->x->req.expects_continue && c->x->req.has_body)
        http_conn_send(c, &iov, 1);
}

static void take_step(struct http_conn *c, enum http_parse_step step)
{
    switch (step) {
    case HTTP_PARSE_MORE:
        break;
    case HTTP_PARSE_HEAD:
        take_prepare(c);
        take_head(c);
        break;
    case HTTP_PARSE_WHOLE:
        c->phase = PHASE_HANDLER;
        c->server->params.handle(c->x, c->server->params.arg);
        break;
    case HTTP_PARSE_REFUSED:
        if (c->phase == PHASE_HEAD && c->parser.head_done)
            take_prepare(c);
        http_reply_fault(c, &c->parser.fault);
        break;
    }
}

/* Feeds the parser until it or the handler wants to wait, or a request is answered; returns how
 * many bytes are done with. */
static size_t take_parse(struct http_conn *c, const char *bytes, size_t n)
{
    enum http_parse_step step = HTTP_PARSE_HEAD;
    bool answered = false;
    size_t used = 0;

    c->parsing = true;
    while (!c->broken && !answered && c->phase < PHASE_HANDLER && step != HTTP_PARSE_MORE) {
        size_t taken;

        if (!c->x && used < n && take_blank(c, bytes[used])) {
            used++;
            continue;
        }
        if (!c->x && (used == n || http_conn_unsent(c) > HTTP_UNSENT_BUSY))
            break;
        if (!c->x && take_begin(c)) {
            http_conn_break(c);
            break;
        }
        step = http_parse_put(&c->parser, bytes + used, n - used, &taken);
        used += taken;
        if (http_bodies_count(c))
            take_step(c, step);
        answered = !c->x;
    }
    c->parsing = false;
    if (answered && used < n && !c->broken)
        event_active(c->ev_later, EV_TIMEOUT, 1);
    return c->phase >= PHASE_CLOSING ? n : used;
}

/* What is read ahead counts as the bodies do that it may be of. */
static void count_ahead(struct http_conn *c)
{
    c->server->n_body_bytes += c->in.len - c->n_ahead;
    c->n_ahead = c->in.len;
}

void http_take_ahead(struct http_conn *c)
{
    size_t used;

    if (c->phase >= PHASE_CLOSING)
        http_take_drop_ahead(c);
    if (c->in.len == 0 || c->phase >= PHASE_HANDLER)
        return;
    used = take_parse(c, c->in.data, c->in.len);
    if (used >= c->in.len)
        buf_done(&c->in);
    else
        buf_drop(&c->in, used);
    count_ahead(c);
}

void http_take_bytes(struct http_conn *c, const char *bytes, size_t n)
{
    size_t used = c->in.len ? 0 : take_parse(c, bytes, n);

    if (used < n && buf_put(&c->in, bytes + used, n - used))
        c->broken = true;
    count_ahead(c);
}

void http_take_drop_ahead(struct http_conn *c)
{
    buf_done(&c->in);
    count_ahead(c);
}
