/*
 * kern.h - the contracts of the compute kernels, and the choice among their implementations.
 *
 * One numeric path. Each operation below is defined down to the order of its float operations, by
 * the plain C of ref.c, which stays for ever and is the specification. Every other set (avx2,
 * avx512, neon) must give *the same bits*: it may compute the integer parts in any order (they are
 * exact), may run several rows or columns side by side, but each float result goes through the same
 * operations in the same order. So a result does not depend on the kernel set, the number of
 * columns in a batch, the number of threads or the way a prompt was cut into chunks. The whole
 * project is compiled with -ffp-contract=off; where a fused multiply-add is meant it is written.
 *
 * Weights of a quantised type meet activations quantised to int8 in groups of 32 (struct kern_q8);
 * float weights meet the activations as they are. The two canonical dot products:
 *
 *  quantised  For each group b of 32 weights, in rising order, every type gives
 *               q[32]   int8 levels           (Q4_0: nibble - 8; Q4_K: nibble; Q6_K: value - 32;
 *                                              IQ4: the table's value ...)
 *               s[2]    int scales of its halves of 16 (1 for the simple types)
 *               d       float scale           (the block's d)
 *               m[2], dm  int and float scale of what is subtracted (0 where the type has no min)
 *             and with x = the activations' levels, dx their scale, xs = dx * sum of x, in float32,
 *             starting from acc = 0:
 *             - types with one scale a group (all but those below); d * s and dm * m are exact:
 *                 I   = sum_{0..31} q*x                                           exact in int32
 *                 acc = fmaf((float)I, (d * s) * dx, acc)
 *                 acc = fmaf(-(dm * m), xs, acc)                 for types with a min only
 *             - types with a scale for each half (Q2_K, Q3_K, Q6_K):
 *                 I   = s[0] * sum_{0..15} q*x + s[1] * sum_{16..31} q*x          exact in int32
 *                 acc = fmaf((float)I, d * dx, acc)
 *                 M   = m[0] * sum_{0..15} x + m[1] * sum_{16..31} x              exact in int32
 *                 acc = fmaf((float)M, -(dm * dx), acc)          for Q2_K only
 *             (Q4_1 and Q5_1 add their m: there dm = -m, m[] = 1.)
 *
 *  float      Sixteen accumulators; lane = k mod 16; each lane in rising order of k:
 *               acc[k % 16] = fmaf((float)w[k], x[k], acc[k % 16])
 *             and then kern_sum16: the halves are added lane by lane 16 -> 8 -> 4 -> 2 -> 1
 *             (t[i] = a[i] + a[i + n/2]).
 *
 * Kernels take no locks, allocate nothing, keep no state, and tolerate unaligned pointers.
 */
#ifndef RBEE_ENGINE_KERN_KERN_H
#define RBEE_ENGINE_KERN_KERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/gguf/types.h"

/* Activations a matrix product reads: n_cols rows of k floats, and the same quantised. */
struct kern_q8 {
    int8_t q[QK];   /* levels, -127..127 */
    float d;        /* x ~ d * q; 0 for an all-zero group */
    float xs;       /* d * the sum of q */
    int16_t sum[2]; /* sums of q over the two halves of 16 */
};
_Static_assert(sizeof(struct kern_q8) == 44, "kern_q8");

struct kern_acts {
    size_t k;                /* row length */
    size_t n_cols;           /* rows of activations (columns of the product) */
    const float *f;          /* (n_cols, k), contiguous */
    const struct kern_q8 *q; /* (n_cols, k / QK), contiguous; NULL when k is no multiple of QK */
};

/* Rows that a packed matrix keeps side by side, and the vector kernels work on. */
#define KERN_STRIPE 16

/* A weight matrix as it lies in the file: n_rows rows of k weights, rows contiguous. */
struct kern_mat {
    const struct type_info *type;
    const void *data;
    size_t n_rows, k;
    size_t row_bytes;
    const void *packed; /* the same weights as kern->pack lays them out, or NULL; 64-byte aligned */
};

