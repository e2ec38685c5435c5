/*
 * http_plain_conn.c - the connections of the plain transport, as bufferevents.
 *
 * What comes is given to the call's answer at once; nothing is read while the call is paused, so at
 * most HTTP_CLIENT_BUFFER bytes wait here and the rest with the sender. A kept connection is read
 * too: whatever comes there, an end or bytes, closes it. A failure to write is not the end: the
 * answer (a refusal of a large body, say) may lie in the socket, and reading tells the end anyway.
 * A bufferevent may be freed in its own callbacks (libevent holds it until they return).
 */
#include "net/http_plain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/clock.h"
#include "base/str.h"
#include "version.h"

/* ---- keeping and closing ---- */

void http_plain_close(struct plain_conn *conn)
{
    if (!conn)
        return;
    if (conn->call)
        conn->call->conn = NULL;
    *conn->link = conn->next;
    if (conn->next)
        conn->next->link = conn->link;
    if (conn->bev)
        bufferevent_free(conn->bev);
    free(conn->place);
    free(conn);
}

/* Closes the one that waits longest when there are too many. */
static void drop_oldest(struct plain_client *c)
{
    struct plain_conn *oldest = NULL;
    unsigned n = 0;

    for (struct plain_conn *conn = c->conns; conn; conn = conn->next) {
        if (conn->call)
            continue;
        n++;
        if (!oldest || conn->idle_since_ms < oldest->idle_since_ms)
            oldest = conn;
    }
    if (n > PLAIN_IDLE_MAX)
        http_plain_close(oldest);
}

static void keep(struct plain_conn *conn)
{
    conn->call->conn = NULL;
    conn->call = NULL;
    conn->used_before = true;
    conn->idle_since_ms = clock_ms();
    bufferevent_enable(conn->bev, EV_READ); /* the call may have paused at its end */
    drop_oldest(conn->client);
}

