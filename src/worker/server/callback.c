/* callback.c - see callback.h. One message at a time; each try tells the state of its moment. */
#include "worker/server/callback.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <jansson.h>

#include "api/json_whole.h"
#include "base/log.h"
#include "base/str.h"
#include "net/http_answer.h"
#include "net/http_client.h"
#include "net/http_resolve.h"
#include "net/http_url.h"
#include "version.h"
#include "worker/server/entrance.h"
#include "worker/server/server.h"

#define CALLBACK_PATH "/v1/workers/ready"
#define MESSAGE_MAX   (64u << 10)
#define ANSWER_HEAD   (16u << 10) /* of the hive's answer, at most */

struct callback {
    struct server *server;
    char *place;              /* "host:port" */
    struct bufferevent *link; /* NULL once it is given up */
    struct event *next;       /* the next try, or the next sign of life */
    struct http_answer answer;
    int tries;  /* made of the message under way; 0 = none is */
    bool again; /* the state changed meanwhile */
};

/* ---- what is said -------------------------------------------------------- */

static json_t *state_of(const struct server *s)
{
    const struct serve_options *o = &s->o;
    bool loaded = s->stage == LOAD_DONE;
    json_t *m = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "worker_id", o->worker_id, "url",
                          s->url, "model_ref", o->model_ref, "backend", SERVER_BACKEND, "device",
                          (json_int_t)o->device, "state", loaded ? "idle" : "loading");

    if (m && loaded) {
        json_object_set_new(m, "slots_total", json_integer(atomic_load(&s->board->slots_total)));
        json_object_set_new(m, "n_ctx", json_integer(atomic_load(&s->board->n_ctx)));
    }
    return m;
}

/* What the hive lets this worker in by, or NULL. */
static const char *key_of(const struct server *s)
{
    const char *link = entrance_link_key(s->entrance);

    if (link[0])
        return link;
    return s->access.key[0] ? s->access.key : NULL;
}

/* A whole request, put to `out`; -1 when there is no memory for it. */
static int put_message(const struct server *s, const char *place, bool last, struct buf *out)
{
    json_t *state = state_of(s);
    char *body = state ? json_write(state, JSON_COMPACT) : NULL;
    const char *key = key_of(s);

    json_decref(state);
    if (!body)
        return -1;
    buf_printf(out,
               "POST " CALLBACK_PATH " HTTP/1.1\r\nHost: %s\r\nUser-Agent: rbee/" RBEE_VERSION
               "\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n",
               place, strlen(body));
    if (key)
        buf_printf(out, "Authorization: Bearer %s\r\n", key);
    buf_printf(out, "%s\r\n%s", last ? "Connection: close\r\n" : "", body);
    free(body);
    return buf_failed(out) ? -1 : 0;
}

/* ---- the kept link ------------------------------------------------------- */

static void hang_up(struct callback *c)
{
    if (c->link)
        bufferevent_free(c->link);
    c->link = NULL;
    event_del(c->next);
}

static void give_up(struct callback *c, const char *why)
{
    log_warn("the hive at %s was not told of this worker's state: %s", c->place, why);
    hang_up(c);
}

static void look_again_in(struct callback *c, int64_t ms)
{
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};

    evtimer_add(c->next, &tv);
}

static void try_once(struct callback *c)
{
    struct buf message;

    c->tries++;
    buf_init(&message, MESSAGE_MAX);
    if (put_message(c->server, c->place, false, &message) ||
        bufferevent_write(c->link, message.data, message.len))
        give_up(c, "there is no memory for the message");
    buf_done(&message);
}

static void message_over(struct callback *c)
{
    bool again = c->again;

    c->tries = 0;
    c->again = false;
    if (again)
        try_once(c);
    else if (c->server->stage == LOAD_DONE)
        hang_up(c);
    else
        look_again_in(c, CALLBACK_PULSE_MS);
}

