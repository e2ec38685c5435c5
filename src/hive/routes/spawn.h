/*
 * spawn.h - the request for a worker, as it comes to /v1/workers/spawn and /v1/workers/explain.
 */
#ifndef RBEE_HIVE_ROUTES_SPAWN_H
#define RBEE_HIVE_ROUTES_SPAWN_H

#include "hive/hive.h"
#include "hive/workers/workers.h"

/* What a worker can be asked for. */
#define SPAWN_SLOTS_MAX 64
#define SPAWN_CTX_MAX   16777216 /* positions of a slot */

struct spawn {
    struct launch launch;         /* borrows the two below */
    char *model_ref, *model_path; /* owned; the path is NULL when the model is not here */
};

/*
 * Reads the request's body. -1 with *e, and nothing to give back: INVALID_REQUEST with the failing
 * fields, BACKEND_UNAVAILABLE, DEVICE_NOT_FOUND, INVALID_MODEL_REF, MODEL_NOT_FOUND.
 */
int spawn_read(struct hive *h, struct http_exchange *x, struct spawn *out, struct api_error *e);
void spawn_done(struct spawn *s);

#endif
