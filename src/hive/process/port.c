/* port.c - see port.h. No state. */
#include "hive/process/port.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static void set_port(struct addrinfo *ai, uint16_t port)
{
    if (ai->ai_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)ai->ai_addr)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)(void *)ai->ai_addr)->sin_port = htons(port);
}

/* The socket, or -1 with errno. EADDRINUSE may come from listen, too: several sockets with
 * SO_REUSEADDR can be bound to one port as long as none of them listens. */
static int try_port(const struct addrinfo *ai)
{
    int on = 1, off = 0, fd, error;

    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, PORT_BACKLOG) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

int port_listen(const char *host, uint16_t first, int *fd, uint16_t *port, struct err *err)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *ai;
    int rc;

    if (getaddrinfo(host, NULL, &hints, &ai) != 0)
        return err_set(err, ERR_INVALID, "'%.80s' is not a numeric address", host);
    for (uint32_t p = first;; p++) {
        if (p > UINT16_MAX) {
            rc = err_set(err, ERR_BUSY, "no port from %u to 65535 is free at %s", first, host);
            break;
        }
        set_port(ai, (uint16_t)p);
        *fd = try_port(ai);
        if (*fd >= 0) {
            *port = (uint16_t)p;
            rc = 0;
            break;
        }
        if (errno != EADDRINUSE) {
            rc = err_errno(err, errno == EACCES ? ERR_DENIED : ERR_IO, errno,
                           "cannot listen at %s port %u", host, p);
            break;
        }
    }
    freeaddrinfo(ai);
    return rc;
}

bool port_is_here(const char *host)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *ai;
    bool here = true;
    int fd;

    if (getaddrinfo(host, NULL, &hints, &ai) != 0)
        return false; /* its link is gone: fe80::1%eth0 */
    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        here = errno != EAFNOSUPPORT;
    else if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0)
        here = errno != EADDRNOTAVAIL && errno != ENODEV;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(ai);
    return here;
}
