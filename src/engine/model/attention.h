/*
 * attention.h - the attention of one layer for a batch: keys and values to their pages, then every
 * row with the positions of its own sequence that it sees: up to its own, or in an encoder all.
 *
 * Rows of a sequence go to the kernel several at a time, so that they share each load of a key or
 * value. Where there are too few such tasks for the threads (a long context, one sequence), the
 * blocks of kern.h are tasks of their own and are joined afterwards. Neither shows in a result.
 */
#ifndef RBEE_ENGINE_MODEL_ATTENTION_H
#define RBEE_ENGINE_MODEL_ATTENTION_H

#include "engine/model/forward.h"

/* Turns f->s.q and f->s.k (n_rows, ...) by their positions and keeps k and v of `layer`. */
void attention_keep(struct forward *f, uint32_t layer);

/* f->s.att (n_rows, Q) from f->s.q, over the pages of `layer`. */
void attention_attend(struct forward *f, uint32_t layer);

#endif
