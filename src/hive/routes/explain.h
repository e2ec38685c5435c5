/*
 * explain.h - what would happen if a worker were asked for now, and why: nothing is changed.
 */
#ifndef RBEE_HIVE_ROUTES_EXPLAIN_H
#define RBEE_HIVE_ROUTES_EXPLAIN_H

#include "hive/hive.h"

/*
 * POST /v1/workers/explain, with the body of a spawn. Answers
 *   {"node", "model_ref", "model_path", "backend", "device", "slots", "ctx", "kv_type",
 *    "need": {"weights_bytes","kv_bytes","scratch_bytes","total_bytes"},
 *    "have": {"total_bytes","free_bytes","promised_bytes","usable_bytes","idle_bytes"},
 *    "worker_id": of the one that would be reused, or null,
 *    "ends": [{"worker_id","model_ref","frees_bytes","idle_ms"}],
 *    "decision": "reuse" | "start" | "make_room" | "wait" | "refuse", "code": of a refusal,
 * "reason": "..."} or the error that a spawn would give before memory is looked at. `id` is not
 * used.
 */
void explain_answer(struct hive *h, struct http_exchange *x, const char *id);

#endif
