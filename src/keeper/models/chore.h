/*
 * chore.h - watches work on a node's model files (verify, import, export): a progress line, and
 * each result as it comes.
 */
#ifndef RBEE_KEEPER_MODELS_CHORE_H
#define RBEE_KEEPER_MODELS_CHORE_H

#include "keeper/node/keeper.h"

struct chore {
    const char *path; /* of the hive's route, asked with POST */
    json_t *body;     /* of the request; taken over, NULL = out of memory */
    bool again;       /* may be asked for twice: without an answer it is */
    bool json;        /* every event but progress goes to stdout as it is */
    void *arg;
    /* A result: neither progress, nor an error, nor the end. */
    void (*on_result)(void *arg, struct keeper *k, const json_t *event);
    /* The end, with the counts. May be NULL. */
    void (*on_complete)(void *arg, struct keeper *k, const json_t *event);
};

/* CLI_DONE; CLI_ERROR when something failed on the way; what keeper_fail said. */
int chore_watch(struct keeper *k, const struct chore *chore);

#endif
