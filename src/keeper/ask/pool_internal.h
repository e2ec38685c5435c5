/* pool_internal.h - what the files behind pool.h share; for nobody else. */
#ifndef RBEE_KEEPER_ASK_POOL_INTERNAL_H
#define RBEE_KEEPER_ASK_POOL_INTERNAL_H

#include "keeper/ask/pool.h"

/* Of a worker as its hive lists it: it has loaded its model and takes work. */
bool pool_is_loaded(const json_t *worker);
/* Its hive gives it to nobody any more, who asks by that name: what it has loaded is an old file,
 * or a larger one has taken its place. */
bool pool_is_passed_by(const json_t *worker);

/* What the hive says of a worker: the caller's, NULL with *e when that is nothing. */
json_t *pool_look_up(struct keeper *k, const char *worker_id, struct api_error *e);
/* A hive needs a moment to notice that a worker has ended: so often it is asked, and how far apart.
 */
#define POOL_NOTICE_TRIES 5
#define POOL_NOTICE_MS    100

#endif
