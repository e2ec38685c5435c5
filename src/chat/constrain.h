/*
 * constrain.h - what an answer must look like, as a row of grammars: a thought that the prompt
 * opened, then either text by a grammar or schema, or tool calls in the template's own way.
 *
 * A schema beside tools that may be called, but need not, leaves the choice to the model: both are
 * followed from where they begin, and the first byte that only one of them allows decides. Where
 * calls have no marks, so that an object of the schema may be one, what is a call up to its
 * arguments is a call. Where there must be a call, the schema waits for an answer that is none.
 *
 * Tool calls are three kinds of stretches, one behind the other: what leads to the arguments
 * (marks, one of the names), the arguments by that tool's schema, and what closes the call (and,
 * where there may be more, leads to the next one). A stretch ends where its grammar must end, so no
 * token covers two of them.
 *
 * A constraint belongs to one answer and one thread at a time. Grammars are src/grammar's.
 */
#ifndef RBEE_CHAT_CONSTRAIN_H
#define RBEE_CHAT_CONSTRAIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/inference.h"
#include "base/err.h"
#include "chat/format.h"
#include "grammar/grammar.h"
#include "grammar/store.h"

/* What the grammars of one request may take together, in memory and to make. Those of usual tools
 * have some tens of KiB each. */
#define CHAT_CONSTRAINT_MAX_BYTES ((size_t)64 << 20)
#define CHAT_CONSTRAINT_MAX_STEPS ((uint64_t)64 << 20) /* see grammar/rules.h */

struct chat_constraint;

/* Does a request ask for one? */
bool chat_constraint_is_asked(const struct inference_request *r);

/*
 * Of a request that asks for one: its grammars, from the store or made for it. `format` is needed
 * for tool calls only; `think` is NULL unless the prompt opened a thought. ERR_INVALID,
 * ERR_UNSUPPORTED, ERR_LIMIT name what in the grammar or schema is at fault; ERR_NO_MEMORY;
 * ERR_CANCELLED when `stop` (grammar.h, may be NULL) asked for an end. The vocabulary must outlive
 * it; the store need not.
 */
int chat_constraint_create(const struct inference_request *r, const struct chat_format *format,
                           const struct chat_think *think, struct grammar_vocab *vocab,
                           struct grammar_store *store, const struct grammar_stop *stop,
                           struct chat_constraint **out, struct err *err);
void chat_constraint_free(struct chat_constraint *c); /* NULL is fine */
/* What its grammars take in memory, also where it shares them with others. */
size_t chat_constraint_bytes(const struct chat_constraint *c);

/* As grammar_matcher_mask: the tokens that may come next, until the next call. NULL: past a limit.
 */
const uint64_t *chat_constraint_mask(struct chat_constraint *c);
/* As grammar_matcher_goes_on, behind such a mask: not past it yet. */
bool chat_constraint_goes_on(const struct chat_constraint *c);
/* As grammar_matcher_why, behind such a mask, or one that is empty. */
int chat_constraint_why(struct chat_constraint *c, struct err *err);
/* Marks of the template may be written here, as tokens of their own. */
bool chat_constraint_takes_marks(const struct chat_constraint *c);

/* A call was possible, and the answer has become a text: whatever there is in it, it is no call. */
bool chat_constraint_forgoes_calls(const struct chat_constraint *c);

/* The bytes of the chosen token. ERR_INVALID when they are not allowed; ERR_LIMIT; ERR_NO_MEMORY.
 */
int chat_constraint_put(struct chat_constraint *c, const char *bytes, size_t n, struct err *err);

/* The answer may end here; it must. */
bool chat_constraint_may_end(const struct chat_constraint *c);
bool chat_constraint_must_end(const struct chat_constraint *c);

#endif