/* Has the other side closed it, or said something unasked? */
static bool is_silent(const struct plain_conn *conn)
{
    char byte;
    ssize_t n = recv(bufferevent_getfd(conn->bev), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

struct plain_conn *http_plain_kept(struct plain_client *c, const char *place, int64_t idle_ms)
{
    int64_t now = clock_ms();

    for (struct plain_conn *conn = c->conns, *next; conn; conn = next) {
        next = conn->next;
        if (conn->call || strcmp(conn->place, place) != 0)
            continue;
        if (now - conn->idle_since_ms <= idle_ms && is_silent(conn))
            return conn;
        http_plain_close(conn);
    }
    return NULL;
}

/* ---- reading ---- */

/* The answer is whole: the connection is kept if nothing speaks against it. */
static void call_whole(struct plain_call *t)
{
    struct plain_conn *conn = t->conn;

    if (t->answer.keep_alive && evbuffer_get_length(bufferevent_get_input(conn->bev)) == 0 &&
        evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
        keep(conn);
    else
        http_plain_close(conn);
    http_call_ended(&t->call, 0, NULL);
}

/* Acts on what the answer said; true when there is more to give it. */
static bool act(struct plain_call *t, enum http_answer_step step)
{
    switch (step) {
    case ANSWER_MORE:
        return true;
    case ANSWER_PAUSED:
        bufferevent_disable(t->conn->bev, EV_READ);
        return false;
    case ANSWER_WHOLE:
        call_whole(t);
        return false;
    case ANSWER_HEAD_OVER:
        t->call.head_over = true;
        break;
    case ANSWER_NO_MEMORY:
        t->call.out_of_memory = true;
        break;
    case ANSWER_BAD:
        http_plain_failed(t, t->answer.fault);
        return false;
    case ANSWER_STOPPED:
        break;
    }
    http_plain_close(t->conn);
    http_call_ended(&t->call, 0, NULL); /* the reason is noted in the call */
    return false;
}

/* Gives the answer all that has come. */
static void give(struct plain_call *t)
{
    struct evbuffer *in = bufferevent_get_input(t->conn->bev);
    struct evbuffer_iovec piece;
    enum http_answer_step step = ANSWER_MORE;

    while (step == ANSWER_MORE && evbuffer_peek(in, -1, NULL, &piece, 1) > 0) {
        size_t used;

        t->heard = true;
        http_call_heard(&t->call);
        step = http_answer_put(&t->answer, piece.iov_base, piece.iov_len, &used);
        evbuffer_drain(in, used);
    }
    act(t, step);
}

void http_plain_read_on(struct plain_call *t)
{
    if (!act(t, http_answer_go_on(&t->answer)))
        return;
    bufferevent_enable(t->conn->bev, EV_READ);
    give(t);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct plain_conn *conn = arg;

    (void)bev;
    if (conn->call)
        give(conn->call);
    else
        http_plain_close(conn);
}

/* All that there was to send is with the kernel. An answer may take hours: its request's body is
 * not kept meanwhile, unless it may have to be sent once more. */
static void on_sent(struct bufferevent *bev, void *arg)
{
    struct plain_conn *conn = arg;

    if (conn->call && conn->connected && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        http_plain_sent(conn->call);
}

/* ---- time to connect ---- */

static void limit_connecting(struct plain_conn *conn, int64_t ms)
{
    struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

    conn->connect_by_ms = clock_ms() + ms;
    bufferevent_set_timeouts(conn->bev, conn->secure ? &limit : NULL, &limit);
}

void http_plain_stood_still(struct plain_client *c, int64_t ms)
{
    event_base_update_cache_time(c->c.base); /* or limits would count from before */
    for (struct plain_conn *conn = c->conns; conn; conn = conn->next) {
        int64_t left = conn->connect_by_ms + ms - clock_ms();

        if (conn->connected || !conn->call)
            continue;
        conn->call->connect_by_ms += ms;
        conn->used_before = true; /* by nobody, but a server does not wait for ever */
        limit_connecting(conn, left > 0 ? left : 1);
    }
}

static void on_event(struct bufferevent *bev, short what, void *arg);

/*
 * The socket is connected: another bufferevent takes it over, and says that it is connected when
 * the handshake is done. The request waits in it until then.
 */
static int begin_tls(struct plain_conn *conn, int64_t left, struct err *err)
{
    struct plain_client *c = conn->client;
    struct plain_call *t = conn->call;
    struct bufferevent *secure = c->tls->connect(c->trust, c->c.base, bufferevent_getfd(conn->bev),
                                                 t->url.host, http_plain_pin(t), err);

    if (!secure)
        return http_plain_no_memory(t, err);
    bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
    bufferevent_setfd(conn->bev, -1);
    bufferevent_free(conn->bev);
    conn->bev = secure;
    conn->secure = true;
    bufferevent_setcb(secure, on_read, on_sent, on_event, conn);
    bufferevent_set_max_single_read(secure, HTTP_CLIENT_BUFFER);
    limit_connecting(conn, left);
    bufferevent_enable(secure, EV_READ | EV_WRITE);
    return http_plain_send(t, conn) ? http_plain_no_memory(t, err) : 0;
}

/* The handshake has this address's share of all that is left, as somebody is there: who says
 * nothing in it leaves the others theirs. */
static void shake_hands(struct plain_conn *conn)
{
    const struct plain_call *t = conn->call;
    int64_t n_left = (int64_t)(t->way->addrs.n - t->way->n_tried) + 1;
    int64_t left = (t->connect_by_ms - clock_ms()) / n_left;
    struct err err = {0};
    int rc;

    if (left <= 0) {
        http_plain_next_address(conn->call, true, NULL);
        return;
    }
    rc = begin_tls(conn, left, &err);
    if (rc)
        http_plain_refused(conn->call, rc, &err);
}

static void on_connected(struct plain_conn *conn)
{
    if (conn->call && !conn->secure)
        http_call_connected(&conn->call->call);
    if (conn->call && conn->call->url.tls && !conn->secure) {
        shake_hands(conn);
        return;
    }
    conn->connected = true;
    if (conn->call) {
        http_call_sending(&conn->call->call);
        free(conn->call->way);
        conn->call->way = NULL;
    }
    http_plain_limit_taking(conn, PLAIN_LOST_MS);
    bufferevent_enable(conn->bev, EV_READ);
}

static void handshake_failed(struct plain_conn *conn)
{
    struct plain_call *t = conn->call;
    struct err err = {0};
    int rc = conn->client->tls->explain(conn->bev, t->url.place, &err);

    if (rc == ERR_UNREACHABLE)
        http_plain_next_address(t, false, err.text);
    else
        http_plain_refused(t, rc, &err);
}

/* A write has failed. With TLS libevent reads no more behind that: nothing would ever come. */
static void listen_on(struct plain_conn *conn)
{
    bufferevent_disable(conn->bev, EV_WRITE);
    if (!conn->call->call.paused) /* else go_on does */
        bufferevent_enable(conn->bev, EV_READ);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct plain_conn *conn = arg;
    const char *why = evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR());

    (void)bev;
    if (what & BEV_EVENT_CONNECTED)
        on_connected(conn);
    else if (conn->secure && !conn->connected && !(what & BEV_EVENT_TIMEOUT))
        handshake_failed(conn);
    else if (!conn->connected)
        http_plain_next_address(conn->call, (what & BEV_EVENT_TIMEOUT) != 0, why);
    else if (what & BEV_EVENT_TIMEOUT)
        http_plain_look_taken(conn);
    else if (!conn->call)
        http_plain_close(conn);
    else if (what & BEV_EVENT_EOF)
        act(conn->call, http_answer_end(&conn->call->answer));
    else if (what & BEV_EVENT_READING)
        http_plain_failed(conn->call, why);
    else if (conn->secure)
        listen_on(conn);
}

/* ---- connecting and sending ---- */

/* Owns the socket from here on, also when it fails. */
static struct plain_conn *conn_create(struct plain_client *c, const char *place, int fd)
{
    struct plain_conn *conn = calloc(1, sizeof *conn);

    if (!conn) {
        close(fd);
        return NULL;
    }
    conn->client = c;
    conn->next = c->conns;
    conn->link = &c->conns;
    if (conn->next)
        conn->next->link = &conn->next;
    c->conns = conn;
    conn->place = str_dup(place);
    conn->bev = bufferevent_socket_new(c->c.base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev)
        close(fd);
    if (conn->place && conn->bev)
        return conn;
    http_plain_close(conn);
    return NULL;
}

/* With TLS the request is put on the connection when there is one that can keep it secret. */
static int put_on(struct plain_call *t, struct plain_conn *conn)
{
    if (!t->url.tls)
        return http_plain_send(t, conn);
    conn->call = t;
    t->conn = conn;
    return 0;
}

int http_plain_connect(struct plain_call *t, size_t i, int64_t timeout_ms)
{
    int fd = http_plain_socket(&t->way->addrs.at[i], t->way->addrs.bytes[i]);
    struct plain_conn *conn;

    if (fd < 0)
        return -1;
    conn = conn_create((struct plain_client *)t->call.client, t->place, fd);
    if (conn) {
        bufferevent_setcb(conn->bev, on_read, on_sent, on_event, conn);
        bufferevent_set_max_single_read(conn->bev, HTTP_CLIENT_BUFFER);
        limit_connecting(conn, timeout_ms);
        /* No address: it is on its way, and on_event tells. */
        if (put_on(t, conn) == 0 && bufferevent_socket_connect(conn->bev, NULL, 0) == 0)
            return 0;
        http_plain_close(conn);
    }
    errno = ENOMEM;
    return -1;
}

/* The request's head. */
static int put_head(const struct plain_call *t, struct buf *head)
{
    const struct http_call *call = &t->call;
    bool names_itself = false;

    buf_printf(head, "%s %s%.*s HTTP/1.1\r\nHost: %s\r\n", call->method,
               t->url.target[0] == '/' ? "" : "/", t->url.target_bytes, t->url.target,
               t->url.place);
    for (char **h = call->given; *h; h++) {
        names_itself |= http_line_is(*h, "user-agent");
        buf_printf(head, "%s\r\n", *h);
    }
    if (!names_itself)
        buf_puts(head, "User-Agent: rbee/" RBEE_VERSION "\r\n");
    if (call->bearer)
        buf_printf(head, "Authorization: Bearer %s\r\n", call->bearer);
    if (call->sent || strcmp(call->method, "POST") == 0)
        buf_printf(head, "Content-Length: %zu\r\n", call->sent ? call->params.body_bytes : 0);
    return buf_puts(head, "\r\n");
}

int http_plain_send(struct plain_call *t, struct plain_conn *conn)
{
    struct evbuffer *out = bufferevent_get_output(conn->bev);
    struct buf head;
    int rc;

    buf_init(&head, PLAIN_REQUEST_MAX);
    rc = put_head(t, &head);
    if (rc == 0)
        rc = evbuffer_add(out, head.data, head.len);
    if (rc == 0 && t->call.sent && t->call.params.body_bytes)
        rc = evbuffer_add_reference(out, t->call.sent, t->call.params.body_bytes, NULL, NULL);
    buf_done(&head);
    conn->call = t;
    t->conn = conn;
    t->n_unsent = evbuffer_get_length(out);
    if (conn->connected) /* before: it was kept */
        http_plain_limit_taking(conn, PLAIN_LOST_MS);
    return rc;
}

bool http_plain_has_sent(struct plain_call *t)
{
    size_t n = t->conn ? evbuffer_get_length(bufferevent_get_output(t->conn->bev)) : t->n_unsent;
    bool has = n != t->n_unsent;

    t->n_unsent = n;
    return has;
}
