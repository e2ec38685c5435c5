/*
 * http_plain.c - plain HTTP to nodes: which connection a call gets, and what becomes of failures.
 *
 * A kept connection may have been closed by its server a moment ago. A request that may be repeated
 * (RFC 9110, section 9.2.2) is then sent once more on a fresh one, if no byte of an answer came;
 * one that may not be is put on a kept connection only if that was in use just now. With TLS a
 * connection is kept for calls that trust the same pin only.
 */
#include "net/http_plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

static bool is_repeatable(const struct plain_call *t)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (str_eq(t->call.method, methods[i]))
            return !t->call.params.once;
    return false;
}

static void end(struct plain_call *t, int rc, const struct err *err)
{
    http_plain_close(t->conn);
    http_call_ended(&t->call, rc, err);
}

/* ---- what the answer tells ---- */

static void on_status(void *arg, int status)
{
    struct plain_call *t = arg;

    t->call.status = status;
}

static enum http_answer_wish on_header(void *arg, const char *name, const char *value)
{
    struct http_call *call = arg;

    if (call->params.on_header && !call->cancelled)
        call->params.on_header(call->params.arg, call->status, name, value);
    return call->cancelled ? ANSWER_STOP : ANSWER_GO_ON;
}

/* Bytes may be waiting for a call that was cancelled in the same turn of the loop: nobody is there
 * to take them. */
static enum http_answer_wish on_body(void *arg, const char *bytes, size_t n)
{
    const struct http_call *call = arg;

    if (call->cancelled)
        return ANSWER_STOP;
    switch (http_call_take_body(arg, bytes, n)) {
    case HTTP_TAKEN:
        return ANSWER_GO_ON;
    case HTTP_TAKEN_PAUSE:
        return ANSWER_PAUSE;
    case HTTP_TAKEN_STOP:
        break;
    }
    return ANSWER_STOP;
}

static const struct http_answer_owner answer_owner = {on_status, on_header, on_body};

static void expect_answer(struct plain_call *t)
{
    if (t->has_answer)
        http_answer_done(&t->answer);
    http_answer_init(&t->answer, str_eq(t->call.method, "HEAD"), HTTP_CLIENT_HEAD_MAX,
                     &answer_owner, t);
    t->has_answer = true;
    t->heard = false;
}

/* ---- connecting ---- */

int http_plain_no_memory(const struct plain_call *t, struct err *err)
{
    return err_set(err, ERR_BUSY, "there is no memory left for a request to %s", t->url.place);
}

void http_plain_refused(struct plain_call *t, int rc, const struct err *err)
{
    end(t, rc, err);
}

/* A name server that does not answer makes its own call late, not the ones beside it. */
static int resolve(struct plain_call *t, struct err *err)
{
    struct http_client *c = t->call.client;
    int64_t begun_ms = clock_ms();
    int rc;

    t->way = calloc(1, sizeof *t->way);
    if (!t->way)
        return http_plain_no_memory(t, err);
    rc = http_resolve(t->url.host, t->url.port, ((struct plain_client *)c)->names,
                      t->call.params.stop, &t->way->addrs, err);
    http_client_waited(c, clock_ms() - begun_ms);
    return rc;
}

static void connect_fresh(struct plain_call *t)
{
    struct err err = {0};
    int rc;

    t->connect_by_ms = clock_ms() + http_call_connect_ms(&t->call);
    rc = t->way ? 0 : resolve(t, &err);
    if (rc) {
        end(t, rc, &err);
        return;
    }
    t->way->n_tried = 0;
    t->way->again = false;
    memset(t->way->late, 0, sizeof t->way->late);
    t->way->failure.code = ERR_NONE;
    http_plain_try_address(t);
}

void http_plain_failed(struct plain_call *t, const char *why)
{
    struct err err = {0};
    bool again = t->conn->used_before && !t->heard && is_repeatable(t);

    http_plain_close(t->conn);
    if (again && !t->call.cancelled) {
        expect_answer(t);
        connect_fresh(t);
        return;
    }
    end(t, http_call_broken(&t->call, why, &err), &err);
}

void http_plain_sent(struct plain_call *t)
{
    if (is_repeatable(t))
        return;
    free(t->call.sent);
    t->call.sent = NULL;
}

/* ---- TLS ---- */

