/*
 * http_wire.c - the bytes of a server's connection, plain or by TLS; see http_internal.h.
 *
 * A client that speaks plain HTTP to a port that wants TLS is told so, in plain HTTP: the first
 * byte of a TLS connection is always 22 (a handshake record, RFC 8446, section 5.1), that of a
 * request a letter.
 */
#include <ctype.h>
#include <errno.h>
#include <sys/socket.h>

#include "net/http_internal.h"
#include "net/tls.h"

int http_wire_open(struct http_conn *c)
{
    const struct http_server_params *params = &c->server->params;

    if (!params->tls)
        return 0;
    c->tls = params->tls->accept(params->tls_server, c->fd);
    return c->tls ? 0 : -1;
}

static const struct tls *via(const struct http_conn *c)
{
    return c->server->params.tls;
}

static void drop_tls(struct http_conn *c)
{
    via(c)->session_free(c->tls);
    c->tls = NULL;
}

static void tell_failed(struct http_conn *c, const char *why)
{
    const struct http_server_params *params = &c->server->params;

    if (params->tls_failed)
        params->tls_failed(params->arg, c->peer, why);
}

/* The first byte is there: true when it begins a request instead of a handshake. */
static bool speaks_plain(struct http_conn *c)
{
    unsigned char first;

    if (c->greeted)
        return false;
    if (recv(c->fd, &first, 1, MSG_PEEK) != 1)
        return false;
    c->greeted = true;
    return first < 0x80 && isalpha(first);
}

ssize_t http_wire_recv(struct http_conn *c, void *dst, size_t n)
{
    static const struct http_fault plain = {400, HTTP_SPEAKS_HTTPS ": use https:// instead."};
    ssize_t got;

    if (!c->tls)
        return recv(c->fd, dst, n, 0);
    if (speaks_plain(c)) {
        tell_failed(c, "plain http");
        drop_tls(c);
        http_reply_fault(c, &plain);
        errno = EAGAIN;
        return -1;
    }
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
    return !c->tls || via(c)->is_up(c->tls);
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
        drop_tls(c);
}
