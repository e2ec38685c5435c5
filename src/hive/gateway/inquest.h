/*
 * inquest.h - the connection to a worker broke: has the worker ended, and of what?
 *
 * The kernel closes the sockets of a process that ends a moment before it says that the process has
 * ended. Asked at once, the hive's workers would know no cause, and give out the same dead worker
 * again. So their word is waited for. Loop thread only.
 */
#ifndef RBEE_HIVE_GATEWAY_INQUEST_H
#define RBEE_HIVE_GATEWAY_INQUEST_H

#include <stdbool.h>

#include "api/errors.h"

#define INQUEST_STEP_MS 5
#define INQUEST_MAX_MS  200   /* for a process to end whose sockets are closed, */
#define INQUEST_EXIT_MS 10000 /* when it is known to be on its way: its threads wait for a CPU */

/* The call to a worker ended so (http_client.h): whoever has its port did not take the connection,
 * or was not the worker, and nothing was sent. Its calls have no limit of time but for connecting.
 */
static inline bool inquest_unasked(int rc)
{
    return rc == ERR_TIMEOUT || rc == ERR_DENIED || rc == ERR_CONFLICT;
}

/* ... or the connection broke: has it ended? */
static inline bool inquest_is_due(int rc)
{
    return rc == ERR_UNREACHABLE || rc == ERR_IO || inquest_unasked(rc);
}

struct event_base;
struct inquest;
struct workers;

struct inquest_finding {
    bool over; /* it takes no more requests */
    /* Then: of what; REQUEST_CANCELLED when somebody wanted it to end. */
    enum api_code code;
    char why[ERR_TEXT_MAX];
};

/*
 * `done` comes once, from the loop, when the worker has ended, is on its way, or is alive after
 * that time all the same; the inquest is no more then. NULL = no memory, and no `done`.
 */
struct inquest *inquest_start(struct event_base *base, const struct workers *workers,
                              const char *worker_id,
                              void (*done)(void *arg, const struct inquest_finding *f), void *arg);
void inquest_cancel(struct inquest *q); /* NULL is fine */

#endif
