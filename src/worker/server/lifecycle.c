/* lifecycle.c - see lifecycle.h. */
#include "worker/server/lifecycle.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/http_server.h"
#include "worker/sandbox/lease.h"
#include "worker/server/progress.h"
#include "worker/server/reply.h"
#include "worker/server/server.h"

struct lifecycle {
    struct server *server;
    struct event *on_term, *on_int, *on_hup, *on_lease, *on_limit, *on_poll;
    unsigned n_signals; /* that came: SIGTERM, SIGINT, and SIGHUP once */
    bool interrupted;   /* SIGINT was among them */
    int64_t limit_ms;   /* of the drain: when its jobs are told to end */
    bool closing;       /* no job is left, what was not read yet leaves */
    int64_t closed_ms;  /* when closing ends in any case */
    uint64_t n_unsent;  /* closing: bytes of answers that are still here ... */
    int64_t moved_ms;   /* ... and since when they are so many */
    int exit_code;
};

void lifecycle_follow_parent(void)
{
    pid_t parent = getppid();

    /* A parent that died before this call is noticed by its end of the lease. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(CLI_ERROR);
}

static struct timeval span(int64_t ms)
{
    return (struct timeval){.tv_sec = (time_t)(ms / 1000),
                            .tv_usec = (suseconds_t)(ms % 1000) * 1000};
}

static void start_timer(struct event *timer, int64_t ms)
{
    struct timeval tv = span(ms);

    event_add(timer, &tv);
}

/* A client that has stopped (Ctrl+Z, a laptop that was closed) would cost whoever waits for this
 * worker's memory all of the drain's time. */
static bool is_read(struct lifecycle *l)
{
    uint64_t n_unsent = http_server_n_unsent(l->server->http);

    if (n_unsent != l->n_unsent || http_server_n_handled(l->server->http) > 0) {
        l->n_unsent = n_unsent;
        l->moved_ms = clock_ms();
    }
    return clock_ms() - l->moved_ms < LIFECYCLE_STOPPED_MS;
}

static void close_when_sent(evutil_socket_t fd, short what, void *arg)
{
    struct lifecycle *l = arg;
    uint32_t n_left = http_server_n_active(l->server->http);
    bool in_time = clock_ms() < l->closed_ms;

    (void)fd, (void)what;
    if (n_left && in_time && is_read(l)) {
        start_timer(l->on_poll, LIFECYCLE_POLL_MS);
        return;
    }
    if (n_left && in_time)
        log_warn("%u answers were not read to their end: nothing of them was taken for %d s",
                 n_left, LIFECYCLE_STOPPED_MS / 1000);
    else if (n_left)
        log_warn("%u answers were not read to their end within the time given", n_left);
    event_base_loopbreak(l->server->base);
}

/* What is done and has not been read yet has the drain's time, as what was to be done had: an
 * answer may be megabytes, and its reader slow. */
static void begin_closing(struct lifecycle *l)
{
    if (l->closing)
        return;
    l->closing = true;
    l->closed_ms = clock_ms() + LIFECYCLE_FLUSH_MS;
    if (l->closed_ms < l->limit_ms)
        l->closed_ms = l->limit_ms;
    l->moved_ms = clock_ms();
    progress_shut_down(l->server->progress);
    start_timer(l->on_poll, LIFECYCLE_POLL_MS);
}

void lifecycle_job_ended(struct lifecycle *l)
{
    if (l->server->draining && l->server->n_jobs == 0)
        begin_closing(l);
}

/* The drain's limit: the jobs are told to end; those that do not are left behind. Without any, the
 * last bytes have a moment. */
static void limit_passed(evutil_socket_t fd, short what, void *arg)
{
    struct lifecycle *l = arg;
    int64_t flushed_ms = clock_ms() + LIFECYCLE_FLUSH_MS;

    (void)fd, (void)what;
    l->limit_ms = clock_ms(); /* or a second signal's */
    if (l->closing) {
        if (l->closed_ms > flushed_ms)
            l->closed_ms = flushed_ms;
        return;
    }
    if (l->server->stage == LOAD_FAILED) {
        begin_closing(l);
        return;
    }
    log_warn("%u answers were not done within the time given, they end now", l->server->n_jobs);
    reply_shut_down_all(l->server);
    l->closed_ms = flushed_ms;
    start_timer(l->on_poll, LIFECYCLE_FLUSH_MS);
}

static void set_draining(struct lifecycle *l)
{
    l->server->draining = true;
    http_server_drain(l->server->http);
}

/* A drain may get less time than it has, never more. */
static void set_limit(struct lifecycle *l, int64_t limit_ms)
{
    int64_t at_ms = clock_ms() + limit_ms;

    if (l->limit_ms && l->limit_ms <= at_ms)
        return;
    l->limit_ms = at_ms;
    start_timer(l->on_limit, limit_ms);
}

/* The engine's thread may fail in this moment: that stays what the hive reads. */
static void show_draining(struct board *b)
{
    uint32_t state = atomic_load(&b->state);

    while (state != BOARD_FAILED &&
           !atomic_compare_exchange_weak(&b->state, &state, BOARD_DRAINING))
        ;
}

void lifecycle_drain(struct lifecycle *l, int64_t limit_ms)
{
    struct board *b = l->server->board;

    if (l->server->draining)
        return;
    log_info("ending: %u answers go on for up to %lld ms", l->server->n_jobs, (long long)limit_ms);
    show_draining(b);
    set_limit(l, limit_ms);
    set_draining(l);
    lifecycle_job_ended(l);
}

void lifecycle_fail(struct lifecycle *l)
{
    l->exit_code = CLI_ERROR;
    if (l->server->draining)
        return;
    start_timer(l->on_limit, LIFECYCLE_LINGER_MS);
}

int lifecycle_exit_code(const struct lifecycle *l)
{
    return l->exit_code;
}

/*
 * One wish may come several times: a service manager signals all processes of a service, and the
 * hive among them asks or signals, too. So the first signal ends no answer, drain or not, and the
 * second one none without a word.
 */
static void signalled(evutil_socket_t number, short what, void *arg)
{
    struct lifecycle *l = arg;
    bool interrupt = number == SIGINT;

    (void)what;
    if (number == SIGHUP && l->n_signals > 0)
        return; /* a terminal that closes may send it several times */
    if (++l->n_signals > 2 || (interrupt && l->interrupted))
        _exit(CLI_ERROR);
    l->interrupted |= interrupt;
    if (l->n_signals == 2)
        limit_passed(-1, 0, l);
    else if (l->server->draining)
        set_limit(l, LIFECYCLE_SIGNAL_DRAIN_MS);
    else
        lifecycle_drain(l, LIFECYCLE_SIGNAL_DRAIN_MS);
}

static void lease_moved(evutil_socket_t fd, short what, void *arg)
{
    char byte;
    ssize_t n = read(fd, &byte, sizeof byte);

    (void)what, (void)arg;
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    _exit(CLI_ERROR);
}

/* Not where the parent ignores it (nohup). When its event is freed it is ignored. */
static bool watch_hangup(struct lifecycle *l)
{
    if (signal(SIGHUP, SIG_IGN) == SIG_IGN)
        return true;
    l->on_hup = evsignal_new(l->server->base, SIGHUP, signalled, l);
    return l->on_hup && event_add(l->on_hup, NULL) == 0;
}

int lifecycle_create(struct server *s, struct lifecycle **out, struct err *err)
{
    struct lifecycle *l = calloc(1, sizeof *l);
    bool made;

    if (!l)
        return err_no_memory(err, sizeof *l, "the life of the worker");
    l->server = s;
    l->exit_code = CLI_DONE;
    l->on_term = evsignal_new(s->base, SIGTERM, signalled, l);
    l->on_int = evsignal_new(s->base, SIGINT, signalled, l);
    l->on_limit = evtimer_new(s->base, limit_passed, l);
    l->on_poll = evtimer_new(s->base, close_when_sent, l);
    made = l->on_term && l->on_int && l->on_limit && l->on_poll &&
           event_add(l->on_term, NULL) == 0 && event_add(l->on_int, NULL) == 0 && watch_hangup(l);
    if (made && s->o.lease_fd >= 0) {
        evutil_make_socket_nonblocking(s->o.lease_fd);
        lease_bind(s->o.lease_fd);
        l->on_lease = event_new(s->base, s->o.lease_fd, EV_READ | EV_PERSIST, lease_moved, l);
        made = l->on_lease && event_add(l->on_lease, NULL) == 0;
    }
    if (!made) {
        lifecycle_free(l);
        return err_set(err, ERR_IO, "cannot watch signals and the lease");
    }
    *out = l;
    return 0;
}

static void free_events(struct lifecycle *l)
{
    struct event *all[] = {l->on_term, l->on_int, l->on_hup, l->on_lease, l->on_limit, l->on_poll};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i])
            event_free(all[i]);
}

void lifecycle_free(struct lifecycle *l)
{
    if (l)
        free_events(l);
    free(l);
}
