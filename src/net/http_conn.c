/*
 * http_conn.c - one connection: its socket, its phases, its time limits.
 *
 * Plain events and send/recv: an answer leaves in the same turn of the loop when the kernel takes
 * it. The socket is read in every phase, so that a client that leaves is noticed: while a request
 * waits, up to HTTP_READ_AHEAD_MAX bytes of the next ones are kept; past that reading rests, and
 * the socket is asked now and then whether its other end is closed. A client that shuts its sending
 * side while its request waits counts as one that left.
 *
 * Everything runs in the loop's thread. Sends carry MSG_NOSIGNAL: SIGPIPE never comes of them.
 */
#include "net/http_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/str.h"
#include "net/tls.h"

#define KEY_PHASES  8           /* > the number of phases */
#define PUSHED_KEPT (16u << 10) /* bytes of memory for sending by TLS that a connection keeps */
#define FLUSH_BYTES (1u << 20)  /* sent in one go */
#define MANY        256         /* connections whose memory is worth giving back */

static struct timeval to_timeval(int64_t ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

static bool is_passing(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* ---- time and reading: set right at the end of each turn ---- */

static int64_t patience_ms(const struct http_conn *c)
{
    const struct http_limits *limits = &c->server->params.limits;

    switch (c->phase) {
    case PHASE_IDLE:
        if (http_conn_unsent(c) > 0) /* the write event's own time limit rules */
            return 0;
        return c->n_requests ? limits->idle_timeout_ms : limits->head_timeout_ms;
    case PHASE_HEAD:
        return limits->head_timeout_ms;
    case PHASE_BODY:
        return limits->body_timeout_ms;
    case PHASE_HANDLER:
        return c->reading ? 0 : HTTP_GONE_CHECK_MS;
    case PHASE_CLOSING: /* the same */
        return 0;
    case PHASE_LINGER:
        return HTTP_LINGER_MS;
    }
    return 0;
}

/*
 * Starts the timer once per phase and request, again when all is sent, and in the handler's phase
 * when reading rests: bytes that trickle in must not extend it.
 */
static void conn_arm(struct http_conn *c)
{
    bool rests = c->phase == PHASE_HANDLER && !c->reading;
    uint64_t key =
        (c->n_requests * KEY_PHASES + c->phase) * 4 + rests * 2 + (http_conn_unsent(c) == 0);
    int64_t ms = patience_ms(c);
    struct timeval tv = to_timeval(ms);

    if (key == c->armed)
        return;
    c->armed = key;
    c->due_ms = clock_ms() + ms;
    if (ms > 0)
        event_add(c->ev_timer, &tv);
    else
        event_del(c->ev_timer);
}

/* For as long as the loop stood still nobody was listened to: that long the client has more, and
 * at most once its time. */
static bool has_more_time(struct http_conn *c)
{
    int64_t late = clock_late_ms(c->due_ms), most = patience_ms(c);
    int64_t more = late < most ? late : most;
    struct timeval tv = to_timeval(more);

    if (late == 0)
        return false;
    c->due_ms = clock_ms() + more;
    return event_add(c->ev_timer, &tv) == 0;
}

/* So many bytes may be read. While a handler works they only tell that somebody is there; closing,
 * all is dropped. */
static size_t room_ahead(const struct http_conn *c)
{
    size_t most = c->phase == PHASE_HANDLER ? HTTP_READ_BUSY_MAX : HTTP_READ_AHEAD_MAX;

    if (c->phase >= PHASE_CLOSING)
        return HTTP_READ_AHEAD_MAX;
    return c->in.len < most ? most - c->in.len : 0;
}

/* Where TLS has to write before it reads on, bytes that lie in the socket are no news: on_write
 * goes on with them. */
static void conn_watch(struct http_conn *c)
{
    bool want = !c->ended && !http_wire_wants_write(c) && room_ahead(c) > 0;

    if (want == c->reading)
        return;
    c->reading = want;
    if (want)
        event_add(c->ev_read, NULL);
    else
        event_del(c->ev_read);
}

/* The end of every callback of the loop; `c` may be gone behind it. */
static void conn_settle(struct http_conn *c)
{
    if (c->broken || (c->server->draining && http_conn_is_idle(c))) {
        http_conn_destroy(c);
        return;
    }
    conn_watch(c);
    conn_arm(c);
    if (c->reading && http_wire_has_pending(c))
        event_active(c->ev_read, EV_READ, 1);
}

void http_conn_break(struct http_conn *c)
{
    c->broken = true;
    event_active(c->ev_later, EV_TIMEOUT, 1);
}

void http_conn_cut_slow(struct http_conn *c)
{
    const struct http_limits *limits = &c->server->params.limits;

    if (c->broken)
        return;
    c->server->n_slow++;
    log_warn("%s reads too slowly and is cut off: %zu bytes wait for it; the limits are %zu bytes, "
             "and %g s without taking any",
             c->peer, http_conn_unsent(c), limits->stream_pending_max,
             (double)limits->write_timeout_ms / 1000);
    http_conn_break(c);
}

/* ---- sending ---- */

size_t http_conn_unsent(const struct http_conn *c)
{
    return c->out.len - c->out_sent;
}

static void start_linger(struct http_conn *c)
{
    http_wire_shut(c);
    c->phase = PHASE_LINGER;
    if (c->ended)
        http_conn_break(c);
}

/* Whoever makes the stream may go on. */
static void tell_drained(struct http_conn *c)
{
    struct http_exchange *x = c->x;
    void (*drained)(struct http_exchange * x, void *arg) = x ? x->drained : NULL;

    if (!drained || c->phase != PHASE_HANDLER)
        return;
    x->drained = NULL;
    drained(x, x->drained_arg);
}

/* The kernel has everything: the memory goes, and what waited for it goes on. */
static void conn_drained(struct http_conn *c)
{
    event_del(c->ev_write);
    buf_done(&c->out);
    c->out_sent = 0;
    if (c->phase == PHASE_CLOSING)
        start_linger(c);
    else
        http_take_ahead(c);
    tell_drained(c);
}

/* A client that reads as fast as we write would have the loop for all of a large answer: the event
 * comes again. */
static void conn_flush(struct http_conn *c)
{
    size_t until = c->out_sent + FLUSH_BYTES;

    while (c->out_sent < c->out.len) {
        ssize_t n;

        if (c->out_sent >= until)
            return;
        n = http_wire_send(c, c->out.data + c->out_sent, c->out.len - c->out_sent);

        if (n < 0) {
            if (!is_passing(errno))
                c->broken = true;
            return;
        }
        c->out_sent += (size_t)n;
    }
    conn_drained(c);
}

/* Hands the kernel what it takes at once; returns how many bytes that were. */
static size_t send_now(struct http_conn *c, struct iovec *iov, int n_iov)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n_iov};
    ssize_t n;

    if (c->tls || http_conn_unsent(c) > 0)
        return 0;
    n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
    if (n < 0 && !is_passing(errno))
        http_conn_break(c);
    return n < 0 ? 0 : (size_t)n;
}

