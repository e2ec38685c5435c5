/*
 * client.c - see client.h. One event loop, run only inside the calls; a timer ends each turn of it
 * so that an interrupt is seen.
 */
#include "keeper/node/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "api/json_load.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/retry_after.h"
#include "base/str.h"
#include "keeper/node/client_internal.h"
#include "keeper/shell/interrupt.h"
#include "net/http_server.h"
#include "version.h"

#define LOOK_MAX_MS                                                                                \
    1000 /* the loop turns ten times a second; what is beyond that it stood still                  \
          */
#define AFTER_TOLD_MAX_MS 3600000 /* longer ones are as good as this */

#define SPEAKS_HTTP_HINT                                                                           \
    "This keeper has paired with a hive there that spoke https; was it started with [hive] tls = " \
    "off? `rbee-keeper node add NAME HOST:PORT` has it spoken to in the clear."
#define NOTHING_LEFT_HINT                                                                          \
    "Nothing was sent: end other programs, or raise `ulimit -n`, and try again."
#define SPEAKS_HTTPS_HINT                                                                          \
    "Run `rbee-hive pair` on that machine, and here the line it prints; the hive is `--node "      \
    "NAME` "                                                                                       \
    "from then on."

const char *const client_headers[] = {"User-Agent: rbee-keeper/" RBEE_VERSION,
                                      "Content-Type: application/json", NULL};

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    client_ms(arg);
}

int64_t client_ms(struct client *c)
{
    int64_t now = clock_ms(), stood_ms = now - c->looked_ms - LOOK_MAX_MS;

    c->looked_ms = now;
    if (stood_ms < 0)
        stood_ms = 0;
    c->stood_ms += stood_ms;
    http_client_stood_still(c->http, stood_ms);
    return now - c->stood_ms;
}

int client_open(const char *key, struct client **out, struct err *err)
{
    static const struct timeval every = {.tv_usec = INTERRUPT_LOOK_MS * 1000};
    struct client *c = calloc(1, sizeof *c);
    int rc = ERR_NO_MEMORY;

    if (!c)
        return err_no_memory(err, sizeof *c, "the client");
    c->key = key;
    c->looked_ms = clock_ms();
    c->base = event_base_new();
    if (c->base)
        c->tick = event_new(c->base, -1, EV_PERSIST, on_tick, c);
    if (!c->tick || event_add(c->tick, &every))
        err_no_memory(err, sizeof *c, "the event loop");
    else
        rc = http_client_create_plain(c->base, HTTP_NAMES_WAIT, &c->http, err);
    if (rc) {
        client_close(c);
        return rc;
    }
    *out = c;
    return 0;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    http_client_free(c->http);
    if (c->tick)
        event_free(c->tick);
    if (c->base)
        event_base_free(c->base);
    free(c);
}

int client_set_pin(struct client *c, const char *pin, struct err *err)
{
    return http_client_set_pin(c->http, pin, err);
}

char *client_url_host(const char *url, char *dst, size_t dst_size)
{
    const char *at = strstr(url, "://");

    at = at ? at + 3 : url;
    snprintf(dst, dst_size, "%.*s", (int)strcspn(at, "/?"), at);
    return dst;
}

/* How to ask for the health there: curl's words. zsh takes brackets for a pattern. */
static char *health_of(bool tls, const char *place, char *dst, size_t dst_size)
{
    const char *quote = place[0] == '[' ? "'" : "";

    snprintf(dst, dst_size, "curl %s%s%s://%s/v1/health%s", tls ? "-k " : "", quote,
             tls ? "https" : "http", place, quote);
    return dst;
}

