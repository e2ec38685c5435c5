/*
 * inspect.h - asks `llm-worker-rbee inspect` what a model file holds.
 *
 * The hive never parses a model file: a process with nothing to lose does. Loop thread only.
 */
#ifndef RBEE_HIVE_CATALOG_INSPECT_H
#define RBEE_HIVE_CATALOG_INSPECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/errors.h"

#define INSPECT_TIMEOUT_MS 10000
#define INSPECT_JSON_MAX   (8u << 20) /* as in the worker: a chat template of 1 MiB, escaped */

struct inspect;
struct looks;

/* What the memory plan needs; zero where the file does not say. */
struct model_facts {
    uint64_t file_bytes, weight_bytes, context_length;
    uint64_t packing_bytes,
        tables_bytes; /* more than weight_bytes: once packed, and of the header */
    uint64_t kv_bytes_per_token, kv_bytes_per_token_q8_0; /* keys and values as F16, as Q8_0 */
    uint64_t kv_table_bytes_per_token;                    /* beside either */
    uint64_t scratch_bytes, scratch_bytes_per_slot;       /* of the first slot; of each one more */
    uint64_t logits_bytes_per_slot;                       /* past PLAN_LOGIT_ROWS slots */
    uint64_t scratch_bytes_per_position;                  /* past PLAN_DEFAULT_CTX */
    uint64_t n_parts;                                     /* files the model is split in */
};

struct inspect_result {
    /* INVALID_MODEL_FILE, UNSUPPORTED_MODEL or WORKER_START_FAILED; NULL when the model can be run.
     * Whoever is told may move it elsewhere and leave an empty one. */
    struct api_error *error;
    /* The look came to its end, and *error or its absence is what it says of the file. Else it was
     * killed, took too long or did not start: another one may end well. */
    bool judged;
    struct model_facts facts;
    json_t *json; /* all that was said; NULL when nothing was. Borrowed */
};

/* `sandbox` is [hive] sandbox, the same for all. Those who ask about the same file at the same time
 * get the answer of one process (looks.h). `done` comes once, from the loop, and the inspect is no
 * more; -1: *e says why nothing began. */
int inspect_start(struct looks *looks, const char *worker_program, const char *sandbox,
                  const char *model_path,
                  void (*done)(void *arg, const struct inspect_result *result), void *arg,
                  struct inspect **out, struct api_error *e);
void inspect_cancel(struct inspect *in); /* `done` does not come; NULL is fine */

#endif
