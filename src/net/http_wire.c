/*
 * http_wire.c - the bytes of a server's connection, plain or by TLS; see http_internal.h.
 *
 * A client that speaks plain HTTP to a port that wants TLS is told so, in plain HTTP: the first
 * byte of a TLS connection is always 22 (a handshake record, RFC 8446, section 5.1), that of a
 * request a letter.
 *
 * A session of OpenSSL's takes some 48 KiB until its handshake is done. So it is made only once the
 * first record of the client's is there whole: who sends it byte by byte costs what a socket does.
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/http_internal.h"
#include "net/tls.h"

#define RECORD_HEAD      5 /* type, version, length */
#define RECORD_HANDSHAKE 22
#define RECORD_MAX       16384

void http_wire_open(struct http_conn *c)
{
    const struct http_server_params *params = &c->server->params;

    c->unmet = params->tls != NULL;
}

static const struct tls *via(const struct http_conn *c)
{
    return c->server->params.tls;
}

static void tell_failed(struct http_conn *c, const char *why)
{
    const struct http_server_params *params = &c->server->params;

    if (params->tls_failed)
        params->tls_failed(params->arg, c->peer, why);
}

/* Bytes of the first record, from its head; of what begins none, those of the head. */
static size_t record_bytes(const unsigned char head[RECORD_HEAD])
{
    size_t n = (size_t)head[3] << 8 | head[4];

    return RECORD_HEAD + (head[0] == RECORD_HANDSHAKE && n <= RECORD_MAX ? n : 0);
}

/* The loop hears of the socket once it holds so many bytes, or no more will come. */
static void await_bytes(const struct http_conn *c, size_t n)
{
    int least = (int)n;

    setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
}

static bool has_ended(const struct http_conn *c)
{
    struct pollfd state = {.fd = c->fd, .events = POLLRDHUP};

    return poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static ssize_t refuse_plain(struct http_conn *c)
{
    static const struct http_fault plain = {400, HTTP_SPEAKS_HTTPS ": use https:// instead."};

    c->unmet = false;
    tell_failed(c, "plain http");
    http_reply_fault(c, &plain);
    errno = EAGAIN;
    return -1;
}

/* The first bytes are looked at, and left where they are: 1 when a session is there to take them,
 * else as recv. */
static ssize_t meet(struct http_conn *c)
{
    const unsigned char *head = (const unsigned char *)c->server->scratch;
    ssize_t got = recv(c->fd, c->server->scratch, RECORD_HEAD + RECORD_MAX, MSG_PEEK);
    size_t need = RECORD_HEAD;

    if (got <= 0)
        return got;
    if (head[0] < 0x80 && isalpha(head[0]))
        return refuse_plain(c);
    if (got >= RECORD_HEAD)
        need = record_bytes(head);
    if ((size_t)got < need) {
        if (has_ended(c)) {
            tell_failed(c, "broken off");
            return 0;
        }
        await_bytes(c, need);
        errno = EAGAIN;
        return -1;
    }
    await_bytes(c, 1);
    c->tls = via(c)->accept(c->server->params.tls_server, c->fd);
    c->unmet = false;
    errno = ENOMEM;
    return c->tls ? 1 : -1;
}

ssize_t http_wire_recv(struct http_conn *c, void *dst, size_t n)
{
    ssize_t got = c->unmet ? meet(c) : 1;

    if (got <= 0)
        return got;
    if (!c->tls)
        return recv(c->fd, dst, n, 0);
    got = via(c)->recv(c->tls, dst, n);
    if (got < 0 && errno == EAGAIN && via(c)->wants_write(c->tls))
        http_conn_await_room(c);
    else if (got < 0 && errno != EAGAIN && !via(c)->is_up(c->tls))
        tell_failed(c, via(c)->fault(c->tls));
    return got;
}

ssize_t http_wire_send(struct http_conn *c, const void *bytes, size_t n)
{
    return c->tls ? via(c)->send(c->tls, bytes, n) : send(c->fd, bytes, n, MSG_NOSIGNAL);
}

bool http_wire_has_pending(const struct http_conn *c)
{
    return c->tls && via(c)->has_pending(c->tls);
}

bool http_wire_wants_write(const struct http_conn *c)
{
    return c->tls && via(c)->wants_write(c->tls);
}

bool http_wire_is_up(const struct http_conn *c)
{
    return !c->unmet && (!c->tls || via(c)->is_up(c->tls));
}

void http_wire_shut(struct http_conn *c)
{
    if (c->tls)
        via(c)->shut(c->tls);
    shutdown(c->fd, SHUT_WR);
}

void http_wire_close(struct http_conn *c)
{
    if (c->tls)
        via(c)->session_free(c->tls);
    c->tls = NULL;
}