/* By TLS: what was put into `out` in one piece, so that it becomes one record. */
static void push(struct http_conn *c)
{
    while (c->out_sent < c->out.len) {
        ssize_t n = http_wire_send(c, c->out.data + c->out_sent, http_conn_unsent(c));

        if (n < 0) {
            if (!is_passing(errno))
                http_conn_break(c);
            return;
        }
        c->out_sent += (size_t)n;
    }
    if (c->out.cap > PUSHED_KEPT)
        buf_done(&c->out);
    else
        buf_clear(&c->out);
    c->out_sent = 0;
}

void http_conn_await_room(struct http_conn *c)
{
    int64_t patience = c->server->params.limits.write_timeout_ms;
    struct timeval tv = to_timeval(patience);

    if (!event_pending(c->ev_write, EV_WRITE, NULL))
        event_add(c->ev_write, patience > 0 ? &tv : NULL);
}

void http_conn_send(struct http_conn *c, struct iovec *iov, int n_iov)
{
    size_t sent;

    if (c->broken)
        return;
    sent = send_now(c, iov, n_iov);
    if (c->out_sent > c->out.len / 2) {
        buf_drop(&c->out, c->out_sent);
        c->out_sent = 0;
    }
    for (int i = 0; i < n_iov; i++) {
        size_t skip = sent < iov[i].iov_len ? sent : iov[i].iov_len;

        sent -= skip;
        if (skip == iov[i].iov_len) /* not even an empty buffer is kept */
            continue;
        if (buf_put(&c->out, (const char *)iov[i].iov_base + skip, iov[i].iov_len - skip)) {
            http_conn_break(c);
            return;
        }
    }
    if (c->tls && !event_pending(c->ev_write, EV_WRITE, NULL))
        push(c);
    if (http_conn_unsent(c) > 0)
        http_conn_await_room(c);
}

void http_conn_answered(struct http_conn *c)
{
    http_take_end(c);
    if (c->broken)
        return;
    if (c->keep_alive) {
        c->phase = PHASE_IDLE;
        if (!c->parsing)
            event_active(c->ev_later, EV_TIMEOUT, 1);
    } else {
        c->phase = PHASE_CLOSING;
        if (http_conn_unsent(c) == 0)
            start_linger(c);
    }
    if (!c->parsing) {
        conn_watch(c);
        conn_arm(c);
    }
}

/* ---- the loop's callbacks ---- */

/* The client has shut its sending side. */
static void conn_ended(struct http_conn *c)
{
    c->ended = true;
    if (c->phase == PHASE_IDLE && http_conn_unsent(c) > 0)
        c->phase = PHASE_CLOSING;
    else if (c->phase != PHASE_CLOSING)
        c->broken = true;
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
    struct http_conn *c = arg;
    char *scratch = c->server->scratch;
    size_t room = room_ahead(c);
    ssize_t n;

    (void)fd, (void)what;
    if (room == 0 && !c->broken) { /* what waits is to be taken first */
        conn_settle(c);
        return;
    }
    n = c->broken ? 0 : http_wire_recv(c, scratch, room);
    if (n > 0 && c->phase < PHASE_CLOSING)
        http_take_bytes(c, scratch, (size_t)n);
    else if (n == 0)
        conn_ended(c);
    else if (n < 0 && !is_passing(errno))
        c->broken = true;
    conn_settle(c);
}

