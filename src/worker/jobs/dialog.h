/*
 * dialog.h - what a worker needs to talk in conversations: the model's chat templates (or the one
 * that was given instead), and which tokens are marks of them.
 *
 * Made once, when the model is open, and immutable from then on, but for the vocabulary of
 * constraints, which the intake's thread makes when the first job asks for one.
 */
#ifndef RBEE_WORKER_JOBS_DIALOG_H
#define RBEE_WORKER_JOBS_DIALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/inference.h"
#include "base/err.h"
#include "chat/template.h"
#include "engine/engine.h"

struct dialog;
struct grammar_store;
struct grammar_vocab;
struct jinja_stop;
struct sources;

/*
 * A template given beside the model (sources.h) must be good: ERR_IO, ERR_INVALID, ERR_UNSUPPORTED,
 * ERR_LIMIT. A model's own that is not, or is not there, leaves a dialog that cannot chat. The
 * model must outlive it.
 */
int dialog_create(const struct engine_model *m, struct sources *from, struct dialog **out,
                  struct err *err);
void dialog_free(struct dialog *d); /* NULL is fine */

/* The one for a request's conversation: models may have one of their own for tools. `r` NULL: for
 * one without. NULL when there is none: conversations are refused. */
const struct chat_template *dialog_template(const struct dialog *d,
                                            const struct inference_request *r);

/*
 * A request's messages to a prompt's text, put to `out`; *thinking as chat_template_render tells.
 * ERR_INVALID, ERR_UNSUPPORTED, ERR_LIMIT: the client's, or the template's, fault; ERR_CANCELLED
 * (stop).
 */
int dialog_render(const struct dialog *d, const struct inference_request *r,
                  const struct jinja_stop *stop, struct buf *out, bool *thinking, struct err *err);

/* Tokens of a rendered prompt: marks are tokens, and the model's BOS is there once. *ids is
 * malloc'ed; behind an error it is as it was, or NULL. Errors, `most` and `stop` as
 * engine_tokenize_most. */
int dialog_tokenize(const struct dialog *d, const char *text, size_t n_bytes, size_t most,
                    const struct engine_text_stop *stop, int32_t **ids, size_t *n_ids,
                    struct err *err);

/* A control token that is (a part of) a mark around calls or thoughts: an answer shows its text. */
bool dialog_is_mark(const struct dialog *d, int32_t id);

/* The ids of such tokens, and of those that end an answer, rising. */
const int32_t *dialog_marks(const struct dialog *d, size_t *n);
const int32_t *dialog_ends(const struct dialog *d, size_t *n);

/* What a token adds to an answer's text: marks are spelled, ends are nothing. -1: `out` is full. */
int dialog_bytes(const struct dialog *d, int32_t id, struct buf *out);

/*
 * The vocabulary of constraints, with the texts of dialog_bytes, and how many words a mask of it
 * has. Made at the first call; the intake's thread only.
 */
int dialog_vocab(struct dialog *d, struct grammar_vocab **out, size_t *n_words, struct err *err);
/* The grammars of this model's answers, kept for those who ask for them again. */
struct grammar_store *dialog_grammars(struct dialog *d);

#endif