const char *http_plain_pin(const struct plain_call *t)
{
    const struct plain_client *c = (const struct plain_client *)t->call.client;

    if (t->call.pin)
        return t->call.pin;
    return c->pin[0] ? c->pin : NULL;
}

static int be_secure(struct plain_call *t, struct err *err)
{
    struct plain_client *c = (struct plain_client *)t->call.client;
    const char *pin = http_plain_pin(t);
    int rc = c->tls ? 0 : tls_load(&c->tls, err);

    if (rc == 0 && !c->trust)
        rc = c->tls->client_create(&c->trust, err);
    t->place = str_printf("https %s:%u %s", t->url.host, t->url.port, pin ? pin : "");
    return rc;
}

int http_client_set_pin(struct http_client *c, const char *pin, struct err *err)
{
    struct plain_client *plain = (struct plain_client *)c;

    if (pin && !tls_is_pin(pin))
        return err_set(err, ERR_INVALID, "'%.80s' is no SHA-256 of %d hex digits", pin,
                       TLS_PIN_BYTES - 1);
    str_copy(plain->pin, sizeof plain->pin, pin ? pin : "");
    return 0;
}

void http_client_use_tls(struct http_client *c, const struct tls *tls)
{
    ((struct plain_client *)c)->tls = tls;
}

/* ---- the transport ---- */

static int setup(struct http_call *call, struct err *err)
{
    struct plain_call *t = (struct plain_call *)call;
    char shown[ERR_TEXT_MAX / 2];
    int rc = http_url_parse(call->url, &t->url, err);

    if (rc)
        return rc;
    http_url_shown(call->url, shown, sizeof shown);
    if (call->params.follow)
        return err_set(err, ERR_UNSUPPORTED, "redirects of %s are not followed here", shown);
    for (const char *c = call->method; *c; c++)
        if (*c < 'A' || *c > 'Z')
            return err_set(err, ERR_INVALID, "\"%s\" is not an HTTP method", call->method);
    if (t->url.tls)
        rc = be_secure(t, err);
    else
        t->place = str_printf("%s:%u", t->url.host, t->url.port);
    return rc || t->place ? rc : err_no_memory(err, strlen(t->url.place), "an HTTP call");
}

static void begin(struct http_call *call)
{
    struct plain_call *t = (struct plain_call *)call;
    struct plain_conn *kept =
        http_plain_kept((struct plain_client *)call->client, t->place,
                        is_repeatable(t) ? PLAIN_IDLE_MS : PLAIN_POST_IDLE_MS);

    expect_answer(t);
    if (!kept) {
        connect_fresh(t);
        return;
    }
    http_call_connected(call);
    http_call_sending(call);
    if (http_plain_send(t, kept)) {
        struct err err;
        int rc = http_plain_no_memory(t, &err);

        end(t, rc, &err);
    }
}

static void go_on(struct http_call *call)
{
    http_plain_read_on((struct plain_call *)call);
}

static void take_away(struct http_call *call)
{
    http_plain_close(((struct plain_call *)call)->conn);
}

static void done(struct http_call *call)
{
    struct plain_call *t = (struct plain_call *)call;

    if (t->has_answer)
        http_answer_done(&t->answer);
    free(t->way);
    free(t->place);
}

static void client_close(struct http_client *base)
{
    struct plain_client *c = (struct plain_client *)base;

    while (c->conns)
        http_plain_close(c->conns);
    if (c->trust)
        c->tls->client_free(c->trust);
    http_client_done(base);
    free(c);
}

static bool has_sent(struct http_call *call)
{
    return http_plain_has_sent((struct plain_call *)call);
}

static void stood_still(struct http_client *c, int64_t ms)
{
    http_plain_stood_still((struct plain_client *)c, ms);
}

static const struct http_transport plainly = {
    .call_bytes = sizeof(struct plain_call),
    .setup = setup,
    .begin = begin,
    .go_on = go_on,
    .has_sent = has_sent,
    .remove = take_away,
    .done = done,
    .close = client_close,
    .stood_still = stood_still,
};

int http_client_create_plain(struct event_base *base, enum http_names names,
                             struct http_client **out, struct err *err)
{
    struct plain_client *c = calloc(1, sizeof *c);
    int rc;

    if (!c)
        return err_no_memory(err, sizeof *c, "an HTTP client");
    c->names = names;
    rc = http_client_init(&c->c, base, &plainly, err);
    if (rc)
        client_close(&c->c);
    else
        *out = &c->c;
    return rc;
}
