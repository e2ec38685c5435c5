/*
 * forward.h - one pass of a batch of rows through the layers of a llama-like decoder.
 *
 * Both families are one: RMS norm, grouped-query attention with rotary positions, SwiGLU; biases
 * where the file has them. Each float comes from one kernel call whose order of operations is
 * fixed by kern.h, and no call's result depends on how many rows or threads there are, so a row's
 * logits are the same bits in any batch. The calling thread leads, the pool's threads help.
 */
#ifndef RBEE_ENGINE_MODEL_FORWARD_H
#define RBEE_ENGINE_MODEL_FORWARD_H

#include <stdatomic.h>

#include "engine/kern/kern.h"
#include "engine/kern/pool.h"
#include "engine/model/hparams.h"
#include "engine/model/kv.h"
#include "engine/model/scratch.h"
#include "engine/model/weights.h"

struct forward_row {
    int32_t token;
    int seq;
    uint32_t pos;    /* reserved in the KV of seq */
    uint32_t n_seen; /* positions it attends to, from the first on; never fewer than the row before
                      * of the same sequence */
    bool want_logits;
};

struct forward {
    const struct hparams *hp;
    const struct weights *w;
    const struct kern *kern;
    struct pool *pool;
    struct kv *kv;
    struct scratch s;
    struct rows window; /* how products come to their weights */
    double rope_magnitude;
    struct forward_row *rows; /* n_rows: the batch; the caller fills it, a pass may reorder it */
    uint32_t n_rows;
    _Atomic uint64_t steps;     /* layers computed */
    atomic_bool stop;           /* asks the running pass, else the next one, to end early */
    bool (*in_vain)(void *arg); /* asked before each layer; true ends the pass. May be NULL */
    void *in_vain_arg;
};

/* Makes the rotary frequencies, once. `packing`: w is going to be packed (packs.h). */
void forward_prepare(struct forward *f, bool packing);

/*
 * Runs f->rows. Logits of the rows that want them land in f->s.logits, one after another in their
 * order. Returns false when it ended early: because of f->stop, which is then cleared, or in_vain,
 * or because weights could not be read, which rows_failed tells until the next pass.
 */
bool forward_run(struct forward *f);

/* ---- for encoder.c, which is made of the same parts ---- */

/* Before a layer: it is not to be computed any more. */
bool forward_must_end(struct forward *f);

/* Runs a job whose tasks are the rows of the batch, each of n values. */
void forward_each_row(struct forward *f, pool_fn *task, void *arg, size_t n);

/* x (n_rows, k) as a product reads it: as floats and, where q is there, quantised to it. */
struct kern_acts forward_activations(struct forward *f, const float *x, size_t k,
                                     struct kern_q8 *q);

#endif
