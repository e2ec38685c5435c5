/*
 * callback.h - tells the hive that the worker is there, and later that it is ready.
 *
 * POST {hive}/v1/workers/ready, tried CALLBACK_TRIES times with growing pauses. A hive that does
 * not answer is logged and nothing more: the worker serves all the same, and its board tells as
 * much. Only plain HTTP to a literal address is spoken: the hive names itself so. The loop's thread
 * only.
 */
#ifndef RBEE_WORKER_CALLBACK_H
#define RBEE_WORKER_CALLBACK_H

#include "base/err.h"

#define CALLBACK_TRIES      5
#define CALLBACK_PAUSE_MS   100 /* behind the first try; doubles */
#define CALLBACK_TIMEOUT_MS 5000

struct callback;
struct server;

/* ERR_INVALID when the hive's URL is not http://ADDRESS[:PORT]. */
int callback_create(struct server *s, struct callback **out, struct err *err);
/* Breaks off what is under way. NULL is fine. */
void callback_free(struct callback *c);

/* Sends the worker's state of now; one more when a message is under way. */
void callback_send(struct callback *c);

#endif