/*
 * Attention of some rows of one sequence, in one layer, to one KV head: n_rows * n_heads queries.
 *
 * Keys and values lie in pages of KERN_PAGE_TOKENS positions:
 *   F16   K (head_dim, KERN_PAGE_TOKENS) halves: a float of all positions side by side, so that
 *           sixteen scores lie in the lanes of one register and need no sum across lanes;
 *         V (KERN_PAGE_TOKENS, head_dim) halves.
 *   Q8_0  groups of 32 floats as `quantize` makes them, head_dim being a multiple of QK:
 *         K (head_dim / 4, KERN_PAGE_TOKENS, 4) int8 levels, four floats of a position together,
 *           then (head_dim / QK, KERN_PAGE_TOKENS) float scales dk;
 *         V (KERN_PAGE_TOKENS, head_dim) int8 levels, then scales dv like those of K.
 * Keys and scales of a page behind the last position are read, and never matter; values are not.
 *
 * Positions are taken in blocks of KERN_BLOCK_TOKENS, each a softmax of its own, which are joined
 * in rising order (Milakov & Gimelshein 2018; Dao et al. 2022; blocks side by side: Dao et al.
 * 2023, "Flash-Decoding"). Blocks begin at multiples of their length, whoever works on them. For a
 * query that attends to the positions below n:
 *
 *   x[i]   = q[i] * scale
 *   s[p]   = F16: fmaf over i in rising order of k[p][i] * x[i], from 0
 *            Q8_0, x quantised to levels and scales dx: fmaf over groups g in rising order of
 *            (float)(sum of 32 products of levels) * (dk[p][g] * dx[g]), from 0
 *   of a block, over its positions p < n:
 *     max    = the largest s[p], from -infinity; a NaN never is
 *     e[p]   = kern_exp(s[p] - max)
 *     sum    = sixteen lanes over e[p] in rising order (lane = p mod 16), from 0, then kern_sum16
 *     v[i]   = fmaf over p in rising order of e[p] * v[p][i], from 0;
 *              with Q8_0 of (e[p] * dv[p][i / QK]) * (float)level[p][i]
 *   the part {max, sum, v} joined by the next block's, {max', sum', v'}:
 *     top    = max' > max ? max' : max;  a = kern_exp(max - top);  b = kern_exp(max' - top)
 *     max    = top;  sum = fmaf(sum', b, sum * a);  v[i] = fmaf(v'[i], b, v[i] * a)
 *   out[i] = v[i] * (1 / sum)
 */
#define KERN_PAGE_TOKENS  32
#define KERN_BLOCK_TOKENS 256
#define KERN_MAX_HEAD_DIM 1024
#define KERN_BLOCK_PAGES  (KERN_BLOCK_TOKENS / KERN_PAGE_TOKENS)

enum kern_kv { KERN_KV_F16, KERN_KV_Q8_0 };

/* Bytes of the keys, or the values, of a page. */
static inline size_t kern_strip_bytes(enum kern_kv type, size_t head_dim)
{
    size_t levels = KERN_PAGE_TOKENS * head_dim;

    return type == KERN_KV_F16 ? levels * sizeof(uint16_t) : levels + levels / QK * sizeof(float);
}

struct kern_attn {
    enum kern_kv type;
    const void *const *k_pages; /* of the sequence, from its first position on */
    const void *const *v_pages;
    size_t head_dim;
    size_t n_rows, n_heads; /* rows of the batch; query heads that share this KV head */
    const uint32_t *n_pos;  /* n_rows: row r attends to positions 0 .. n_pos[r] - 1; >= 1 */
    const float *q;         /* (n_rows, n_heads, head_dim), rows `stride` floats apart */
    float *out;             /* the same */
    size_t stride;
    float scale;    /* usually 1/sqrt(head_dim) */
    float *scratch; /* kern_attn_scratch(n_rows * n_heads, head_dim) floats */
};

/* Floats of the part of one query: max, sum, then head_dim values. */
static inline size_t kern_part_len(size_t head_dim)
{
    return 2 + head_dim;
}

/* Queries that go through a block together, at most. */
#define KERN_ATTEND_TILE 8

static inline size_t kern_attn_scratch(size_t n_queries, size_t head_dim)
{
    return (2 * n_queries + 2 * KERN_ATTEND_TILE) * kern_part_len(head_dim) +
           2 * (size_t)KERN_ATTEND_TILE * KERN_BLOCK_TOKENS;
}

/* Blocks that hold n_pos positions. */
static inline uint32_t kern_blocks_for(uint32_t n_pos)
{
    return n_pos / KERN_BLOCK_TOKENS + (n_pos % KERN_BLOCK_TOKENS != 0);
}

struct kern {
    const char *name; /* "ref", "avx2", "avxvnni", "avx512", "neon" */

    /*
     * x (k) f32 -> dst (k/QK): d = amax/127, q = round-to-nearest-even(x * (127/amax)).
     * k is a multiple of QK. A group whose amax lies below 2^-119 counts as all zero. A group with
     * a NaN or an infinity gives d = NaN and levels of 0, so that what it enters becomes a NaN too.
     */
    void (*quantize)(const float *x, size_t k, struct kern_q8 *dst);

