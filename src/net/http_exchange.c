/* http_exchange.c - what a handler sees of a request: see http_server.h. */
#include "net/http_internal.h"

#include <string.h>

#include "base/str.h"

const char *http_method(const struct http_exchange *x)
{
    return x->req.method;
}

const char *http_target(const struct http_exchange *x)
{
    return x->req.target;
}

const char *http_path(const struct http_exchange *x)
{
    return x->req.path;
}

const char *http_query(const struct http_exchange *x, const char *name)
{
    for (size_t i = 0; i < x->req.n_params; i++)
        if (strcmp(x->req.params[i].name, name) == 0)
            return x->req.params[i].value;
    return NULL;
}

const char *http_header(const struct http_exchange *x, const char *name)
{
    return http_request_header(&x->req, name);
}

const char *http_body(const struct http_exchange *x, size_t *n)
{
    if (n)
        *n = x->req.body.len;
    return buf_str(&x->req.body);
}

void http_drop_body(struct http_exchange *x)
{
    buf_done(&x->req.body);
    http_bodies_forget(x);
}

int http_limit_body(struct http_exchange *x, size_t n)
{
    const char *text = http_request_header(&x->req, "content-length");
    struct http_parser *p = &x->conn->parser;
    uint64_t length = 0;

    if (n < p->body_max) {
        p->body_max = n;
        x->req.body.max = n;
    }
    return text && (str_to_u64(text, &length) || length > p->body_max) ? -1 : 0;
}

const char *http_request_id(const struct http_exchange *x)
{
    return x->id;
}

void http_set_request_id(struct http_exchange *x, const char *id)
{
    if (uuid_is_one(id))
        str_copy(x->id, sizeof x->id, id);
}

const char *http_peer(const struct http_exchange *x)
{
    return x->conn->peer;
}

void http_set_pass(struct http_exchange *x, uint64_t pass)
{
    x->pass = pass;
    if (pass)
        x->conn->had_pass = true;
}

bool http_is_cut(const struct http_exchange *x)
{
    return x->cut;
}

void http_on_gone(struct http_exchange *x, void (*gone)(struct http_exchange *x, void *arg),
                  void *arg)
{
    x->gone = gone;
    x->gone_arg = arg;
}

void http_on_drained(struct http_exchange *x, void (*drained)(struct http_exchange *x, void *arg),
                     void *arg)
{
    x->drained = drained;
    x->drained_arg = arg;
}

void http_add_header(struct http_exchange *x, const char *name, const char *value)
{
    BUG_ON(name[strcspn(name, "\r\n:")] != '\0' || value[strcspn(value, "\r\n")] != '\0');
    buf_printf(&x->headers, "%s: %s\r\n", name, value);
}
