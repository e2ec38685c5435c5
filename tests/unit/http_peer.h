/*
 * http_peer.h - for the tests of the HTTP client: a small raw server in a thread, each connection's
 * request noted and answered by the next entry of a script, byte for byte; and a loop with a client
 * that notes what a call told.
 */
#ifndef RBEE_TESTS_HTTP_PEER_H
#define RBEE_TESTS_HTTP_PEER_H

#include "net_raw.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include <event2/event.h>

#include "base/str.h"
#include "net/http_client.h"

enum after { CLOSE, HOLD, RESET, KEEP };

struct line {
    const char *answer; /* "$P" stands for the other peer's port */
    enum after after;
    int pause_ms; /* between the answer's bytes; 0 = all at once */
};

#define PEER_LINES 16
struct peer {
    int fd;
    uint16_t port, other;
    pthread_t thread;
    const struct line *script;
    size_t n;
    atomic_size_t n_seen;
    atomic_bool stop;
    char seen[PEER_LINES][4096];
};

/* A whole request: head, and body by its Content-Length. False when the client closed. */
static inline bool peer_hear(int fd, char *dst, size_t size)
{
    size_t len = 0, want = 0;

    while (!want || len < want) {
        ssize_t n = raw_read(fd, dst + len, size - 1 - len, RAW_PATIENCE_MS);
        char *end, *length;

        if (n <= 0)
            return false;
        len += (size_t)n;
        dst[len] = '\0';
        end = strstr(dst, "\r\n\r\n");
        length = strcasestr(dst, "\r\ncontent-length:");
        if (end)
            want = (size_t)(end + 4 - dst) + (length ? strtoul(length + 17, NULL, 10) : 0);
    }
    return true;
}

static inline void peer_say(const struct peer *peer, int fd, const struct line *line)
{
    for (const char *p = line->answer; *p; p++) {
        char port[16];

        if (p[0] == '$' && p[1] == 'P') {
            snprintf(port, sizeof port, "%u", peer->other);
            raw_say(fd, port);
            p++;
        } else {
            raw_send(fd, p, 1);
        }
        if (line->pause_ms)
            clock_sleep_ms(line->pause_ms);
    }
}

static inline void peer_end(struct peer *peer, int fd, enum after after)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    char byte;

    if (after == RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    while (after == HOLD && !peer->stop && raw_read(fd, &byte, 1, 20) != 0)
        ;
    close(fd);
}

static inline void *peer_run(void *arg)
{
    struct peer *peer = arg;
    int fd = -1;

    for (size_t i = 0; i < peer->n && !peer->stop; i++) {
        const struct line *line = &peer->script[i];

        if (fd < 0)
            fd = accept(peer->fd, NULL, NULL);
        if (fd < 0)
            break;
        if (peer_hear(fd, peer->seen[i], sizeof peer->seen[i])) {
            peer->n_seen++;
            peer_say(peer, fd, line);
        }
        if (line->after != KEEP) {
            peer_end(peer, fd, line->after);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static inline struct peer *peer_make(const struct line *script, size_t n)
{
    struct peer *peer = calloc(1, sizeof *peer);

    assert_non_null(peer);
    assert_true(n <= PEER_LINES);
    peer->fd = raw_listen(&peer->port);
    peer->script = script;
    peer->n = n;
    return peer;
}

static inline void peer_go(struct peer *peer)
{
    assert_int_equal(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

static inline struct peer *peer_start(const struct line *script, size_t n)
{
    struct peer *peer = peer_make(script, n);

    peer_go(peer);
    return peer;
}

static inline void peer_stop(struct peer *peer)
{
    peer->stop = true;
    shutdown(peer->fd, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->fd);
    free(peer);
}

#define PEER(...)                                                                                  \
    peer_start((const struct line[]){__VA_ARGS__},                                                 \
               sizeof((const struct line[]){__VA_ARGS__}) / sizeof(struct line))
#define OK(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body
#define REDIRECT(status, to)                                                                       \
    "HTTP/1.1 " status " There\r\nLocation: " to "\r\nContent-Length: 4\r\nConnection: close\r\n"  \
    "\r\nbody"

/* ---- a loop with a client, and what a call told ---- */

struct told {
    struct event_base *base;
    struct http_client *client;
    struct http_call *call, *other;
    int n_done, rc, status;
    uint64_t body_bytes;
    char url[256], body[4096], headers[4096];
    struct err err;
    int n_body, pause_first, cancel_at;
};

/* Which transport open_client makes; a program runs its tests over each it is meant for. */
enum transport { BY_CURL, PLAIN };
static enum transport peer_transport = BY_CURL;

static inline void open_client(struct told *t)
{
    int rc;

    signal(SIGPIPE, SIG_IGN); /* http_client.h asks for it */
    memset(t, 0, sizeof *t);
    t->base = event_base_new();
    assert_non_null(t->base);
    rc = peer_transport == PLAIN
             ? http_client_create_plain(t->base, HTTP_NAMES_WAIT, &t->client, &t->err)
             : http_client_create_curl(t->base, &t->client, &t->err);
    assert_int_equal(rc, 0);
}

static inline void close_client(struct told *t)
{
    http_client_free(t->client);
    event_base_free(t->base);
}

static inline void on_done(void *arg, int rc, const struct http_response *response,
                           const struct err *err)
{
    struct told *t = arg;

    t->n_done++;
    t->rc = rc;
    t->status = response->status;
    t->body_bytes = response->body_bytes;
    snprintf(t->url, sizeof t->url, "%s", response->url);
    if (response->body)
        snprintf(t->body, sizeof t->body, "%s", buf_str(response->body));
    assert_true((rc == 0) == (err == NULL));
    if (err)
        t->err = *err;
    event_base_loopbreak(t->base);
}

static inline void on_header(void *arg, int status, const char *name, const char *value)
{
    struct told *t = arg;
    size_t len = strlen(t->headers);

    snprintf(t->headers + len, sizeof t->headers - len, "%d %s=%s\n", status, name, value);
}

/* Runs the call to its end on t's loop. */
static inline void run_call(struct told *t, struct http_call_params params)
{
    struct timeval patience = {.tv_sec = RAW_PATIENCE_MS / 1000};

    params.arg = t;
    params.on_done = on_done;
    if (!params.on_header)
        params.on_header = on_header;
    if (http_call_start(t->client, &params, &t->call, &t->err))
        fail_msg("%s", t->err.text);
    event_base_loopexit(t->base, &patience);
    event_base_dispatch(t->base);
    assert_int_equal(t->n_done, 1);
}

static inline const char *url_of(const struct peer *peer, const char *path)
{
    static char url[256];

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", peer->port, path);
    return url;
}

#endif
