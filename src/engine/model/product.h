/*
 * product.h - matrix products of a batch, shared out over the pool by ranges of weight rows.
 *
 * Up to three matrices that read the same activations form one job: one wake-up of the pool, one
 * barrier. What follows a product value by value (bias, residual, GELU, SwiGLU's gate) is done by
 * the task that made the values, while they are in its cache.
 */
#ifndef RBEE_ENGINE_MODEL_PRODUCT_H
#define RBEE_ENGINE_MODEL_PRODUCT_H

#include "engine/kern/kern.h"
#include "engine/kern/pool.h"
#include "engine/model/scratch.h"

/* Weight rows in the smallest task: as many as the widest kernels work on side by side. */
#define PRODUCT_ROWS (2 * KERN_STRIPE)
#define PRODUCT_MAX  3

struct product_out {
    const struct kern_mat *w; /* (n_rows, k) */
    float *y;                 /* (n_cols, n_rows) */
    const float *bias;        /* (n_rows) added to y, or NULL */
    float *residual;          /* (n_cols, n_rows) to which y is added, or NULL */
    bool gelu;                /* y becomes gelu(y), behind the bias */
};

struct product {
    const struct kern *kern;
    const struct scratch_thread *threads; /* of the pool */
    struct rows *rows;
    struct kern_acts x;
    struct product_out out[PRODUCT_MAX];
    size_t n_out;
};

/* Every product of the job. */
void product_run(const struct product *p, struct pool *pool);

/* out[0] is the gate and out[1] what it lets through, both (n_ff, k): y0 = silu(y0) * y1. */
void product_run_gated(const struct product *p, struct pool *pool);

#endif
