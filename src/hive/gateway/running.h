/*
 * running.h - the requests that the gateway is at work on, by name, so that another connection may
 * end one: DELETE /v1/inference/ID. Loop thread only.
 *
 * A request has the id of its exchange (X-Request-Id, which a client may choose), and an answer of
 * its own maybe another one (`chatcmpl-...`). Who is entered is asked to end at most once, and is
 * on the list no longer when that comes.
 */
#ifndef RBEE_HIVE_GATEWAY_RUNNING_H
#define RBEE_HIVE_GATEWAY_RUNNING_H

#include <stdbool.h>
#include <sys/queue.h>

#include "api/errors.h"
#include "hive/hive.h"

struct running {
    LIST_ENTRY(running) entry;
    bool listed;
    const struct http_exchange *x;
    const char *id; /* of its answer; NULL = none but its request's */
    void (*end)(void *arg);
    void *arg;
};

/* All but `entry` and `listed` is the caller's to set before. */
void running_enter(struct hive *h, struct running *r);
void running_leave(struct running *r); /* one that has left, or was never entered, is fine */

/* What who is ended says of it. */
void running_error(struct api_error *e);

/* Ends all of this name; 204 to `x`, also when there is none (any more). */
void running_delete(struct hive *h, struct http_exchange *x, const char *id);

#endif