static void judge(struct callback *c, int status)
{
    if (status != 200 && status != 404 && c->tries > 0 && c->tries < CALLBACK_TRIES) {
        look_again_in(c, (int64_t)CALLBACK_PAUSE_MS << (c->tries - 1));
        return;
    }
    if (status == 404)
        log_warn("the hive at %s does not know worker %s", c->place, c->server->o.worker_id);
    else if (status != 200)
        log_warn("the hive at %s was not told of this worker in %d tries: its answer has status %d",
                 c->place, c->tries, status);
    message_over(c);
}

static void on_next(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    try_once(arg);
}

static void on_status(void *arg, int status)
{
    (void)arg, (void)status; /* the answer keeps it */
}

static enum http_answer_wish on_header(void *arg, const char *name, const char *value)
{
    (void)arg, (void)name, (void)value;
    return ANSWER_GO_ON;
}

static enum http_answer_wish on_body(void *arg, const char *bytes, size_t n)
{
    (void)arg, (void)bytes, (void)n;
    return ANSWER_GO_ON;
}

static void expect_answer(struct callback *c)
{
    static const struct http_answer_owner owner = {on_status, on_header, on_body};

    http_answer_init(&c->answer, false, ANSWER_HEAD, &owner, c);
}

/* The answer is whole: what it says, and whether the hive lets the link stand. */
static void take_answer(struct callback *c)
{
    int status = c->answer.status;
    bool stands = c->answer.keep_alive;

    http_answer_done(&c->answer);
    expect_answer(c);
    judge(c, status);
    if (!stands && c->link && c->server->stage != LOAD_DONE)
        give_up(c, "it has closed the link");
}

static void on_read(struct bufferevent *link, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(link);
    struct callback *c = arg;
    struct evbuffer_iovec piece;

    while (c->link && evbuffer_peek(in, -1, NULL, &piece, 1) > 0) {
        size_t used;
        enum http_answer_step step =
            http_answer_put(&c->answer, piece.iov_base, piece.iov_len, &used);

        evbuffer_drain(in, used);
        if (step == ANSWER_WHOLE)
            take_answer(c);
        else if (step != ANSWER_MORE)
            give_up(c, "its answer is no HTTP");
    }
}

static void on_event(struct bufferevent *link, short what, void *arg)
{
    (void)link, (void)what;
    give_up(arg, "it has closed the link");
}

void callback_send(struct callback *c)
{
    if (c->tries)
        c->again = true;
    else if (c->link)
        try_once(c);
}

/* ---- making it ----------------------------------------------------------- */

/* A connection, or -1 with errno. */
static int connect_to(const struct sockaddr_storage *at, socklen_t bytes)
{
    int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), why = 0;
    struct pollfd made = {.fd = fd, .events = POLLOUT};
    socklen_t why_bytes = sizeof why;

    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)at, bytes) != 0) {
        why = errno;
        if (why == EINPROGRESS && poll(&made, 1, CALLBACK_CONNECT_MS) != 1)
            why = ETIMEDOUT;
        else if (why == EINPROGRESS)
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &why_bytes);
    }
    if (why == 0)
        return fd;
    close(fd);
    errno = why;
    return -1;
}

static int link_to(const struct http_addrs *addrs)
{
    int fd = -1;

    for (size_t i = 0; fd < 0 && i < addrs->n; i++)
        fd = connect_to(&addrs->at[i], addrs->bytes[i]);
    return fd;
}

/* The one message of a worker with a board. */
static void say_once(const struct server *s, const char *place, int fd)
{
    struct buf message;

    buf_init(&message, MESSAGE_MAX);
    if (put_message(s, place, true, &message) ||
        send(fd, message.data, message.len, MSG_NOSIGNAL) != (ssize_t)message.len)
        log_warn("the hive at %s was not told of this worker", place);
    buf_done(&message);
    shutdown(fd, SHUT_WR);
    close(fd);
}

/* Takes the descriptor over. */
static int keep_link(struct server *s, const char *place, int fd, struct callback **out,
                     struct err *err)
{
    struct callback *c = calloc(1, sizeof *c);