    /*
     * y[c * y_stride + r] = dot(W row r, column c) for r in [row_begin, row_end), all columns.
     * Any type; for the quantised ones x->q must be there. Canonical dots as above. From
     * w->packed where it is there: row_begin is a multiple of KERN_STRIPE then.
     */
    void (*matmul)(const struct kern_mat *w, const struct kern_acts *x, float *y, size_t y_stride,
                   size_t row_begin, size_t row_end);

    /*
     * Lays stripes of KERN_STRIPE rows out for matmul, stripe_begin .. stripe_end - 1 of the matrix
     * (see pack.h): the same bits in every set. dst is where the whole packed matrix begins. NULL
     * in ref, which has no use for it.
     */
    void (*pack)(const struct kern_mat *w, size_t stripe_begin, size_t stripe_end, void *dst);

    /* One row of W as floats (embedding look-up): dst (k). w = d*s*q - dm*m, each exactly as in
     * dequantize of ref.c. */
    void (*get_row)(const struct kern_mat *w, size_t row, float *dst);

    /*
     * y[i] = (x[i] * r) * w[i], r = 1 / sqrtf(ss / k + eps), ss the canonical float dot of x with
     * itself (Zhang & Sennrich 2019). y may be x.
     */
    void (*rms_norm)(const float *x, const float *w, size_t k, float eps, float *y);

    /*
     * y[i] = fmaf((x[i] - mean) * r, w[i], b[i]), r = 1 / sqrtf(v / k + eps), mean the canonical
     * sum of x (sixteen lanes, lane = i mod 16, then kern_sum16) divided by k, v the canonical
     * float dot of x - mean with itself (Ba et al. 2016). y may be x.
     */
    void (*layer_norm)(const float *x, const float *w, const float *b, size_t k, float eps,
                       float *y);

    /*
     * Rotary embedding (Su et al. 2021) of n_heads heads of head_dim floats, in place; the first
     * n_rot of each are rotated. cs holds n_rot/2 pairs {cos, sin}. Pairs are (2i, 2i+1), or with
     * `neox` (i, i + n_rot/2):  a' = fmaf(a, c, -(b * s));  b' = fmaf(a, s, b * c).
     */
    void (*rope)(float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cs,
                 bool neox);

    /* gate[i] = (gate[i] / (1 + exp(-gate[i]))) * up[i]; exp is kern_exp. (Shazeer 2020) */
    void (*silu_mul)(float *gate, const float *up, size_t n);

    /*
     * x[i] = x[i] / 2 * (1 + erf(x[i] / sqrt(2))) (Hendrycks & Gimpel 2016), erf within 2^-22; the
     * exact sequence of operations is kern_gelu's in ref.c. -infinity gives a NaN.
     */
    void (*gelu)(float *x, size_t n);

    /* x[i] = kern_exp(x[i]) */
    void (*exp)(float *x, size_t n);

    /* y[i] = y[i] + x[i] */
    void (*add)(float *y, const float *x, size_t n);

    /* floats to half floats, round to nearest even; overflow gives infinity. */
    void (*to_f16)(const float *x, uint16_t *y, size_t n);

    /* Attention as above, to all positions of each row. */
    void (*attend)(const struct kern_attn *a);

    /*
     * The same in pieces, for threads to share: the parts of one block, which every row reaches
     * (query after query, kern_part_len floats each; only the block's pages are looked at, and out
     * is not), and n_parts parts of one query, `stride` floats apart, joined to out (head_dim); the
     * first part becomes all of them.
     */
    void (*attend_block)(const struct kern_attn *a, size_t block, float *parts);
    void (*attend_join)(float *parts, size_t n_parts, size_t stride, size_t head_dim, float *out);
};

/*
 * exp for float32, the same bits in every kernel set: below KERN_EXP_MIN gives 0, above
 * KERN_EXP_MAX is computed as at KERN_EXP_MAX; within 2 units in the last place of the true value
 * between. The exact sequence of operations is spelled out at its definition in ref.c.
 */
#define KERN_EXP_MIN (-87.0f)
#define KERN_EXP_MAX 88.0f
float kern_exp(float x);
float kern_gelu(float x);

float kern_f16_to_f32(uint16_t h); /* exact */
uint16_t kern_f32_to_f16(float f); /* round to nearest even */

/* The sets this build holds and this CPU can run, best first; NULL behind the last. */
const struct kern *const *kern_available(void);

/*
 * The set with this name, or the best one for NULL or "auto". NULL when the CPU or the build lacks
 * it. The environment is not read here: programs pass what their --kernels flag says.
 */
const struct kern *kern_find(const char *name);

#endif
