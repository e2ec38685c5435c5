/*
 * preflight.h - is a hive there, and does it speak our version? Contract, section 2.2.
 */
#ifndef RBEE_KEEPER_NODE_PREFLIGHT_H
#define RBEE_KEEPER_NODE_PREFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/node/keeper.h"

#define PREFLIGHT_TRIES      3
#define PREFLIGHT_TIMEOUT_MS 10000
#define PREFLIGHT_BACKOFF_MS 100 /* before the second try; doubled before each further one */

/* The wait before try `i` + 1 (i from 0), stretched by a jitter of 0.5 to 1.5; `random` is any. */
int64_t preflight_backoff_ms(unsigned i, uint64_t random);

/* Same major.minor of "X.Y.Z"; anything that is no version is not the same. */
bool preflight_same_line(const char *a, const char *b);

/*
 * After a call to k's node that failed with *e, as the n_failed-th in a row (1 and more): true when
 * it got no answer and is to be made again; the pause is over then and *e is freed. The last one's
 * *e says how many tries there were. Whoever waits for seconds is told so.
 */
bool preflight_again(struct keeper *k, unsigned n_failed, struct api_error *e);

/* Is `health`, which the hive at `url` said of itself, of our version? 0, or -1 with *e. */
int preflight_check(const char *url, const json_t *health, struct api_error *e);

/* GET /v1/health: CONNECTION_REFUSED, CONNECTION_TIMEOUT, VERSION_MISMATCH ... 0 or -1 with *e. */
int preflight_run(struct keeper *k, struct api_error *e);

#endif
