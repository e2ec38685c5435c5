/*
 * intake_text.h - what the intake does with one job: its prompt to tokens, or its question about
 * text and tokens answered. The intake's thread.
 */
#ifndef RBEE_WORKER_JOBS_INTAKE_TEXT_H
#define RBEE_WORKER_JOBS_INTAKE_TEXT_H

#include <stdint.h>

#include "engine/engine.h"

struct dialog;
struct job;
struct lookout;

struct intake_model {
    const struct engine_model *model;
    struct dialog *dialog;
    struct lookout *lookout; /* at the model's files */
    uint32_t n_ctx;
};

/* Sets the job's tokens, from a prompt, from tokens or from messages. -1: the job is over, with its
 * error. */
int intake_prompt(const struct intake_model *with, struct job *j);

/* Ends a job that is no inference, with its answer or an error. */
void intake_answer(const struct intake_model *with, struct job *j);

#endif