    if (c) {
        c->server = s;
        c->place = str_dup(place);
        c->next = evtimer_new(s->base, on_next, c);
        c->link = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
        expect_answer(c);
    }
    if (!c || !c->link)
        close(fd);
    if (!c || !c->place || !c->next || !c->link) {
        callback_free(c);
        return err_no_memory(err, sizeof *c, "the callback to the hive");
    }
    bufferevent_setcb(c->link, on_read, NULL, on_event, c);
    bufferevent_enable(c->link, EV_READ | EV_WRITE);
    try_once(c);
    *out = c;
    return 0;
}

/* ---- over TLS: one message, before anything else --------------------------- */

static void on_said(void *arg, int rc, const struct http_response *response, const struct err *err)
{
    if (rc)
        log_warn("the hive was not told of this worker: %s", err->text);
    else if (response->status != 200)
        log_warn("the hive was not told of this worker: its answer has status %d",
                 response->status);
    event_base_loopbreak(arg);
}

/* Begins the call; on_said ends the loop. */
static int start_call(const struct server *s, struct event_base *base, struct http_client *http,
                      const char *url, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    json_t *state = state_of(s);
    char *body = state ? json_write(state, JSON_COMPACT) : NULL;
    struct http_call_params call = {.method = "POST",
                                    .url = url,
                                    .headers = headers,
                                    .bearer = key_of(s),
                                    .body = body,
                                    .body_bytes = body ? strlen(body) : 0,
                                    .timeout_ms = CALLBACK_TLS_MS,
                                    .arg = base,
                                    .on_done = on_said};
    int rc = body ? 0 : err_no_memory(err, 0, "a message to the hive");

    if (rc == 0)
        rc = http_call_start(http, &call, NULL, err);
    json_decref(state);
    free(body);
    return rc;
}

/* On a loop of its own: the server's must not run yet. */
static int say_over_tls(const struct server *s, const char *place, struct err *err)
{
    struct event_base *base = event_base_new();
    struct http_client *http = NULL;
    char url[SERVER_URL_MAX + sizeof CALLBACK_PATH];
    int rc = base ? 0 : err_no_memory(err, 0, "an event loop");

    snprintf(url, sizeof url, "https://%.*s" CALLBACK_PATH, SERVER_URL_MAX - 16, place);
    if (rc == 0)
        rc = http_client_create_plain(base, HTTP_NAMES_REFUSED, &http, err);
    if (rc == 0)
        rc = entrance_trust(s->entrance, http, err);
    if (rc == 0)
        rc = start_call(s, base, http, url, err);
    if (rc == 0)
        event_base_dispatch(base);
    http_client_free(http);
    if (base)
        event_base_free(base);
    return rc;
}

int callback_create(struct server *s, struct callback **out, struct err *err)
{
    struct http_addrs addrs;
    struct http_url url;
    int fd, rc = http_url_parse(s->o.hive_url, &url, err);

    *out = NULL;
    if (rc == 0)
        rc = http_resolve(url.host, url.port, HTTP_NAMES_REFUSED, NULL, &addrs, err);
    if (rc) {
        err_prefix(err, "the hive's URL is not http(s)://ADDRESS:PORT");
        return ERR_INVALID;
    }
    if (url.tls)
        return say_over_tls(s, url.place, err);
    fd = link_to(&addrs);
    if (fd < 0)
        log_warn("the hive at %s was not told of this worker: %s", url.place, strerror(errno));
    else if (s->o.board_fd >= 0)
        say_once(s, url.place, fd);
    else
        return keep_link(s, url.place, fd, out, err);
    return 0;
}

void callback_free(struct callback *c)
{
    if (!c)
        return;
    http_answer_done(&c->answer);
    if (c->link)
        bufferevent_free(c->link);
    if (c->next)
        event_free(c->next);
    free(c->place);
    free(c);
}
