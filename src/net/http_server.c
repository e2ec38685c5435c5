/*
 * http_server.c - the listening socket, and what all connections share.
 *
 * TCP_NODELAY is set on the listening socket, Linux hands it on. When descriptors or memory run
 * short, accepting rests a moment: the clients wait in the backlog meanwhile.
 */
#include "net/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/str.h"

/* Half of the descriptors at most: places would else never be all taken, and then nobody makes room
 * (http_place.c) but everybody waits in the backlog; nor would any be left for the program's work.
 */
static uint32_t connections_max(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur / 2 >= HTTP_CONNECTIONS_MAX)
        return HTTP_CONNECTIONS_MAX;
    return (uint32_t)(files.rlim_cur / 2);
}

struct http_limits http_limits_default(void)
{
    return (struct http_limits){
        .body_max = 16u << 20,
        .bodies_max = 256u << 20,
        .connections_max = connections_max(),
        .head_timeout_ms = HTTP_HEAD_TIMEOUT_MS,
        .body_timeout_ms = HTTP_BODY_TIMEOUT_MS,
        .idle_timeout_ms = 75000,
        .write_timeout_ms = HTTP_WRITE_TIMEOUT_MS,
        .stream_pending_max = 1u << 20,
    };
}

const char *http_server_date(struct http_server *s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t now = clock_unix_ms() / 1000;
    time_t seconds = (time_t)now;
    struct tm tm;

    if (now == s->date_at)
        return s->date;
    gmtime_r(&seconds, &tm);
    snprintf(s->date, sizeof s->date, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
             days + 3 * tm.tm_wday, (unsigned)tm.tm_mday % 100, months + 3 * tm.tm_mon,
             ((unsigned)tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
             (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
    s->date_at = now;
    return s->date;
}

/* ---- accepting ---- */

static void peer_text(const struct sockaddr_storage *from, char dst[HTTP_PEER_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (from->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, from, sizeof in6);
        inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host);
        snprintf(dst, HTTP_PEER_BYTES, "[%s]:%u", host, ntohs(in6.sin6_port));
    } else if (from->ss_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, from, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
        snprintf(dst, HTTP_PEER_BYTES, "%s:%u", host, ntohs(in.sin_port));
    } else {
        snprintf(dst, HTTP_PEER_BYTES, "local");
    }
}

static void rest(struct http_server *s)
{
    const struct timeval a_while = {.tv_usec = HTTP_ACCEPT_REST_MS * 1000};

    event_add(s->ev_rest, &a_while); /* a timer asks the kernel for nothing */
}

/* What was short may be so still: epoll takes the socket back only where there is memory for it. */
static void on_rested(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *s = arg;

    (void)fd, (void)what;
    if (!s->draining && event_add(s->ev_accept, NULL))
        rest(s);
}

/* Takes one connection; false when none waits, or accepting has to rest. */
static bool accept_one(struct http_server *s)
{
    struct sockaddr_storage from = {0};
    socklen_t n = sizeof from;
    int fd = accept4(s->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    char peer[HTTP_PEER_BYTES];
    uint64_t place;
    bool full;

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            event_del(s->ev_accept);
            rest(s);
            return false;
        }
        return errno == ECONNABORTED || errno == EINTR;
    }
    place = http_place_of(&from);
    full =
        s->n_conns - s->n_refused >= s->params.limits.connections_max && !http_place_make(s, place);
    if (full && s->n_refused >= HTTP_REFUSED_MAX) {
        close(fd);
        return true;
    }
    peer_text(&from, peer);
    http_conn_open(s, fd, peer, place, full);
    return true;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    for (int i = 0; i < HTTP_ACCEPTS_MAX; i++)
        if (!accept_one(arg))
            return;
}

/* ---- listening ---- */

static int parse_address(const char *address, uint16_t port, struct sockaddr_storage *out,
                         socklen_t *n, struct err *err)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    memset(out, 0, sizeof *out);
    if (address && inet_pton(AF_INET, address, &in.sin_addr) == 1) {
        memcpy(out, &in, sizeof in);
        *n = sizeof in;
    } else if (address && inet_pton(AF_INET6, address, &in6.sin6_addr) == 1) {
        memcpy(out, &in6, sizeof in6);
        *n = sizeof in6;
    } else {
        return err_set(err, ERR_INVALID, "\"%s\" is not an IPv4 or IPv6 address",
                       address ? address : "");
    }
    return 0;
}

