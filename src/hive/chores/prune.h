/*
 * prune.h - what lies in the models folder and is of no use: shown first, deleted when told.
 *
 * Left-over parts of downloads and pushes that nobody works on, files that no card names, what
 * `verify` set aside, catalog entries whose file is gone. Where a listed model has lost its card,
 * or one lies that cannot be read now or by this rbee, the folder is let be. A link to a folder is
 * its owner's. Loop thread only.
 */
#ifndef RBEE_HIVE_CHORES_PRUNE_H
#define RBEE_HIVE_CHORES_PRUNE_H

#include <jansson.h>

#include "api/errors.h"

#define PRUNE_ITEMS_MAX 10000

struct models;
struct unlinked;

/*
 * *out is {"plan","freed_bytes","items":[{"path"|"model_ref","why","size_bytes"}],"left_out"} (how
 * many items are past the limit: their turn comes once these are deleted), or NULL without memory.
 * -1 with *e (DISK_NOT_ANSWERING, INTERNAL) when some of what refers to files cannot be looked at.
 */
int prune_plan(struct models *m, json_t **out, struct api_error *e);

/*
 * Does what the plan of that name said; -1 with *e as prune_plan, or INVALID_REQUEST when the
 * folder has changed since, so that nothing is deleted that was not shown. *done is the plan, true
 * once *u is closed; an item that could not be deleted has "kept", the system's word for why, and
 * is not counted.
 */
int prune_run(struct models *m, const char *plan, struct unlinked *u, json_t **done,
              struct api_error *e);

#endif
