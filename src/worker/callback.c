/* callback.c - see callback.h. One message at a time; each try tells the state of its moment. */
#include "worker/callback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <jansson.h>

#include "base/log.h"
#include "base/str.h"
#include "net/http_client.h"
#include "net/http_resolve.h"
#include "net/http_url.h"
#include "worker/entrance.h"
#include "worker/server.h"

#define CALLBACK_PATH "/v1/workers/ready"

struct callback {
    struct server *server;
    struct http_client *http;
    struct event *pause; /* before the next try */
    char *url;
    int tries;  /* made of the message under way; 0 = none is */
    bool again; /* the state changed meanwhile */
};

static void try_once(struct callback *c);

static char *message(const struct server *s)
{
    const struct serve_options *o = &s->o;
    bool loaded = s->stage == LOAD_DONE;
    json_t *m = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "worker_id", o->worker_id, "url",
                          s->url, "model_ref", o->model_ref, "backend", SERVER_BACKEND, "device",
                          (json_int_t)o->device, "state", loaded ? "idle" : "loading");
    char *text = NULL;

    if (m && loaded) {
        json_object_set_new(m, "slots_total", json_integer(atomic_load(&s->board->slots_total)));
        json_object_set_new(m, "n_ctx", json_integer(atomic_load(&s->board->n_ctx)));
    }
    if (m)
        text = json_dumps(m, JSON_COMPACT);
    json_decref(m);
    return text;
}

static void message_over(struct callback *c)
{
    c->tries = 0;
    if (c->again) {
        c->again = false;
        try_once(c);
    }
}

/* How a try went: the answer's status, or 0 for none; `why` for people. */
static void judge(struct callback *c, int status, const char *why)
{
    int64_t ms = (int64_t)CALLBACK_PAUSE_MS << (c->tries - 1);
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    if (status != 200 && status != 404 && c->tries < CALLBACK_TRIES) {
        evtimer_add(c->pause, &tv);
        return;
    }
    if (status == 404)
        log_warn("%s does not know worker %s", c->url, c->server->o.worker_id);
    else if (status != 200)
        log_warn("the hive was not told of this worker in %d tries: %s", c->tries, why);
    message_over(c);
}

static void on_done(void *arg, int rc, const struct http_response *response, const struct err *err)
{
    struct callback *c = arg;
    char why[64];

    snprintf(why, sizeof why, "its answer has status %d", response->status);
    judge(c, rc ? 0 : response->status, rc ? err->text : why);
}

static void try_once(struct callback *c)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    const char *link = entrance_link_key(c->server->entrance);
    const char *key = link[0] ? link : c->server->access.key;
    char *body = message(c->server);
    struct http_call_params call = {.method = "POST",
                                    .url = c->url,
                                    .headers = headers,
                                    .bearer = key[0] ? key : NULL,
                                    .body = body,
                                    .body_bytes = body ? strlen(body) : 0,
                                    .timeout_ms = CALLBACK_TIMEOUT_MS,
                                    .arg = c,
                                    .on_done = on_done};
    struct err err = {0};
    int rc = body ? 0 : err_no_memory(&err, 0, "a message to the hive");

    c->tries++;
    if (rc == 0)
        rc = http_call_start(c->http, &call, NULL, &err);
    free(body);
    if (rc)
        judge(c, 0, err.text);
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    try_once(arg);
}

void callback_send(struct callback *c)
{
    if (c->tries)
        c->again = true;
    else
        try_once(c);
}

/* "http://127.0.0.1:8080" to where messages go. */
static int read_url(struct callback *c, const char *hive, struct err *err)
{
    struct http_addrs addrs;
    struct http_url url;
    int rc = http_url_parse(hive, &url, err);

    if (rc == 0)
        rc = http_resolve(url.host, url.port, HTTP_NAMES_REFUSED, &addrs, err);
    if (rc) {
        err_prefix(err, "the hive's URL is not http://ADDRESS:PORT");
        return ERR_INVALID;
    }
    c->url = str_printf("%s://%s" CALLBACK_PATH, url.tls ? "https" : "http", url.place);
    return c->url ? 0 : err_no_memory(err, sizeof url.place, "the hive's URL");
}

int callback_create(struct server *s, struct callback **out, struct err *err)
{
    struct callback *c = calloc(1, sizeof *c);
    int rc;

    if (!c)
        return err_no_memory(err, sizeof *c, "the callback to the hive");
    c->server = s;
    rc = read_url(c, s->o.hive_url, err);
    if (rc == 0)
        rc = http_client_create_plain(s->base, HTTP_NAMES_REFUSED, &c->http, err);
    if (rc == 0)
        rc = entrance_trust(s->entrance, c->http, err);
    if (rc == 0 && !(c->pause = evtimer_new(s->base, on_pause_over, c)))
        rc = err_no_memory(err, 0, "the callback's timer");
    if (rc) {
        callback_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void callback_free(struct callback *c)
{
    if (!c)
        return;
    http_client_free(c->http);
    if (c->pause)
        event_free(c->pause);
    free(c->url);
    free(c);
}
