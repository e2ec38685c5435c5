/*
 * plan.h - will a model fit into this machine's memory? Judged before a process is started for it.
 */
#ifndef RBEE_HIVE_WORKERS_PLAN_H
#define RBEE_HIVE_WORKERS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "hive/catalog/inspect.h"

/* What a worker does when it is not told; the same numbers as in its own help. */
#define PLAN_DEFAULT_SLOTS 4
#define PLAN_DEFAULT_CTX   4096
/* So many slots have their logits in what a worker tells of one. */
#define PLAN_LOGIT_ROWS 32

struct plan_need {
    uint64_t weight_bytes; /* as they lie in memory, with the tables of the file's header */
    uint64_t kv_bytes;     /* with the tables of their pages */
    uint64_t scratch_bytes, total_bytes;
    uint64_t slots, ctx; /* that were planned for */
};

/*
 * slots and ctx 0 mean the worker's own choice; kv_q8_0: keys and values are kept so. ERR_LIMIT
 * when a sum passes 64 bits: the file lies about its sizes. ERR_UNSUPPORTED when the model's heads
 * do not fit q8_0, for which the engine would start no worker.
 */
int plan_memory(const struct model_facts *facts, uint64_t slots, uint64_t ctx, bool kv_q8_0,
                struct plan_need *out, struct err *err);

/*
 * A guess for a model of which only the files' size is known: the weights, a quarter more for keys
 * and values, and PLAN_ROUGH_BYTES to compute in.
 */
#define PLAN_ROUGH_BYTES (256u << 20)
uint64_t plan_rough(uint64_t file_bytes);

/* ERR_NO_MEMORY with both numbers when `need` is more than `free_bytes`. */
int plan_fits(const struct plan_need *need, uint64_t free_bytes, struct err *err);

#endif