/* Puts the hint that names the real place into e->details. */
static void hint_place(struct api_error *e, const char *url)
{
    char place[512], ask[600], *hint;

    client_url_host(url, place, sizeof place);
    health_of(str_starts(url, "https"), place, ask, sizeof ask);
    if (e->code == API_CONNECTION_REFUSED)
        hint = str_printf("Is rbee-hive running there? Ask with `%s`, start it with `rbee-hive "
                          "daemon --addr %s`.",
                          ask, place);
    else
        hint = str_printf("Is the machine on, and does it let port %s through? Ask with `%s`.",
                          strrchr(place, ':') ? strrchr(place, ':') + 1 : "8080", ask);
    if (hint)
        e->details = json_pack("{s:s}", "hint", hint);
    free(hint);
}

void client_transport_error(struct api_error *e, int rc, const struct err *why, const char *url)
{
    enum api_code code = rc == ERR_UNREACHABLE   ? API_CONNECTION_REFUSED
                         : rc == ERR_TIMEOUT     ? API_CONNECTION_TIMEOUT
                         : rc == ERR_CANCELLED   ? API_REQUEST_CANCELLED
                         : rc == ERR_IO          ? API_CONNECTION_REFUSED
                         : rc == ERR_UNSUPPORTED ? API_INVALID_REQUEST
                         : rc == ERR_INVALID     ? API_INVALID_REQUEST
                         : rc == ERR_DENIED      ? API_CERTIFICATE_MISMATCH
                         : rc == ERR_CONFLICT    ? API_CONNECTION_REFUSED
                                                 : API_INTERNAL;

    api_error_set(e, code, "keeper", "%s", why->text);
    if (rc == ERR_CONFLICT)
        e->details = json_pack("{s:s}", "hint", SPEAKS_HTTP_HINT);
    else if (rc == ERR_BUSY)
        e->details = json_pack("{s:s}", "hint", NOTHING_LEFT_HINT);
    else if (code == API_CONNECTION_REFUSED || code == API_CONNECTION_TIMEOUT)
        hint_place(e, url);
}

/* INTERNAL asks for the request id: it goes beside the hint. */
static void keep_request_id(struct api_error *e, const char *body, size_t n)
{
    json_t *root = json_load_bounded(body, n, 0, NULL);
    json_t *id = json_object_get(json_object_get(root, "error"), "request_id");

    if (!e->details)
        e->details = json_object();
    if (json_string_length(id))
        json_object_set(e->details, "request_id", id);
    json_decref(root);
}

/* Some other program's web server is no fault of rbee's, and no hive without models either. */
void client_foreign(struct api_error *e, const char *url, const char *fmt, ...)
{
    const char *scheme = str_starts(url, "https") ? "https" : "http";
    char place[512], ask[600], what[ERR_TEXT_MAX / 2], *hint;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    client_url_host(url, place, sizeof place);
    api_error_set(e, API_VERSION_MISMATCH, "keeper", "what answers at %s://%s is not rbee: %s",
                  scheme, place, what);
    hint = str_printf("Is a rbee-hive running there? Look with `%s`.",
                      health_of(scheme[4], place, ask, sizeof ask));
    if (hint)
        e->details = json_pack("{s:s}", "hint", hint);
    free(hint);
}

void client_status_error(struct api_error *e, int status, const struct buf *body, const char *url)
{
    size_t n = body->len < 200 ? body->len : 200;

    if (!api_error_parse(e, status, buf_str(body), body->len)) {
        client_foreign(e, url, "status %d and no error body: %.*s", status, (int)n, buf_str(body));
        return;
    }
    if (str_starts(e->message, HTTP_SPEAKS_HTTPS)) {
        api_error_done(e);
        api_error_set(
            e, API_CONNECTION_REFUSED, "keeper",
            "the hive there speaks https only, and this keeper has not been paired with it");
        e->details = json_pack("{s:s}", "hint", SPEAKS_HTTPS_HINT);
        return;
    }
    if (e->code == API_INTERNAL)
        keep_request_id(e, buf_str(body), body->len);
}

const struct client_last *client_last(const struct client *c)
{
    return &c->last;
}

