/*
 * scratch.h - the memory a forward pass works in: one mapping, made with the engine, cut into the
 * arrays below. Pages never touched cost nothing, so room for logits of every row of a batch is
 * kept though usually one row a sequence asks. The engine's thread owns it; during a job each task
 * writes to its own rows or its own thread's part.
 */
#ifndef RBEE_ENGINE_MODEL_SCRATCH_H
#define RBEE_ENGINE_MODEL_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/kern/kern.h"
#include "engine/model/hparams.h"
#include "engine/model/rows.h"

/* Rows of one sequence that attend together. */
struct scratch_run {
    uint32_t begin, n;
};

/* At most so many: enough queries to share what is loaded, few enough to stay in a cache. */
#define SCRATCH_RUN_QUERIES 64

static inline uint32_t scratch_rows_per_run(const struct hparams *hp)
{
    uint32_t group = hp->n_heads / hp->n_kv_heads;

    return group < SCRATCH_RUN_QUERIES ? SCRATCH_RUN_QUERIES / group : 1;
}

/* Pairs of a row and a KV head below which attention is cut by blocks, too. */
static inline size_t scratch_split_tasks(unsigned n_threads)
{
    return n_threads > 1 ? 2 * (size_t)n_threads : 0;
}

/* A thread's own: what it needs to attend, and a window on weights. */
struct scratch_thread {
    float *attn;     /* the kernel's scratch, for scratch_rows_per_run rows */
    uint32_t *n_pos; /* scratch_rows_per_run */
    const void **k_pages, **v_pages;
    uint8_t *window; /* ROWS_WINDOW_BYTES, see rows.h */
};

/* B = n_batch rows; the other letters as in weights.h, R = n_rot. */
struct scratch {
    float *x;                 /* (B, E) the residual stream */
    float *h;                 /* (B, E) normalised; then what is added to x */
    struct kern_q8 *hq;       /* (B, E/32) h, quantised; each q8 NULL where 32 does not divide */
    float *q;                 /* (B, Q) */
    float *k, *v;             /* (B, K) */
    float *att;               /* (B, Q) what attention gives */
    struct scratch_run *runs; /* (B) */
    float *parts; /* (scratch_split_tasks, blocks of n_ctx, n_heads / n_kv_heads, kern_part_len) */
    struct kern_q8 *attq;           /* (B, Q/32) */
    float *gate, *up;               /* (B, F) */
    struct kern_q8 *gateq;          /* (B, F/32) */
    float *cs;                      /* (B, R) cosines and sines */
    double *freq;                   /* (R/2) */
    float *logits;                  /* (B, V) */
    struct scratch_thread *threads; /* n_threads */
    void *mapping;
    size_t mapping_bytes;
};

struct scratch_shape {
    const struct hparams *hp;
    uint32_t n_vocab, n_batch, n_ctx;
    uint32_t n_logits; /* rows of logits there is room for */
    unsigned n_threads;
};

/* Bytes of such a mapping; UINT64_MAX when that overflows. */
uint64_t scratch_bytes(const struct scratch_shape *shape);

/* ERR_NO_MEMORY with the number of bytes. */
int scratch_init(struct scratch *s, const struct scratch_shape *shape, struct err *err);
void scratch_done(struct scratch *s); /* a zeroed one is fine */

#endif
