/* open_times.h - how long the opening of a model took, part by part. Any thread. */
#ifndef RBEE_WORKER_SCHEDULE_OPEN_TIMES_H
#define RBEE_WORKER_SCHEDULE_OPEN_TIMES_H

struct engine_model;
struct timings;

/* Adds the phases of engine_model_open: "header", "weights", "tokenizer". */
void open_times_put(struct timings *t, const struct engine_model *m);

#endif
