/*
 * http_plain_lost.c - the sockets of the plain transport, and how it notices that a server is gone
 * without a word: a cable was pulled, a machine lost its power.
 *
 * Keepalive asks for a silent server while nothing is on its way there. What is, as a request when
 * the cable is pulled, the kernel sends anew for a quarter of an hour; with TCP_USER_TIMEOUT it
 * gives up after so long. It counts a server that is there and reads nothing, too: therefore that
 * is longer than a hive is patient with a worker that was stopped. And it has keepalive ask for as
 * long (tcp(7)): therefore it is taken back once the server has taken all.
 */
#include "net/http_plain.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

int http_plain_socket(const struct sockaddr_storage *at, socklen_t bytes)
{
    static const int yes = 1, idle_s = PLAIN_DEAD_IDLE_S, between_s = PLAIN_DEAD_BETWEEN_S,
                     n_asks = PLAIN_DEAD_ASKS;
    int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), why;

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof between_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &n_asks, sizeof n_asks);
    if (connect(fd, (const struct sockaddr *)at, bytes) == 0 || errno == EINPROGRESS)
        return fd;
    why = errno;
    close(fd);
    errno = why;
    return -1;
}

void http_plain_limit_taking(struct plain_conn *conn, int lost_ms)
{
    static const struct timeval look = {.tv_sec = PLAIN_TAKEN_LOOK_S};

    setsockopt(bufferevent_getfd(conn->bev), IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_ms,
               sizeof lost_ms);
    bufferevent_set_timeouts(conn->bev, lost_ms ? &look : NULL, NULL);
}

void http_plain_look_taken(struct plain_conn *conn)
{
    int n_left = 1;

    if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0 &&
        ioctl(bufferevent_getfd(conn->bev), SIOCOUTQ, &n_left) == 0 && n_left == 0)
        http_plain_limit_taking(conn, 0);
    if (!conn->call || !conn->call->call.paused)
        bufferevent_enable(conn->bev, EV_READ); /* which a time limit ends */
}
