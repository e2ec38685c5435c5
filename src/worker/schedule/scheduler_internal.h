/* scheduler_internal.h - what the files behind scheduler.h share; for nobody else. */
#ifndef RBEE_WORKER_SCHEDULE_SCHEDULER_INTERNAL_H
#define RBEE_WORKER_SCHEDULE_SCHEDULER_INTERNAL_H

#include <pthread.h>

#include "worker/jobs/job_list.h"
#include "worker/jobs/outbox.h"
#include "worker/jobs/pace.h"
#include "worker/sandbox/lookout.h"
#include "worker/schedule/embed_pass.h"
#include "worker/schedule/intake.h"
#include "worker/schedule/pass.h"
#include "worker/schedule/queue_limit.h"
#include "worker/schedule/scheduler.h"
#include "worker/schedule/tuning.h"

/*
 * `lock` guards what comes in (inbox, stopping) and the engine's pointer, by which others may stop
 * it or count its steps; all else is the engine's thread's.
 */
struct scheduler {
    struct scheduler_params params;
    struct intake *intake, *questions; /* the second for what needs no slot, and may take long */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job_list inbox;
    bool stopping, changed_file; /* the second: somebody found the model's file changed */
    struct engine *engine;       /* NULL while there is none */

    struct engine_model *model;
    struct dialog *dialog;
    struct lookout *lookout;  /* at the model's files */
    struct pass pass;         /* of inferences; zeroed where the model embeds, */
    struct embed_pass embeds; /* which this is for; zeroed else */
    struct job_list waiting;
    struct queue_limit limit; /* of those */
    struct scheduler_facts facts;
    struct pace pace; /* of the passes */
    struct tuning tuning;
    int64_t looked_ms; /* at the model's files */
};

/* All below: the engine's thread's. */

/* Moves the inbox behind those that wait; true when it is time to stop. Until until_ms (clock_ms;
 * 0 = now, INT64_MAX = for ever) it waits for either. */
bool scheduler_collect(struct scheduler *s, int64_t until_ms);
/* Those of the waiting whose end was wished for are over. */
void scheduler_sweep_wished(struct scheduler *s);
/* From now on others may stop it, or, NULL, may not. */
void scheduler_publish_engine(struct scheduler *s, struct engine *engine);

/*
 * Model, engine, weights, in this order, so that prompts can be judged while the weights are read:
 * s->model, dialog, engine, pass or embeds, lookout and facts, and the intakes are open. On failure
 * *code says which kind it is, and what is there by then stays, for the thread's end.
 */
int scheduler_load(struct scheduler *s, enum api_code *code, struct err *err);

#endif