void client_last_begin(struct client *c)
{
    client_ms(c); /* the time since the last call is not this one's */
    c->last = (struct client_last){.retry_after_ms = -1};
}

void client_last_header(struct client *c, const char *name, const char *value)
{
    int64_t ms = str_eq(name, "retry-after")
                     ? retry_after_ms(value, clock_unix_ms(), AFTER_TOLD_MAX_MS)
                     : -1;

    if (ms >= 0)
        c->last.retry_after_ms = ms;
}

static void on_connected(void *arg)
{
    ((struct client *)arg)->last.connected = true;
}

static void on_sending(void *arg)
{
    ((struct client *)arg)->last.sent = true;
}

static void on_header(void *arg, int status, const char *name, const char *value)
{
    (void)status;
    client_last_header(arg, name, value);
}

int client_text(struct client *c, const struct client_ask *ask, struct buf *body,
                struct api_error *e)
{
    struct http_call_params params = {.method = ask->method, .url = ask->url};
    const char *headers[] = {client_headers[0], client_headers[1], ask->header, NULL};
    struct err err = {0};
    char type[128];
    int status = 0, rc;

    if (ask->type) {
        snprintf(type, sizeof type, "Content-Type: %s", ask->type);
        headers[1] = type;
    }
    params.headers = headers;
    params.bearer = c->key;
    params.body = ask->body;
    params.body_bytes = ask->body_bytes ? ask->body_bytes : ask->body ? strlen(ask->body) : 0;
    params.body_max = body->max;
    params.timeout_ms = ask->timeout_ms ? ask->timeout_ms : CLIENT_TIMEOUT_MS;
    params.connect_timeout_ms =
        ask->connect_timeout_ms ? ask->connect_timeout_ms : params.timeout_ms;
    params.once = ask->once;
    params.arg = c;
    params.on_connected = on_connected;
    params.on_sending = on_sending;
    params.on_header = on_header;
    client_last_begin(c);
    rc = http_fetch(c->http, &params, ask->after_interrupt ? NULL : interrupt_flag(), &status, body,
                    &err);
    c->last.rc = rc;
    c->last.status = status;
    if (rc) {
        client_transport_error(e, rc, &err, ask->url);
        return -1;
    }
    if (status < 200 || status > 299) {
        client_status_error(e, status, body, ask->url);
        return -1;
    }
    return 0;
}

int client_json(struct client *c, const struct client_ask *ask, json_t **out, struct api_error *e)
{
    char place[512];
    json_error_t why = {0};
    struct buf body;
    json_t *root;
    int rc = -1;

    buf_init(&body, CLIENT_BODY_MAX);
    if (client_text(c, ask, &body, e))
        goto out;
    root = body.len ? json_load_bounded(body.data, body.len, 0, &why) : json_object();
    if (!root && json_is_too_many(&why)) {
        api_error_set(e, API_INTERNAL, "keeper", "the answer of %s cannot be taken: %s",
                      client_url_host(ask->url, place, sizeof place), why.text);
        goto out;
    }
    if (!json_is_object(root)) {
        client_foreign(e, ask->url, "its answer (%zu bytes) is not a JSON object", body.len);
        json_decref(root);
        goto out;
    }
    rc = 0;
    if (out)
        *out = root;
    else
        json_decref(root);
out:
    buf_done(&body);
    return rc;
}

static void sent(void *arg, int rc, const struct http_response *response, const struct err *err)
{
    (void)arg;
    (void)rc;
    (void)response;
    (void)err;
}

void client_send(struct client *c, const char *method, const char *url, const char *header)
{
    struct http_call_params params = {.method = method, .url = url, .on_done = sent};
    const char *headers[] = {client_headers[0], client_headers[1], header, NULL};
    struct http_call *call;

    params.headers = headers;
    params.bearer = c->key;
    params.timeout_ms = CLIENT_TIMEOUT_MS;
    client_ms(c);
    http_call_start(c->http, &params, &call, NULL);
}
