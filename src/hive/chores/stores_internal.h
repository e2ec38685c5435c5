/* stores_internal.h - what the files behind stores.h share; for nobody else. */
#ifndef RBEE_HIVE_CHORES_STORES_INTERNAL_H
#define RBEE_HIVE_CHORES_STORES_INTERNAL_H

#include "hive/chores/stores.h"

/* What of a store has been looked at, and how that goes: rc ends it. */
struct store_walk {
    struct reach *reach;
    struct store_scan *scan;
    size_t n_seen; /* of STORE_MODELS_MAX */
    bool enough;   /* `each` wants no more */
    int rc;
    struct err *err;
};

/* Is there room for one more, or may the name that is looked for mean it? If not it is counted.
 * `what` stands in each of its names: "org/repo", "llama3". */
bool store_has_room(struct store_walk *w, const char *what);

/* May one go on, and look at that path? */
bool store_may_look(struct store_walk *w, const char *path);

/* *out: the first that is a folder; the others are freed. Entries may be NULL. ERR_UNREACHABLE:
 * one before it does not answer. */
int store_first_dir(struct reach *r, char *const *choices, size_t n, char **out, struct err *err);

/* The folder `name` under the one that the environment's variable names; free(), or NULL. */
char *store_under(const char *variable, const char *name);

#endif
