/*
 * retry.h - calls to a hive that are made again, because their failure may pass: which failures
 * those are, how long the pauses are, and how many.
 *
 * A hive that is being restarted, a line that breaks, a machine that has too much to do: no answer
 * (refused, reset, timed out, broken off), 408, 429 and 5xx pass. What is wrong with the request,
 * the key or the model does not, nor do 501, 505 and 507 (no room).
 */
#ifndef RBEE_KEEPER_NODE_RETRY_H
#define RBEE_KEEPER_NODE_RETRY_H

#include "keeper/node/keeper.h"

#define RETRY_TRIES        7   /* the first and six more */
#define RETRY_PAUSE_MS     200 /* before the second; doubled before each further one: 6.4 s */
#define RETRY_AFTER_MAX_MS 30000

bool retry_may_pass(const struct client_last *last);

/*
 * The pause after so many failures in a row (1 and more): the longer one of ours and of what the
 * hive's Retry-After said (-1: nothing), of which no more than RETRY_AFTER_MAX_MS is believed.
 */
int64_t retry_pause_ms(unsigned n_failed, int64_t retry_after_ms);

/*
 * After a call to k's node that failed with *e, as the n_failed-th in a row: true when it is to be
 * made again; the pause is over then and *e is freed. Says so where it takes longer than a moment.
 */
bool retry_wait(struct keeper *k, unsigned n_failed, struct api_error *e);

#endif
