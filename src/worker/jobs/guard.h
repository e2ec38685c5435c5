/*
 * guard.h - keeps one answer to its constraint: which tokens may come next, as the sampler's mask.
 *
 * chat/constrain.h knows texts; a guard adds what tokens need: ends of the answer where the text
 * may end, and marks of the template (control tokens) where the constraint stands around calls.
 * Made by the intake's thread, from then on the engine's.
 */
#ifndef RBEE_WORKER_JOBS_GUARD_H
#define RBEE_WORKER_JOBS_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "api/inference.h"
#include "base/err.h"

struct dialog;
struct grammar_stop;
struct guard;

/* Of a request that asks for a constraint (chat_constraint_is_asked). `stop` (may be NULL) and
 * errors as chat_constraint_create's.
 */
int guard_create(struct dialog *d, const struct inference_request *r, bool thinking,
                 const struct grammar_stop *stop, struct guard **out, struct err *err);
void guard_free(struct guard *g);          /* NULL is fine */
size_t guard_bytes(const struct guard *g); /* see chat_constraint_bytes */

/* Which tokens may come next: is it known? */
enum guard_state {
    GUARD_NEW,  /* nobody has looked since the newest token */
    GUARD_SLOW, /* one look was not enough */
    GUARD_READY /* it is, or guard_mask has an error to tell */
};

enum guard_state guard_state(const struct guard *g);
/* Where it is not known, a go at finding it out, of GRAMMAR_MAX_WORK at most; what it is then. */
enum guard_state guard_look(struct guard *g);

/*
 * Of one that is ready. *mask: the tokens that may come next, at least one; until guard_take.
 * ERR_LIMIT (it is named), ERR_INVALID (the vocabulary has none), ERR_NO_MEMORY: none may, and the
 * answer cannot go on.
 */
int guard_mask(struct guard *g, const uint64_t **mask, struct err *err);

/* The token that was chosen, no end. ERR_LIMIT, ERR_NO_MEMORY, ERR_INVALID (it was not in the
 * mask). */
int guard_take(struct guard *g, int32_t token, struct err *err);

/* As chat_constraint_forgoes_calls. */
bool guard_forgoes_calls(const struct guard *g);

/* Nothing more may come. */
bool guard_must_end(const struct guard *g);

#endif