static int bind_error(int error, const char *address, uint16_t port, struct err *err)
{
    enum err_code code = ERR_IO;

    if (error == EADDRINUSE)
        return err_set(err, ERR_BUSY, "port %u of %s is taken by another program", port, address);
    if (error == EACCES || error == EPERM)
        code = ERR_DENIED;
    return err_errno(err, code, error, "cannot listen on %s port %u", address, port);
}

/* A new socket bound to the address; the caller's to close. */
static int bind_socket(const struct http_server_params *params, int *out, struct err *err)
{
    struct sockaddr_storage to;
    socklen_t n = 0;
    int one = 1, off = 0, fd, rc = parse_address(params->address, params->port, &to, &n, err);

    if (rc)
        return rc;
    fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "cannot make a socket for %s", params->address);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (to.ss_family == AF_INET6) /* "::" is every address, whatever net.ipv6.bindv6only says */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, (struct sockaddr *)&to, n) == 0) {
        *out = fd;
        return 0;
    }
    rc = bind_error(errno, params->address, params->port, err);
    close(fd);
    return rc;
}

static int read_port(int fd, uint16_t *out, struct err *err)
{
    struct sockaddr_storage at = {0};
    struct sockaddr_in in;
    socklen_t n = sizeof at;

    if (getsockname(fd, (struct sockaddr *)&at, &n))
        return err_errno(err, ERR_IO, errno, "cannot ask descriptor %d for its address", fd);
    if (at.ss_family != AF_INET && at.ss_family != AF_INET6)
        return err_set(err, ERR_INVALID, "descriptor %d is not a TCP socket", fd);
    memcpy(&in, &at, sizeof in); /* the port sits at the same place in both families */
    *out = ntohs(in.sin_port);
    return 0;
}

/*
 * How long a client may leave unanswered what it was sent. The kernel counts a client that is there
 * and reads nothing, too; that one has write_timeout_ms, and the loop says so when it is over: the
 * kernel comes behind it. 0: as long as the kernel does by itself.
 */
static int lost_ms(const struct http_limits *limits)
{
    int64_t dead_ms = 1000 * (HTTP_DEAD_IDLE_S + HTTP_DEAD_BETWEEN_S * HTTP_DEAD_ASKS),
            slow_ms = limits->write_timeout_ms;

    if (slow_ms <= 0 || slow_ms > INT_MAX - HTTP_LOST_BEHIND_MS)
        return 0;
    slow_ms += HTTP_LOST_BEHIND_MS;
    return (int)(slow_ms > dead_ms ? slow_ms : dead_ms);
}

/*
 * A client whose cable was pulled says nothing, ever: the kernel asks for it, and gives up what it
 * was sent. With TCP_USER_TIMEOUT that decides how long it is asked, too. Connections inherit this
 * of the listening socket.
 */
static void notice_dead_peers(int fd, const struct http_limits *limits)
{
    int one = 1, idle_s = HTTP_DEAD_IDLE_S, between_s = HTTP_DEAD_BETWEEN_S, n = HTTP_DEAD_ASKS,
        lost = lost_ms(limits);

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof between_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &n, sizeof n);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost, sizeof lost);
}

