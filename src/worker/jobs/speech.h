/*
 * speech.h - the tokens of an answer to the notes its client gets: text, thoughts, tool calls, and
 * what the model thought of its tokens.
 *
 * A token's text passes a decoder (whole characters only), then the stop strings, then, where the
 * job is a conversation, the splitter (chat/split.h). Stop strings are looked for in the text as
 * the model writes it, thoughts and calls included. The engine's thread owns it.
 */
#ifndef RBEE_WORKER_JOBS_SPEECH_H
#define RBEE_WORKER_JOBS_SPEECH_H

#include <stdbool.h>
#include <stdint.h>

#include "api/inference.h"
#include "base/err.h"
#include "engine/engine.h"
#include "worker/jobs/outbox.h"

struct chat_template;
struct dialog;
struct speech;

struct speech_params {
    const struct engine_model *model;
    const struct inference_request *request; /* must outlive it, as must the job */
    struct job *job;                         /* whom the notes are about */
    const struct dialog *dialog;             /* with messages; else NULL */
    const struct chat_template *template;    /* with messages */
    bool starts_text;                        /* nothing stands before the answer */
    bool thinking;                           /* the prompt opened a thought */
};

int speech_create(const struct speech_params *p, struct speech **out, struct err *err);
void speech_free(struct speech *s); /* NULL is fine */

/* Keeps what the model thought of a token: it goes with the next text. Before speech_put of it. */
void speech_score(struct speech *s, int32_t token, const float *logits, uint32_t n_vocab);

/*
 * One more token. Its text, as far as it is known to be no mark or stop string, goes to the
 * outbox. 1: a stop string is complete (speech_flush gives what was before it); 0; -1: memory ran
 * out.
 */
int speech_put(struct speech *s, int32_t token, struct outbox *out, uint64_t tokens_out);

/* What comes, and what was held back, is no call, whatever it looks like. */
void speech_forgo_calls(struct speech *s);

/* The text is over, not by a stop string: what was held back, but for the beginning of a character
 * that was cut off. 0, or -1: memory ran out. */
int speech_finish(struct speech *s, struct outbox *out, uint64_t tokens_out);
/* Gives out all that waits, for a text that is over. 0, or -1: memory ran out. */
int speech_flush(struct speech *s, struct outbox *out, uint64_t tokens_out);

/* Which stop string it was, once speech_put gave 1. */
const char *speech_stop(const struct speech *s);

bool speech_is_thinking(const struct speech *s);
uint32_t speech_n_calls(const struct speech *s);
/* A whole call was told and no other was begun. */
bool speech_has_called(const struct speech *s);

#endif
