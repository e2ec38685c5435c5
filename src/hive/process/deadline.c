/* deadline.c - see deadline.h. Its thread touches no file: it hangs in none. */
#include "hive/process/deadline.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#define STACK_BYTES (256u << 10) /* a line of the log */

struct deadline {
    struct deadline_params p;
    pthread_t thread;
    int over_fd;   /* readable: all has ended */
    int signal_fd; /* readable: a signal came */
    int64_t at_ms;
};

static _Noreturn void end_now(const struct deadline *d, bool signalled)
{
    if (signalled)
        log_warn("a second signal: everything ends at once");
    else
        log_warn("the hive ends without what still waits for a disk after %lld s: what had come is "
                 "kept, and looked at when the next one starts",
                 (long long)(d->p.wait_ms / 1000));
    for (size_t i = 0; i < DEADLINE_LOCKS; i++)
        if (d->p.locks[i] >= 0)
            close(d->p.locks[i]);
    _exit(signalled ? d->p.signalled_code : d->p.exit_code);
}

static void *run(void *arg)
{
    const struct deadline *d = arg;
    struct pollfd p[] = {{.fd = d->over_fd, .events = POLLIN},
                         {.fd = d->signal_fd, .events = POLLIN}};
    int64_t left_ms;

    while ((left_ms = d->at_ms - clock_ms()) > 0) {
        if (poll(p, 2, (int)left_ms) <= 0)
            continue;
        if (p[0].revents)
            return NULL;
        end_now(d, true);
    }
    end_now(d, false);
}

/* They are the descriptor's from now on. -1 where there is none: then they end nothing. */
static int take_signals(sigset_t *before)
{
    sigset_t both;

    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGINT);
    pthread_sigmask(SIG_BLOCK, &both, before);
    return signalfd(-1, &both, SFD_CLOEXEC);
}

static void close_fds(const struct deadline *d)
{
    if (d->over_fd >= 0)
        close(d->over_fd);
    if (d->signal_fd >= 0)
        close(d->signal_fd);
}

struct deadline *deadline_begin(const struct deadline_params *params)
{
    struct deadline *d = calloc(1, sizeof *d);
    sigset_t before;

    if (!d)
        return NULL;
    *d = (struct deadline){.p = *params,
                           .over_fd = eventfd(0, EFD_CLOEXEC),
                           .signal_fd = take_signals(&before),
                           .at_ms = clock_ms() + params->wait_ms};
    if (d->over_fd >= 0 && thread_start(&d->thread, STACK_BYTES, run, d, NULL) == 0)
        return d;
    pthread_sigmask(SIG_SETMASK, &before, NULL); /* nobody else would hear them */
    close_fds(d);
    free(d);
    return NULL;
}

void deadline_end(struct deadline *d)
{
    if (!d)
        return;
    eventfd_write(d->over_fd, 1);
    pthread_join(d->thread, NULL);
    close_fds(d);
    free(d);
}