static int start_listening(struct http_server *s, int fd, struct err *err)
{
    int one = 1, flags = fcntl(fd, F_GETFL), rc;

    if (flags < 0)
        return err_errno(err, ERR_INVALID, errno, "descriptor %d cannot be listened on", fd);
    rc = read_port(fd, &s->port, err);
    if (rc)
        return rc;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    notice_dead_peers(fd, &s->params.limits);
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
        return err_errno(err, ERR_IO, errno, "cannot set up descriptor %d", fd);
    if (listen(fd, HTTP_BACKLOG))
        return bind_error(errno, s->params.address ? s->params.address : "an inherited socket",
                          s->port, err);
    s->ev_accept = event_new(s->params.base, fd, EV_READ | EV_PERSIST, on_accept, s);
    s->ev_rest = evtimer_new(s->params.base, on_rested, s);
    if (!s->ev_accept || !s->ev_rest || event_add(s->ev_accept, NULL))
        return err_no_memory(err, 0, "the listening socket's events");
    s->fd = fd;
    return 0;
}

/* ---- life ---- */

int http_server_create(const struct http_server_params *params, struct http_server **out,
                       struct err *err)
{
    struct http_server *s = calloc(1, sizeof *s);
    int fd = params->listen_fd, rc;

    if (!s)
        return err_no_memory(err, sizeof *s, "an HTTP server");
    s->params = *params;
    s->fd = -1;
    s->name = str_dup(params->name ? params->name : "rbee");
    rc = s->name ? 0 : err_no_memory(err, strlen(params->name), "the server's name");
    if (rc == 0 && params->listen_fd <= 0)
        rc = bind_socket(params, &fd, err);
    if (rc == 0) {
        rc = start_listening(s, fd, err);
        if (rc && params->listen_fd <= 0)
            close(fd);
    }
    if (rc) {
        http_server_free(s);
        return rc;
    }
    s->params.address = s->params.name = NULL; /* the caller's texts need not live on */
    *out = s;
    return 0;
}

static void stop_accepting(struct http_server *s)
{
    if (s->ev_accept)
        event_free(s->ev_accept);
    if (s->ev_rest)
        event_free(s->ev_rest);
    s->ev_accept = s->ev_rest = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void http_server_renew_tls(struct http_server *s, struct tls_server *tls_server)
{
    s->params.tls_server = tls_server;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    stop_accepting(s);
    while (s->conns)
        http_conn_destroy(s->conns);
    free(s->name);
    free(s);
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_server_drain(struct http_server *s)
{
    struct http_conn *c, *next;

    if (s->draining)
        return;
    for (int i = 0; i < HTTP_BACKLOG && accept_one(s); i++)
        ; /* who is in the backlog was promised an answer */
    s->draining = true;
    stop_accepting(s);
    for (c = s->conns; c; c = next) {
        next = c->next; /* breaking a connection runs nothing of it now */
        if (http_conn_is_idle(c))
            http_conn_break(c);
    }
}

uint64_t http_server_n_slow(const struct http_server *s)
{
    return s->n_slow;
}

uint32_t http_server_n_active(const struct http_server *s)
{
    uint32_t n = 0;

    for (const struct http_conn *c = s->conns; c; c = c->next)
        n += !c->broken && !c->refused && (c->phase == PHASE_HANDLER || http_conn_unsent(c) > 0);
    return n;
}

uint32_t http_server_n_handled(const struct http_server *s)
{
    uint32_t n = 0;

    for (const struct http_conn *c = s->conns; c; c = c->next)
        n += !c->broken && !c->refused && c->phase == PHASE_HANDLER;
    return n;
}

/* The kernel takes up to megabytes, and more only once a third of that has gone: by what is kept
 * here alone, who reads 200 KB a second would seem to have stopped. */
static uint64_t unsent_of(const struct http_conn *c)
{
    int n_kernel = 0;

    if (ioctl(c->fd, SIOCOUTQ, &n_kernel) != 0)
        n_kernel = 0;
    return http_conn_unsent(c) + (uint64_t)n_kernel;
}

uint64_t http_server_n_unsent(const struct http_server *s)
{
    uint64_t n = 0;

    for (const struct http_conn *c = s->conns; c; c = c->next)
        n += c->broken || c->refused ? 0 : unsent_of(c);
    return n;
}
