/*
 * capture.h - runs a short-lived program on the event loop and hands over what it printed.
 *
 * The hive's way to ask questions that it must not answer itself: what a model file holds, which
 * accelerators a driver sees. Whatever happens to that process, the hive lives on, and waits for it
 * only as long as it was told: also when it hangs and cannot be killed (leftover.h). Loop thread
 * only.
 */
#ifndef RBEE_HIVE_PROCESS_CAPTURE_H
#define RBEE_HIVE_PROCESS_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "hive/process/child.h"

struct event_base;
struct capture;

#define CAPTURE_ERRORS_MAX 4096 /* bytes of stderr that are kept */

struct capture_result {
    int rc; /* 0: the program ended by itself; ERR_TIMEOUT, ERR_LIMIT (too much output) */
    struct child_end end;           /* with rc 0 */
    const struct buf *out, *errors; /* stdout; the beginning of stderr */
};

struct capture_params {
    const char *path;
    const char *const *argv;
    size_t out_max; /* bytes of stdout; more is ERR_LIMIT */
    int64_t timeout_ms;
    void *arg;
    /* Called once, from the loop. The capture is no more afterwards. */
    void (*done)(void *arg, const struct capture_result *result);
};

/* An error means that nothing was started, or what was is killed, and `done` will not come. */
int capture_start(struct event_base *base, const struct capture_params *params,
                  struct capture **out, struct err *err);
void capture_cancel(struct capture *c); /* kills it; `done` does not come. NULL is fine */

#endif
