/*
 * job.h - one inference, from its admission to its end.
 *
 * A job is made by the loop's thread and handed on: intake (prompt to tokens), scheduler (tokens to
 * text), and, as the message that it is over, back to the loop, which frees it. Whoever holds it is
 * the only one to touch it, with one exception: `wish`, by which the loop asks for an early end at
 * any time between. Because the loop alone frees jobs, its pointer stays good for that.
 *
 * Text is given to an outbox as it comes to be. Nothing of a prompt or an answer is ever logged.
 */
#ifndef RBEE_WORKER_JOBS_JOB_H
#define RBEE_WORKER_JOBS_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/board.h"
#include "api/errors.h"
#include "api/inference.h"
#include "engine/engine.h"
#include "worker/jobs/draft.h"

struct chat_template;
struct dialog;
struct embedding;
struct guard;
struct outbox;
struct reply;
struct speech;

/* Why a job should end early; the first wish stays. */
enum job_wish {
    JOB_GO_ON,
    JOB_DISCONNECT, /* its client has left */
    JOB_DELETE,     /* somebody asked for its end */
    JOB_TIME_OUT,   /* its deadline passed */
    JOB_DROP,       /* its answer cannot be given: no memory */
    JOB_SHUT_DOWN   /* the worker ends */
};

/* Most jobs are inferences; most others end in the intake, and take its thread because it may be
 * long. */
enum job_kind {
    JOB_INFERENCE,
    JOB_RENDER,     /* the request's messages to a prompt */
    JOB_TOKENIZE,   /* the request's prompt to ids */
    JOB_DETOKENIZE, /* the request's prompt_tokens to text */
    JOB_EMBEDDING   /* not of those: its texts go through the engine to vectors (embedding.h) */
};

struct job {
    enum job_kind kind;
    struct inference_request request;
    bool add_special, parse_special, with_pieces; /* JOB_TOKENIZE */
    struct embedding *embedding;                  /* owned: of JOB_EMBEDDING; else NULL */
    struct reply *reply;                          /* the loop's; opaque to everybody else */
    _Atomic int wish;                             /* enum job_wish */
    const _Atomic uint64_t *passes;               /* the board's, or NULL */
    uint64_t wished_at_pass;                      /* how many had ended when the wish was made */
    int64_t submitted_ms;
    struct job *next; /* in whatever list the holder has it */

    /* intake */
    int32_t *tokens; /* of the prompt */
    size_t n_tokens;
    const struct dialog *dialog;          /* of messages; else NULL */
    const struct chat_template *template; /* which of the dialog's it is */
    bool thinking;                        /* the prompt's end opened a thought */
    struct guard *guard;                  /* owned: of an answer that is constrained; else NULL */
    size_t n_kept; /* bytes that stay until its end: of the request, of the guard */
    char *answer;  /* owned: of another kind than an inference, once it is over */

    /* scheduler; made by job_begin, given back by job_give_back */
    int seq;            /* of the engine; -1 before and behind */
    uint32_t n_fed;     /* prompt tokens decoded, or taken from the engine, so far */
    uint32_t n_planned; /* rows in the batch being built */
    uint32_t first_row; /* where they begin */
    int32_t next_token; /* to decode next, once the prompt is done */
    struct engine_sampler *sampler;
    struct speech *speech;
    struct draft draft; /* without a text where nothing is guessed */
    int64_t begun_ms, first_token_ms;

    /* the end */
    bool over, failed;         /* failed: `error` counts, else `end` */
    enum job_wish ended_by;    /* JOB_GO_ON: by itself */
    enum board_phase ended_in; /* with ended_by: how far it was */
    uint64_t ended_at_pass;    /* with ended_by: passes ended by then */
    struct inference_end end;
    struct api_error error;
};

/* It ends in the intake, with an answer about text or tokens. */
bool job_is_question(const struct job *j);

/* Takes over *request (which is then as after init). NULL when out of memory. */
struct job *job_create(struct inference_request *request);
/* Frees; the engine's things must have been given back. NULL is fine. */
void job_free(struct job *j);

/* Asks for an early end; any thread. */
void job_wish_end(struct job *j, enum job_wish wish);
enum job_wish job_wished(const struct job *j);
/* Is anything wished of this struct job? For those who ask while they work at one: a template, a
 * grammar, a text that becomes tokens. */
bool job_is_to_end(void *job);

/* The prompt is not decoded whole yet. */
bool job_in_prefill(const struct job *j);
/* The token of the i-th row of this job's next rows: of the prompt, or the last one and guesses. */
int32_t job_row_token(const struct job *j, uint32_t i);

/*
 * Takes a sequence, a sampler and a decoder of text from the engine; with `guess` the job's answer
 * may be guessed (draft.h). On failure nothing is held.
 */
int job_begin(struct job *j, struct engine *engine, bool guess, struct err *err);
/* Of a job in prefill: takes what the engine has kept of the prompt's next tokens. */
void job_reuse(struct job *j, struct engine *engine);
/* Gives them back, and closes the job. */
void job_give_back(struct job *j, struct engine *engine);
/*
 * No more is made of it. Before the loop gets it: its guard wants the lock of its grammar, which
 * another answer by the same grammar may hold for a tenth of a second, again and again.
 */
void job_close(struct job *j);

/* Of a job past its prompt: at most `most` guesses for its next rows, where they pay
 * (draft_price); how many. */
uint32_t job_guess(struct job *j, const struct engine *engine, uint32_t most, double price);
/* The first n_right of them were right: the sequence loses the others' rows. */
void job_judge(struct job *j, struct engine *engine, uint32_t n_right);

/*
 * One more token from the logits behind a row of the job, whose guard, if it has one, is ready; its
 * text goes to the outbox. May end the job: `over` is then set.
 */
void job_step(struct job *j, struct engine *engine, const float *logits, struct outbox *out);

/* Each ends the job: an error of ours, or what was wished (not JOB_GO_ON). */
void job_fail(struct job *j, enum api_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void job_end_early(struct job *j, enum job_wish wish);

#endif
