/*
 * judge.h - what a model file holds and whether it can be run: known from before, or asked of
 * `llm-worker-rbee inspect` in a process of a moment. Loop thread only.
 */
#ifndef RBEE_HIVE_CATALOG_JUDGE_H
#define RBEE_HIVE_CATALOG_JUDGE_H

#include "hive/catalog/inspect.h"
#include "hive/catalog/verdicts.h"

struct judge {
    struct looks *looks;
    const char *program; /* [hive] worker: where the worker's binary is; "" = beside the hive */
    const char *sandbox; /* [hive] sandbox */
    struct verdicts verdicts;
};

struct judge_ask;

/*
 * `done` comes once: from within when the file is known, else from the loop. The error is NULL, or
 * the callee moves it out; the ask is no more. -1 with *e, and no `done`, when nothing can begin
 * (WORKER_START_FAILED: there is no worker's binary). *out is NULL when `done` has come already.
 */
int judge_model(struct judge *j, const char *model_path,
                void (*done)(void *arg, const struct model_facts *facts, struct api_error *e),
                void *arg, struct judge_ask **out, struct api_error *e);
void judge_cancel(struct judge_ask *ask); /* `done` does not come; NULL is fine */

#endif
