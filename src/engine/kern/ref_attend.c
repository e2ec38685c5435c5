/*
 * ref_attend.c - attention in plain C: the specification of kern.h, to be read, not to be fast.
 * Keeps no state; any thread.
 */
#include <math.h>
#include <string.h>

#include "engine/kern/sets.h"

/* A query as the scores want it. */
struct query {
    float x[KERN_MAX_HEAD_DIM];
    struct kern_q8 q8[KERN_MAX_HEAD_DIM / QK];
};

static void make_query(const struct kern_attn *a, const float *q, struct query *out)
{
    for (size_t i = 0; i < a->head_dim; i++)
        out->x[i] = q[i] * a->scale;
    if (a->type == KERN_KV_Q8_0)
        kern_ref.quantize(out->x, a->head_dim, out->q8);
}

/* Scale of the group g of position p, behind the levels of a strip. */
static float scale_of(const struct kern_attn *a, const void *strip, size_t p, size_t g)
{
    const int8_t *levels = strip;
    float d;

    memcpy(&d, levels + a->head_dim * KERN_PAGE_TOKENS + (g * KERN_PAGE_TOKENS + p) * sizeof d,
           sizeof d);
    return d;
}

/* s[p], p counting from the first position of the page */
static float score_f16(const struct kern_attn *a, const struct query *q, const uint16_t *k,
                       size_t p)
{
    float s = 0.0f;

    for (size_t i = 0; i < a->head_dim; i++)
        s = fmaf(kern_f16_to_f32(k[i * KERN_PAGE_TOKENS + p]), q->x[i], s);
    return s;
}

static float score_q8(const struct kern_attn *a, const struct query *q, const int8_t *k, size_t p)
{
    float s = 0.0f;

    for (size_t g = 0; g < a->head_dim / QK; g++) {
        int32_t sum = 0;

        for (size_t i = 0; i < QK; i++) {
            size_t word = (g * QK + i) / 4;
            sum += k[(word * KERN_PAGE_TOKENS + p) * 4 + i % 4] * q->q8[g].q[i];
        }
        s = fmaf((float)sum, scale_of(a, k, p, g) * q->q8[g].d, s);
    }
    return s;
}

/* v[i] += e * the values of position p */
static void add_values(const struct kern_attn *a, float e, const void *strip, size_t p, float *v)
{
    if (a->type == KERN_KV_F16) {
        const uint16_t *row = (const uint16_t *)strip + p * a->head_dim;
        for (size_t i = 0; i < a->head_dim; i++)
            v[i] = fmaf(e, kern_f16_to_f32(row[i]), v[i]);
    } else {
        const int8_t *row = (const int8_t *)strip + p * a->head_dim;
        for (size_t i = 0; i < a->head_dim; i++)
            v[i] = fmaf(e * scale_of(a, strip, p, i / QK), (float)row[i], v[i]);
    }
}

/* The part of the query q of n positions from the first of `block` on. */
static void block_part(const struct kern_attn *a, const float *q, size_t block, size_t n,
                       float *part)
{
    const void *const *k = a->k_pages + block * KERN_BLOCK_PAGES;
    const void *const *v = a->v_pages + block * KERN_BLOCK_PAGES;
    float s[KERN_BLOCK_TOKENS], lanes[LANES] = {0}, max = -INFINITY;
    struct query query;

    make_query(a, q, &query);
    for (size_t p = 0; p < n; p++) {
        const void *page = k[p / KERN_PAGE_TOKENS];
        size_t at = p % KERN_PAGE_TOKENS;

        s[p] =
            a->type == KERN_KV_F16 ? score_f16(a, &query, page, at) : score_q8(a, &query, page, at);
        max = s[p] > max ? s[p] : max;
    }
    memset(part + 2, 0, a->head_dim * sizeof *part);
    for (size_t p = 0; p < n; p++) {
        float e = kern_exp(s[p] - max);

        lanes[p % LANES] = lanes[p % LANES] + e;
        add_values(a, e, v[p / KERN_PAGE_TOKENS], p % KERN_PAGE_TOKENS, part + 2);
    }
    part[0] = max;
    part[1] = kern_sum16(lanes);
}

/* part = part and then `next` */
static void join(float *part, const float *next, size_t head_dim)
{
    float top = next[0] > part[0] ? next[0] : part[0];
    float a = kern_exp(part[0] - top), b = kern_exp(next[0] - top);

    part[0] = top;
    part[1] = fmaf(next[1], b, part[1] * a);
    for (size_t i = 2; i < 2 + head_dim; i++)
        part[i] = fmaf(next[i], b, part[i] * a);
}

static void finish(const float *part, size_t head_dim, float *out)
{
    float inverse = 1.0f / part[1];

    for (size_t i = 0; i < head_dim; i++)
        out[i] = part[2 + i] * inverse;
}

/* Positions of a block that a row of n_pos attends to. */
static size_t positions_in(size_t block, size_t n_pos)
{
    size_t left = n_pos - block * KERN_BLOCK_TOKENS;

    return left < KERN_BLOCK_TOKENS ? left : KERN_BLOCK_TOKENS;
}

void ref_attend(const struct kern_attn *a)
{
    float *part = a->scratch, *next = part + kern_part_len(a->head_dim);

    for (size_t r = 0; r < a->n_rows; r++) {
        for (size_t h = 0; h < a->n_heads; h++) {
            size_t at = r * a->stride + h * a->head_dim;

            block_part(a, a->q + at, 0, positions_in(0, a->n_pos[r]), part);
            for (size_t b = 1; b < kern_blocks_for(a->n_pos[r]); b++) {
                block_part(a, a->q + at, b, positions_in(b, a->n_pos[r]), next);
                join(part, next, a->head_dim);
            }
            finish(part, a->head_dim, a->out + at);
        }
    }
}

void ref_attend_block(const struct kern_attn *a, size_t block, float *parts)
{
    for (size_t r = 0; r < a->n_rows; r++) {
        for (size_t h = 0; h < a->n_heads; h++, parts += kern_part_len(a->head_dim))
            block_part(a, a->q + r * a->stride + h * a->head_dim, block,
                       positions_in(block, a->n_pos[r]), parts);
    }
}

void ref_attend_join(float *parts, size_t n_parts, size_t stride, size_t head_dim, float *out)
{
    for (size_t i = 1; i < n_parts; i++)
        join(parts, parts + i * stride, head_dim);
    finish(parts, head_dim, out);
}
