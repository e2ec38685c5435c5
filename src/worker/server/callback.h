/*
 * callback.h - tells the hive that the worker is there, and later that it is ready.
 *
 * POST {hive}/v1/workers/ready over a link of its own to a literal address: the hive names itself
 * so. The link is made before the sandbox closes, which allows no other one later. A worker with a
 * board says once that it is there, and hangs up: all else stands on the board, and a worker taken
 * over by its model could otherwise ask things of the hive in its name. One without, started by
 * hand, keeps the link, says now and then that it still loads (a hive closes silent connections),
 * and hangs up when it has said that it is ready.
 *
 * Over TLS there is one message in any case, answered before the sandbox closes: a worker started
 * by hand for such a hive does not say later that it is ready.
 *
 * A hive that does not answer is logged and nothing more: the worker serves all the same. The
 * loop's thread only.
 */
#ifndef RBEE_WORKER_SERVER_CALLBACK_H
#define RBEE_WORKER_SERVER_CALLBACK_H

#include "base/err.h"

#define CALLBACK_CONNECT_MS 250   /* for the link; a hive on this machine answers at once */
#define CALLBACK_TLS_MS     3000  /* for the one exchange over TLS */
#define CALLBACK_TRIES      5     /* of a message that is answered by an error */
#define CALLBACK_PAUSE_MS   100   /* behind the first of them; doubles */
#define CALLBACK_PULSE_MS   30000 /* between two messages of a worker that loads */

struct callback;
struct server;

/*
 * Says that the worker is there. *out is NULL when there will be nothing more to say: no link, TLS,
 * or a board. ERR_INVALID when the hive's URL is not http(s)://ADDRESS[:PORT].
 */
int callback_create(struct server *s, struct callback **out, struct err *err);
/* Breaks off what is under way. NULL is fine. */
void callback_free(struct callback *c);

/* Sends the worker's state of now; one more when a message is under way. */
void callback_send(struct callback *c);

#endif
