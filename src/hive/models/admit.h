/*
 * admit.h - may a new file enter the catalog? Judged by `llm-worker-rbee inspect`, in a process of
 * its own that is thrown away; the hive itself never looks into a model.
 *
 * A verdict is what the program itself said, and not what befell it. It is kept with the file's
 * digest, in the catalog and on the card, and holds as long as the judging program stays the same:
 * a later one may run what this one cannot. Loop thread only.
 */
#ifndef RBEE_HIVE_MODELS_ADMIT_H
#define RBEE_HIVE_MODELS_ADMIT_H

#include "api/errors.h"

struct admit;
struct catalog_verdict;
struct config;
struct looks;
struct models;

struct admit_params {
    struct looks *looks;
    const struct config *config; /* [hive] worker */
    struct models *models;       /* whose catalog keeps the verdict */
    const char *path;            /* the first part of a split model */
    const char *sha256;          /* of that file; "" = not known: the catalog keeps nothing */
    /* Filled before `done`, unless nothing was found out; for the model's card. May be NULL. */
    struct catalog_verdict *verdict;
    void *arg;
    /* Once: from the loop, or before admit_start returns. NULL: it may enter. */
    void (*done)(void *arg, const struct api_error *e);
};

/* *out is NULL when `done` has been called already. */
void admit_start(const struct admit_params *params, struct admit **out);
void admit_cancel(struct admit *a); /* `done` does not come; NULL is fine */

#endif
