/*
 * net_raw.h - raw loopback sockets for the tests of src/net: bytes out, bytes in, nothing parsed.
 * Each read gives up after RAW_PATIENCE_MS, so that a wrong server fails a test and never hangs it.
 */
#ifndef RBEE_TESTS_NET_RAW_H
#define RBEE_TESTS_NET_RAW_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"

#define RAW_PATIENCE_MS 10000
#define RAW_TEXT_MAX    65536

/* A listening socket on 127.0.0.1 and a port the kernel picks. */
static inline int raw_listen(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static inline int raw_connect(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Sends what it can; a peer that has closed is no failure here. */
static inline void raw_send(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;

    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        p += sent;
        n -= (size_t)sent;
    }
}

static inline void raw_say(int fd, const char *text)
{
    raw_send(fd, text, strlen(text));
}

/* One read: bytes, 0 at the end (or a reset), -1 when nothing came in time. */
static inline ssize_t raw_read(int fd, void *dst, size_t n, int patience_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    ssize_t got;

    if (poll(&ready, 1, patience_ms) <= 0)
        return -1;
    got = recv(fd, dst, n, 0);
    return got < 0 ? 0 : got;
}

/* Everything until the other side ends; a text (cut at RAW_TEXT_MAX - 1), static. */
static inline const char *raw_hear_all(int fd)
{
    static char text[RAW_TEXT_MAX];
    size_t len = 0;
    ssize_t n = 1;

    while (len < sizeof text - 1 && n > 0) {
        n = raw_read(fd, text + len, sizeof text - 1 - len, RAW_PATIENCE_MS);
        if (n < 0)
            fail_msg("the other side neither spoke nor closed");
        len += (size_t)n;
    }
    text[len] = '\0';
    return text;
}

/* Reads until the text ends with `mark`; anything else fails. Static. */
static inline const char *raw_hear_until(int fd, const char *mark)
{
    static char text[RAW_TEXT_MAX];
    size_t len = 0;

    while (len < strlen(mark) || strcmp(text + len - strlen(mark), mark) != 0) {
        ssize_t n = raw_read(fd, text + len, 1, RAW_PATIENCE_MS);

        if (n <= 0 || len == sizeof text - 2) {
            text[len] = '\0';
            fail_msg("\"%s\" did not come, but: %s", mark, text);
        }
        len += (size_t)n;
        text[len] = '\0';
    }
    return text;
}

/* One answer with a Content-Length; the head stays in the text, `body` points behind it. */
static inline int raw_hear_reply(int fd, const char **body)
{
    static char text[RAW_TEXT_MAX];
    const char *head = raw_hear_until(fd, "\r\n\r\n"), *length;
    size_t n_head = strlen(head), n = 0;

    memcpy(text, head, n_head + 1);
    length = strcasestr(text, "\r\ncontent-length:");
    n = length ? strtoul(length + 17, NULL, 10) : 0;
    assert_true(n_head + n < sizeof text);
    for (size_t got = 0; got < n;) {
        ssize_t k = raw_read(fd, text + n_head + got, n - got, RAW_PATIENCE_MS);

        assert_true(k > 0);
        got += (size_t)k;
    }
    text[n_head + n] = '\0';
    if (body)
        *body = text + n_head;
    assert_memory_equal(text, "HTTP/1.1 ", 9);
    return (int)strtol(text + 9, NULL, 10);
}

/* Waits until cond is true, looking often; fails after RAW_PATIENCE_MS. */
#define RAW_WAIT(cond)                                                                             \
    do {                                                                                           \
        int64_t raw_until = clock_ms() + RAW_PATIENCE_MS;                                          \
        while (!(cond)) {                                                                          \
            if (clock_ms() > raw_until)                                                            \
                fail_msg("%s did not become true", #cond);                                         \
            clock_sleep_ms(1);                                                                     \
        }                                                                                          \
    } while (0)

#endif