/* Where this process itself stood still the time is over, and yet the client has room. */
static bool has_taken(const struct http_conn *c, size_t unsent_before)
{
    struct pollfd state = {.fd = c->fd, .events = POLLOUT};

    return unsent_before ? http_conn_unsent(c) != unsent_before : poll(&state, 1, 0) > 0;
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
    struct http_conn *c = arg;
    size_t before = http_conn_unsent(c);

    (void)fd;
    if (!c->broken)
        conn_flush(c);
    if ((what & EV_TIMEOUT) && !c->broken && !has_taken(c, before))
        http_conn_cut_slow(c);
    if (!c->broken && http_wire_wants_write(c))
        event_active(c->ev_read, EV_READ, 1);
    conn_settle(c);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct http_conn *c = arg;

    (void)fd, (void)what;
    if (!c->broken)
        http_take_ahead(c);
    conn_settle(c);
}

static void conn_late(struct http_conn *c)
{
    static const struct http_fault late = {408, "The request did not arrive whole in time."};
    struct pollfd state = {.fd = c->fd, .events = POLLRDHUP};

    if (!http_wire_is_up(c)) { /* nothing can be said yet */
        c->broken = true;
        return;
    }
    switch (c->phase) {
    case PHASE_HEAD:
    case PHASE_BODY:
        http_reply_fault(c, &late);
        break;
    case PHASE_HANDLER:
        if (poll(&state, 1, 0) > 0)
            c->broken = true;
        break;
    default:
        c->broken = true;
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct http_conn *c = arg;

    (void)fd, (void)what;
    if (!c->broken && has_more_time(c))
        return;
    c->armed = 0;
    if (!c->broken)
        conn_late(c);
    conn_settle(c);
}

/* ---- life ---- */

static int conn_make_events(struct http_conn *c)
{
    struct event_base *base = c->server->params.base;

    c->ev_read = event_new(base, c->fd, EV_READ | EV_PERSIST, on_read, c);
    c->ev_write = event_new(base, c->fd, EV_WRITE | EV_PERSIST, on_write, c);
    c->ev_timer = evtimer_new(base, on_timer, c);
    c->ev_later = evtimer_new(base, on_later, c);
    return c->ev_read && c->ev_write && c->ev_timer && c->ev_later ? 0 : -1;
}

void http_conn_open(struct http_server *s, int fd, const char *peer, uint64_t place, bool refused)
{
    static const struct http_fault full = {503, "The server has all the connections it may have."};
    struct http_conn *c = calloc(1, sizeof *c);

    if (!c) {
        close(fd);
        return;
    }
    c->server = s;
    c->fd = fd;
    c->refused = refused;
    c->place = place;
    str_copy(c->peer, sizeof c->peer, peer);
    buf_init(&c->in, HTTP_READ_AHEAD_MAX);
    buf_init(&c->out, HTTP_UNSENT_MAX);
    c->next = s->conns;
    c->link = &s->conns;
    if (c->next)
        c->next->link = &c->next;
    s->conns = c;
    s->n_conns++;
    s->n_most = s->n_conns > s->n_most ? s->n_conns : s->n_most;
    s->n_refused += refused;
    http_wire_open(c);
    if (conn_make_events(c) || (refused && c->unmet))
        c->broken = true;
    else if (refused)
        http_reply_fault(c, &full);
    conn_settle(c);
}

static void event_drop(struct event *ev)
{
    if (ev)
        event_free(ev);
}

/* What thousands of connections took goes back when most of them are over. */
static void give_back(struct http_server *s)
{
    if (s->n_most < MANY || s->n_conns > s->n_most / 32)
        return;
    s->n_most = s->n_conns;
    heap_give_back();
}

void http_conn_destroy(struct http_conn *c)
{
    struct http_exchange *x = c->x;

    c->broken = true;
    if (x && x->gone && c->phase == PHASE_HANDLER)
        x->gone(x, x->gone_arg);
    http_take_end(c);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    c->server->n_conns--;
    give_back(c->server);
    c->server->n_refused -= c->refused;
    event_drop(c->ev_read);
    event_drop(c->ev_write);
    event_drop(c->ev_timer);
    event_drop(c->ev_later);
    http_wire_close(c);
    close(c->fd);
    http_take_drop_ahead(c);
    buf_done(&c->out);
    free(c);
}

bool http_conn_is_idle(const struct http_conn *c)
{
    return c->phase == PHASE_IDLE && c->n_requests > 0 && c->in.len == 0 &&
           http_conn_unsent(c) == 0;
}
