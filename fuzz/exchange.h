/*
 * exchange.h - for targets that call the handlers of HTTP routes: an exchange without a server. It
 * stands in the place of net/http_server.h's, so a target that includes it does not link that.
 */
#ifndef RBEE_FUZZ_EXCHANGE_H
#define RBEE_FUZZ_EXCHANGE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "net/http_server.h"

struct http_exchange {
    const char *body; /* closed by a NUL */
    size_t body_bytes;
    int status; /* of the reply; 0 = none yet */
    struct buf reply;
    void (*gone)(struct http_exchange *x, void *arg); /* NULL: the handler waits for nothing */
    void *gone_arg;
};

/* Errors of our own are logged: not a million times here. */
__attribute__((constructor)) static void exchange_be_quiet(void)
{
    log_init("fuzz", LOG_SILENT);
}

static void exchange_begin(struct http_exchange *x, const char *body, size_t n)
{
    *x = (struct http_exchange){.body = body, .body_bytes = n};
    buf_init(&x->reply, SIZE_MAX / 2);
}

/* A copy of the input behind its first byte, closed by a NUL: a sanitizer sees reads past it. */
static inline char *exchange_body(const uint8_t *data, size_t size)
{
    char *body = malloc(size);

    BUG_ON(!body);
    memcpy(body, data + 1, size - 1);
    body[size - 1] = '\0';
    return body;
}

static void exchange_done(struct http_exchange *x)
{
    buf_done(&x->reply);
}

const char *http_body(const struct http_exchange *x, size_t *n)
{
    *n = x->body_bytes;
    return x->body;
}

/* It stays for the checks. */
void http_drop_body(struct http_exchange *x)
{
    (void)x;
}

bool http_hold(struct http_exchange *x, size_t n)
{
    (void)x;
    (void)n;
    return true;
}

const char *http_request_id(const struct http_exchange *x)
{
    (void)x;
    return "fuzz";
}

void http_add_header(struct http_exchange *x, const char *name, const char *value)
{
    (void)x;
    BUG_ON(strpbrk(name, "\r\n") || strpbrk(value, "\r\n"));
}

void http_on_gone(struct http_exchange *x, void (*gone)(struct http_exchange *x, void *arg),
                  void *arg)
{
    x->gone = gone;
    x->gone_arg = arg;
}

/* Once. */
void http_reply(struct http_exchange *x, int status, const char *content_type, const void *body,
                size_t n)
{
    BUG_ON(x->status != 0 || status < 200 || status > 599 || !content_type);
    x->status = status;
    BUG_ON(buf_put(&x->reply, body, n));
}

#endif
