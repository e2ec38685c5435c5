/* leftover.c - see leftover.h. No state: the event's descriptor is all that has to be known. */
#include "hive/process/leftover.h"

#include <event2/event.h>
#include <signal.h>
#include <unistd.h>

static void on_ended(evutil_socket_t pidfd, short what, void *arg)
{
    struct child c = {.pidfd = pidfd};

    (void)what;
    (void)arg;
    child_reap(&c);
}

void leftover_leave(struct event_base *base, struct child *c)
{
    if (c->pidfd < 0)
        return;
    child_signal(c, SIGKILL);
    if (event_base_once(base, c->pidfd, EV_READ, on_ended, NULL, NULL))
        close(c->pidfd); /* no memory: it stays in the list of processes until the hive ends */
    c->pidfd = -1;
}
