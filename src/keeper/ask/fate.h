/*
 * fate.h - a worker that does not answer: has it ended, or is it the way to it? A firewall, a port
 * mapping or a tunnel that lets the hive's port through may not do so for those of its workers.
 */
#ifndef RBEE_KEEPER_ASK_FATE_H
#define RBEE_KEEPER_ASK_FATE_H

#include "keeper/ask/pool.h"

/* What the hive says of it, which needs a moment to notice that a worker has ended. */
enum fate {
    FATE_ENDED, /* it has ended, or is about to */
    FATE_LIVES,
    FATE_UNKNOWN /* the hive does not say */
};
enum fate fate_ask(struct keeper *k, const char *worker_id);

/* Does this error of a call to a worker say that it was not the worker that was reached? */
bool fate_is_lost(enum api_code code);

/* *e, such an error, of a worker that lives: it says so, and what is to be done about the way. */
void fate_blame_way(const struct pool_worker *worker, struct api_error *e);

/* *e of one that "is gone", or what else `what` says of it: WORKER_CRASHED, and why, as far as its
 * hive knows. */
void fate_explain(struct keeper *k, const char *worker_id, const char *what, struct api_error *e);

#endif
