/*
 * packs.h - packed copies of a model's weight matrices, made little by little.
 *
 * Products of few rows run two to three times as fast on packed matrices (kern/pack.h), but packing
 * means reading all weights and writing as much memory. So an engine starts on the file's mapping
 * as it is, and packs matrix by matrix between batches; each product takes what is there. Results
 * are the same bits either way. A matrix that has been packed gives its pages of the file back, so
 * that a model is held once.
 *
 * The engine's thread owns it. A packed matrix is written before anybody can see it.
 */
#ifndef RBEE_ENGINE_MODEL_PACKS_H
#define RBEE_ENGINE_MODEL_PACKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/kern/kern.h"
#include "engine/kern/pool.h"
#include "engine/model/rows.h"
#include "engine/model/scratch.h"
#include "engine/model/weights.h"

struct packs;

/* Room for the packed matrices of w (address space only, yet). Ends with packs_free. 0 with NULL in
 * *out: there is no such room (vm.overcommit_memory=2, ulimit -v), and none is needed. */
int packs_create(const struct weights *w, const struct kern *kern, struct packs **out,
                 struct err *err);
void packs_free(struct packs *p); /* NULL is fine */

/* Bytes that all of them take once packed, to the end of a huge page, beyond what they have in the
 * file. */
uint64_t packs_padding(const struct weights *w);

/* The weights, with what is packed so far. */
const struct weights *packs_weights(const struct packs *p);

/*
 * Packs about max_bytes more, read by way of the threads' windows; false once all is done, or when
 * the file cannot be read any more, which the next pass will tell.
 */
bool packs_step(struct packs *p, struct pool *pool, struct rows *rows,
                const struct scratch_thread *threads, uint64_t max_bytes);

#endif
