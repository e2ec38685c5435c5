/*
 * target.h - which model on what kind of worker: the options that say so, for every command that
 * has a model answer.
 */
#ifndef RBEE_KEEPER_ASK_TARGET_H
#define RBEE_KEEPER_ASK_TARGET_H

#include "keeper/ask/pool.h"

struct target {
    const char *model, *backend, *keep_alive; /* model: as typed; NULL = not given */
    int64_t device, slots, ctx;
};

/* clang-format off */
#define TARGET_OPT_MODEL(t)                                                                        \
    {"model", 'm', CLI_STR, &(t).model, 0, 0, "MODEL",                                             \
     "hf:org/repo[:Q4_K_M], a .gguf file, or tiny", 0}
#define TARGET_OPTS(t)                                                                             \
    {"backend", 0, CLI_STR, &(t).backend, 0, 0, "B", "auto, cpu, cuda, metal or vulkan (auto)",    \
     0},                                                                                           \
    {"device", 0, CLI_INT, &(t).device, 0, 255, "N", "which of the backend's devices", 0},         \
    {"slots", 0, CLI_INT, &(t).slots, 1, 64, "N", "requests at once of a new worker", 0},          \
    {"ctx", 0, CLI_INT, &(t).ctx, 1, 16777216, "N", "context of a new worker, in tokens", 0},      \
    {"keep-alive", 0, CLI_STR, &(t).keep_alive, 0, 0, "TIME",                                      \
     "how long the worker stays when idle, from now on: 5m, 0, -1", 0}
/* clang-format on */

#define TARGET_MODEL "tiny" /* where none is given */

void target_init(struct target *t);

/* What the option table cannot say: ERR_INVALID with the option's name. */
int target_check(const struct target *t, struct err *err);

/* All of *want but the model. */
void target_want(const struct target *t, struct pool_want *want);

#endif
