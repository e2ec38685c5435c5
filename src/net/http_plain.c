/*
 * http_plain.c - plain HTTP to nodes: which connection a call gets, and what becomes of failures.
 *
 * A kept connection may have been closed by its server a moment ago. A request that may be repeated
 * (RFC 9110, section 9.2.2) is then sent once more on a fresh one, if no byte of an answer came;
 * one that may not be is put on a kept connection only if that was in use just now. With TLS a
 * connection is kept for calls that trust the same pin only.
 */
#include "net/http_plain.h"

#include <errno.h>
#include <netinet/in.h>
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
            return true;
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

/* This machine has no way to such an address; nothing was learned of who may be there. */
static bool is_no_way(int why)
{
    return why == EADDRNOTAVAIL || why == EAFNOSUPPORT || why == ENETUNREACH || why == EHOSTUNREACH;
}

/* Without IPv6 there is no ::1: that is no want of ports. */
static bool is_six_loopback(const struct sockaddr_storage *at)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)at;

    return at->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

/* The kernel's "Invalid argument" for an address that says not in which network it is. */
static bool wants_zone(const struct sockaddr_storage *at, int why)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)at;

    return why == EINVAL && at->ss_family == AF_INET6 && six->sin6_scope_id == 0 &&
           IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr);
}

/* A connection did not even begin: for want of something here, or the other side refuses at once.
 */
static int not_begun(const struct plain_call *t, size_t i, int why, struct err *err)
{
    bool none_left = why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM ||
                     (why == EADDRNOTAVAIL && !is_six_loopback(&t->way->addrs.at[i]));

    if (none_left)
        return err_set(err, ERR_BUSY, "there is nothing left for a connection to %s: %s",
                       t->url.place, strerror(why));
    return http_call_broken(&t->call,
                            wants_zone(&t->way->addrs.at[i], why)
                                ? "a link-local address needs the interface that leads to it, as "
                                  "in fe80::1%eth0"
                                : strerror(why),
                            err);
}

/* The call is gone before its owner has read the error to its end. */
static void end_failed(struct plain_call *t)
{
    struct err err = t->way->failure;

    end(t, err.code, &err);
}

/* In the second round those only that may have been slow: of the others all is known. */
static bool next_address(struct plain_way *w, size_t *i)
{
    while (w->n_tried < w->addrs.n) {
        *i = w->n_tried++;
        if (!w->again || w->late[*i])
            return true;
    }
    return false;
}

static size_t n_late(const struct plain_way *w, size_t from)
{
    size_t n = 0;

    for (size_t i = from; i < w->addrs.n; i++)
        n += w->late[i];
    return n;
}

/*
 * What address `i` gets of the time that is left. A name's first address may be a dead one, of a
 * network that is not there any more: while there are others it has PLAIN_FIRST_MS, and is come
 * back to when they are no better.
 */
static int64_t share_of(const struct plain_way *w, size_t i, int64_t left)
{
    int64_t n_left = (int64_t)(w->addrs.n - i), share = left;

    if (w->again)
        share = left / (int64_t)n_late(w, i);
    else if (n_left > 1)
        share = left / n_left < PLAIN_FIRST_MS ? left / n_left : PLAIN_FIRST_MS;
    else if (n_late(w, 0) > 0)
        share = left / 2;
    return share > 0 ? share : 1;
}

/* A refusal says more than the silence of others that were tried once more. */
static void be_late(struct plain_call *t)
{
    struct plain_way *w = t->way;

    if (!w->again || w->failure.code == ERR_NONE || w->failure.code == ERR_TIMEOUT)
        http_call_connect_late(&t->call, &w->failure);
}

/* Begins with the next one that can be begun with, while there is time. */
static bool try_round(struct plain_call *t, int64_t *left)
{
    size_t i;

    while ((*left = t->connect_by_ms - clock_ms()) > 0 && next_address(t->way, &i)) {
        if (http_plain_connect(t, i, share_of(t->way, i, *left)) == 0)
            return true;
        if (!t->way->failure.code || !is_no_way(errno))
            not_begun(t, i, errno, &t->way->failure);
    }
    return false;
}

/*
 * Each address gets its share of the time that is left. The end tells of the last one that says
 * something: "refused" of 127.0.0.1, and not that there is no ::1 here.
 */
static void try_address(struct plain_call *t)
{
    struct plain_way *w = t->way;
    int64_t left;

    if (try_round(t, &left))
        return;
    if (left > 0 && !w->again && n_late(w, 0) > 0) {
        w->again = true;
        w->n_tried = 0;
        if (try_round(t, &left))
            return;
    }
    if (left <= 0)
        be_late(t);
    end_failed(t);
}

void http_plain_next_address(struct plain_call *t, bool late, const char *why)
{
    http_plain_close(t->conn);
    if (late) {
        t->way->late[t->way->n_tried - 1] = true;
        be_late(t);
    } else {
        http_call_broken(&t->call, why, &t->way->failure);
    }
    try_address(t);
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
        return err_no_memory(err, sizeof *t->way, "a host's addresses");
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
    try_address(t);
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
    if (http_plain_send(t, kept)) {
        call->out_of_memory = true;
        end(t, 0, NULL);
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
