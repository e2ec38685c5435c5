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

/* What one thread needs to attend: n_heads / n_kv_heads * n_ctx scores, and page pointers. */
struct scratch_thread {
    float *scores;
    const uint16_t **k_pages, **v_pages;
};

/* B = n_batch rows; the other letters as in weights.h, R = n_rot. */
struct scratch {
    float *x;              /* (B, E) the residual stream */
    float *h;              /* (B, E) normalised; then what is added to x */
    struct kern_q8 *hq;    /* (B, E/32) h, quantised; each q8 NULL where 32 does not divide */
    float *q;              /* (B, Q) */
    float *k, *v;          /* (B, K) */
    float *att;            /* (B, Q) what attention gives */
    struct kern_q8 *attq;  /* (B, Q/32) */
    float *gate, *up;      /* (B, F) */
    struct kern_q8 *gateq; /* (B, F/32) */
    float *cs;             /* (B, R) cosines and sines */
    double *freq;          /* (R/2) */
    float *logits;         /* (B, V) */
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
