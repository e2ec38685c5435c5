/* pool_internal.h - what the files behind pool.h share; for nobody else. */
#ifndef RBEE_KEEPER_POOL_INTERNAL_H
#define RBEE_KEEPER_POOL_INTERNAL_H

#include "keeper/pool.h"

/* Of a worker as its hive lists it: it has loaded its model and takes work. */
bool pool_is_loaded(const json_t *worker);
/* Its hive gives it to nobody any more, who asks by that name: what it has loaded is an old file,
 * or a larger one has taken its place. */
bool pool_is_passed_by(const json_t *worker);

#endif
