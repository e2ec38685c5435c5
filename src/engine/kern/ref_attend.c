/*
 * ref_attend.c - attention in plain C: the specification of kern.h, to be read, not to be fast.
 * Keeps no state; any thread.
 */
#include <math.h>
#include <string.h>

#include "engine/kern/sets.h"

/* s[p], p counting from the first position of the page */
static float score(const struct kern_attn *a, const float *q, const uint16_t *k, size_t p)
{
    float s = 0.0f;

    for (size_t i = 0; i < a->head_dim; i++)
        s = fmaf(kern_f16_to_f32(k[i * KERN_PAGE_TOKENS + p]), q[i] * a->scale, s);
    return s;
}

/* The part of the query q of n positions from the first of `block` on. */
static void block_part(const struct kern_attn *a, const float *q, size_t block, size_t n,
                       float *part)
{
    float s[KERN_BLOCK_TOKENS], lanes[LANES] = {0}, max = -INFINITY;
    float *v = part + 2;

    for (size_t p = 0; p < n; p++) {
        size_t page = block * KERN_BLOCK_PAGES + p / KERN_PAGE_TOKENS;

        s[p] = score(a, q, a->k_pages[page], p % KERN_PAGE_TOKENS);
        max = s[p] > max ? s[p] : max;
    }
    memset(v, 0, a->head_dim * sizeof *v);
    for (size_t p = 0; p < n; p++) {
        size_t page = block * KERN_BLOCK_PAGES + p / KERN_PAGE_TOKENS;
        const uint16_t *row = a->v_pages[page] + p % KERN_PAGE_TOKENS * a->head_dim;
        float e = kern_exp(s[p] - max);

        lanes[p % LANES] = lanes[p % LANES] + e;
        for (size_t i = 0; i < a->head_dim; i++)
            v[i] = fmaf(e, kern_f16_to_f32(row[i]), v[i]);
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
