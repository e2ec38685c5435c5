/* capture.c - see capture.h. SIGKILL on any way out; nobody waits until it has died of that. */
#include "hive/process/capture.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "hive/process/environment.h"
#include "hive/process/leftover.h"

#define READ_CHUNK 16384
#define READ_TURN  (16 * READ_CHUNK) /* of one stream in one turn of the loop */

struct stream {
    struct capture *owner;
    struct event *ev;
    struct buf text;
    int fd;         /* read end; -1 when closed */
    bool keep_head; /* too much is dropped instead of being an error */
};

struct capture {
    struct event_base *base;
    struct child child;
    struct stream out, errors;
    struct event *ended, *timeout;
    void *arg;
    void (*done)(void *arg, const struct capture_result *result);
};

static void done_stream(struct stream *s)
{
    if (s->ev)
        event_free(s->ev);
    if (s->fd >= 0)
        close(s->fd);
    buf_done(&s->text);
}

static void capture_free(struct capture *c)
{
    done_stream(&c->out);
    done_stream(&c->errors);
    if (c->ended)
        event_free(c->ended);
    if (c->timeout)
        event_free(c->timeout);
    free(c);
}

/* Tells. A process that has not ended (rc is not 0) is killed. */
static void finish(struct capture *c, int rc)
{
    struct capture_result result = {.rc = rc, .out = &c->out.text, .errors = &c->errors.text};

    if (c->ended)
        event_del(
            c->ended); /* its descriptor goes, and whoever is told may get one of that number */
    if (rc)
        leftover_leave(c->base, &c->child);
    else
        result.end = child_reap(&c->child);
    c->done(c->arg, &result);
    capture_free(c);
}

/* Reads what is there, at most so many bytes: who writes faster than they are read must not hold
 * the loop. -1 when the text would pass its limit, and that matters. */
static int drain(struct stream *s, size_t most)
{
    char chunk[READ_CHUNK];
    ssize_t n;

    while (s->fd >= 0 && (n = read(s->fd, chunk, sizeof chunk)) != 0) {
        size_t room = s->text.max - s->text.len, take = (size_t)n;

        if (n < 0)
            return 0; /* EAGAIN: more may come; EINTR: the loop calls again */
        most -= (size_t)n < most ? (size_t)n : most;
        if (s->keep_head && take > room)
            take = room;
        if (buf_put(&s->text, chunk, take))
            return -1;
        if (most == 0)
            return 0; /* the loop calls again */
    }
    event_del(s->ev);
    return 0;
}

/* All that its process can have left: that has ended, but what it started may go on writing. */
static int drain_rest(struct stream *s)
{
    int n = fcntl(s->fd, F_GETPIPE_SZ);

    return drain(s, n > 0 ? (size_t)n : READ_TURN);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;

    (void)fd;
    (void)what;
    if (drain(s, READ_TURN))
        finish(s->owner, ERR_LIMIT);
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    struct capture *c = arg;

    (void)fd;
    (void)what;
    drain_rest(&c->errors);
    finish(c, drain_rest(&c->out) ? ERR_LIMIT : 0);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct capture *c = arg;

    (void)what;
    if (child_has_ended(&c->child, 0)) /* while this process stood still */
        on_ended(fd, EV_READ, c);
    else
        finish(c, ERR_TIMEOUT);
}

static int start_child(struct capture *c, const struct capture_params *params, struct err *err)
{
    int out[2] = {-1, -1}, errors[2] = {-1, -1}, rc;
    struct environment env;

    environment_make(&env);
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(errors, O_CLOEXEC) != 0) {
        rc = err_errno(err, ERR_IO, errno, "cannot make a pipe for %s", params->path);
    } else {
        struct child_params child = {.path = params->path,
                                     .argv = params->argv,
                                     .envp = env.vars,
                                     .fds = {-1, out[1], errors[1]},
                                     .n_fds = 3,
                                     .cgroup_fd = -1};

        fcntl(out[0], F_SETFL, O_NONBLOCK);
        fcntl(errors[0], F_SETFL, O_NONBLOCK);
        rc = child_start(&child, &c->child, err);
    }
    environment_done(&env);
    if (out[1] >= 0)
        close(out[1]);
    if (errors[1] >= 0)
        close(errors[1]);
    c->out.fd = out[0];
    c->errors.fd = errors[0];
    return rc;
}

static bool watch(struct capture *c, struct event_base *base, int64_t timeout_ms)
{
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

    c->out.ev = event_new(base, c->out.fd, EV_READ | EV_PERSIST, on_readable, &c->out);
    c->errors.ev = event_new(base, c->errors.fd, EV_READ | EV_PERSIST, on_readable, &c->errors);
    c->ended = event_new(base, c->child.pidfd, EV_READ, on_ended, c);
    c->timeout = evtimer_new(base, on_timeout, c);
    return c->out.ev && c->errors.ev && c->ended && c->timeout && !event_add(c->out.ev, NULL) &&
           !event_add(c->errors.ev, NULL) && !event_add(c->ended, NULL) &&
           !event_add(c->timeout, &limit);
}

int capture_start(struct event_base *base, const struct capture_params *params,
                  struct capture **out, struct err *err)
{
    struct capture *c = calloc(1, sizeof *c);
    int rc;

    if (!c)
        return err_no_memory(err, sizeof *c, "a process");
    c->base = base;
    c->arg = params->arg;
    c->done = params->done;
    c->child.pidfd = -1;
    c->out = (struct stream){.owner = c, .fd = -1};
    c->errors = (struct stream){.owner = c, .fd = -1, .keep_head = true};
    buf_init(&c->out.text, params->out_max);
    buf_init(&c->errors.text, CAPTURE_ERRORS_MAX);
    rc = start_child(c, params, err);
    if (rc) {
        capture_free(c);
        return rc;
    }
    if (!watch(c, base, params->timeout_ms)) {
        capture_cancel(c);
        return err_no_memory(err, READ_CHUNK, "watching a process");
    }
    *out = c;
    return 0;
}

void capture_cancel(struct capture *c)
{
    if (!c)
        return;
    leftover_leave(c->base, &c->child);
    capture_free(c);
}
