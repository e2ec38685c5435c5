/*
 * http_rig.h - a real server in a thread of its own, for the tests of the HTTP server.
 *
 * Routes: /hello answers "hello"; /echo gives the body back; /park waits until rig_answer; /stream
 * begins a stream and waits for rig_put; /flood streams without end, as fast as the loop turns.
 * What a handler notes for the test is atomic, or touched in the loop's thread only (rig_do).
 */
#ifndef RBEE_TESTS_HTTP_RIG_H
#define RBEE_TESTS_HTTP_RIG_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include <event2/event.h>

#include "net/http_server.h"
#include "net/post.h"
#include "net_raw.h"

#define RIG_PIECE     16384
#define RIG_FLOOD_MAX (1u << 20) /* with so much unsent /flood waits for its end */

struct rig {
    struct event_base *base;
    struct http_server *server;
    struct post *post;
    pthread_t thread;
    uint16_t port;
    struct http_exchange *waiting; /* the loop's: the last of /park, /stream or /flood */
    struct event *flood;           /* the loop's */
    atomic_uint n_handled, n_gone, n_put;
    atomic_size_t pending; /* of /flood, when it was cut */
    atomic_bool cut;
    char path[256], query[256], header[256], peer[64]; /* of the last request: see rig_seen */
};

static inline void rig_gone(struct http_exchange *x, void *arg)
{
    struct rig *rig = arg;

    assert_ptr_equal(rig->waiting, x);
    rig->waiting = NULL;
    rig->n_gone++;
}

static inline void rig_flood(evutil_socket_t fd, short what, void *arg)
{
    static const char piece[RIG_PIECE];
    struct timeval now = {0, 0};
    struct rig *rig = arg;

    (void)fd, (void)what;
    if (!rig->waiting)
        return;
    if (http_stream_put(rig->waiting, piece, sizeof piece)) {
        rig->pending = http_stream_pending(rig->waiting);
        rig->cut = true;
        return;
    }
    rig->n_put++;
    if (http_stream_pending(rig->waiting) > RIG_FLOOD_MAX)
        return;
    event_add(rig->flood, &now);
}

static inline void rig_wait_for_it(struct rig *rig, struct http_exchange *x)
{
    rig->waiting = x;
    http_on_gone(x, rig_gone, rig);
    if (strcmp(http_path(x), "/park") == 0)
        return;
    http_stream_begin(x, 200, "text/plain");
    if (strcmp(http_path(x), "/flood") == 0)
        event_active(rig->flood, EV_TIMEOUT, 1);
}

static inline void rig_note(char *dst, size_t size, const char *text)
{
    snprintf(dst, size, "%s", text ? text : "(none)");
}

static inline void rig_handle(struct http_exchange *x, void *arg)
{
    struct rig *rig = arg;
    const char *path = http_path(x), *body;
    size_t n;

    rig_note(rig->path, sizeof rig->path, path);
    rig_note(rig->query, sizeof rig->query, http_query(x, "q"));
    rig_note(rig->header, sizeof rig->header, http_header(x, "x-test"));
    rig_note(rig->peer, sizeof rig->peer, http_peer(x));
    rig->n_handled++;
    body = http_body(x, &n);
    if (strcmp(path, "/park") == 0 || strcmp(path, "/stream") == 0 || strcmp(path, "/flood") == 0)
        rig_wait_for_it(rig, x);
    else if (strcmp(path, "/echo") == 0)
        http_reply(x, 200, "application/octet-stream", body, n);
    else
        http_reply(x, 200, "text/plain", "hello", 5);
}

static inline void *rig_run(void *arg)
{
    struct rig *rig = arg;

    event_base_loop(rig->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

/* Starts with the given parameters; base, arg and (if NULL) handle are the rig's. */
static inline struct rig *rig_start(struct http_server_params params)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct err err = {0};

    assert_non_null(rig);
    rig->base = event_base_new();
    assert_non_null(rig->base);
    rig->flood = evtimer_new(rig->base, rig_flood, rig);
    params.base = rig->base;
    params.arg = rig;
    params.name = "rig/1";
    if (!params.address)
        params.address = "127.0.0.1";
    if (!params.handle)
        params.handle = rig_handle;
    if (http_server_create(&params, &rig->server, &err))
        fail_msg("%s", err.text);
    assert_int_equal(post_create(rig->base, &rig->post, &err), 0);
    rig->port = http_server_port(rig->server);
    assert_int_equal(pthread_create(&rig->thread, NULL, rig_run, rig), 0);
    return rig;
}

static inline struct rig *rig_start_default(void)
{
    return rig_start((struct http_server_params){.limits = http_limits_default()});
}

/* The rig, its notes of the last answered request safe to read. */
static inline struct rig *rig_seen(struct rig *rig)
{
    assert_true(atomic_load(&rig->n_handled) > 0);
    return rig;
}

struct rig_task {
    struct rig *rig;
    void (*fn)(struct rig *rig);
    sem_t done;
};

static inline void rig_task_run(void *arg)
{
    struct rig_task *task = arg;

    task->fn(task->rig);
    sem_post(&task->done);
}

/* Runs fn in the loop's thread and waits for it. */
static inline void rig_do(struct rig *rig, void (*fn)(struct rig *rig))
{
    struct rig_task task = {.rig = rig, .fn = fn};

    sem_init(&task.done, 0, 0);
    assert_int_equal(post_send(rig->post, rig_task_run, &task), 0);
    while (sem_wait(&task.done))
        ;
    sem_destroy(&task.done);
}

struct rig_hold {
    sem_t begun, over;
};

static inline void rig_hold_up(void *arg)
{
    struct rig_hold *hold = arg;

    sem_post(&hold->begun);
    while (sem_wait(&hold->over))
        ;
}

/* The loop's thread stands until rig_let_go. */
static inline void rig_hold(struct rig *rig, struct rig_hold *hold)
{
    sem_init(&hold->begun, 0, 0);
    sem_init(&hold->over, 0, 0);
    assert_int_equal(post_send(rig->post, rig_hold_up, hold), 0);
    while (sem_wait(&hold->begun))
        ;
}

/* Goes on; *hold is needed until the loop has done something else. */
static inline void rig_let_go(struct rig_hold *hold)
{
    sem_post(&hold->over);
}

static inline void rig_do_free(struct rig *rig)
{
    http_server_free(rig->server);
    rig->server = NULL;
}

static inline void rig_do_break(struct rig *rig)
{
    event_base_loopbreak(rig->base);
}

static inline void rig_stop(struct rig *rig)
{
    rig_do(rig, rig_do_free);
    rig_do(rig, rig_do_break);
    pthread_join(rig->thread, NULL);
    post_free(rig->post);
    event_free(rig->flood);
    event_base_free(rig->base);
    free(rig);
}

static inline void rig_do_answer(struct rig *rig)
{
    struct http_exchange *x = rig->waiting;

    rig->waiting = NULL;
    if (!x)
        fail_msg("no request waits");
    http_reply(x, 200, "text/plain", "parked", 6);
}

static inline void rig_do_put(struct rig *rig)
{
    if (rig->waiting)
        http_stream_put(rig->waiting, "piece", 5);
}

static inline void rig_do_end(struct rig *rig)
{
    struct http_exchange *x = rig->waiting;

    rig->waiting = NULL;
    if (!x)
        fail_msg("no request waits");
    http_stream_end(x);
}

#endif
