/*
 * attend_values.h - attention: the values of a block of positions, summed by the weights of a tile
 * of queries, with lanes over the floats of a head. Included behind attend_scores.h.
 */
#ifndef RBEE_ENGINE_KERN_ATTEND_VALUES_H
#define RBEE_ENGINE_KERN_ATTEND_VALUES_H

/* Positions of a block that lie in one page; V has its rows one after the other in there. */
struct attend_run {
    const uint8_t *v, *ahead; /* `ahead`: the same place in the next block's keys */
    size_t begin, end;
};

/* Bytes of a value in a row; with Q8_0 its scale is elsewhere. */
INLINE size_t attend_value_bytes(enum kern_kv type)
{
    return type == KERN_KV_F16 ? sizeof(uint16_t) : sizeof(int8_t);
}

INLINE struct attend_run attend_run(const struct attend_tile *t, size_t begin, size_t end)
{
    const struct kern_attn *a = t->a;
    size_t page = begin / KERN_PAGE_TOKENS, stop = (page + 1) * KERN_PAGE_TOKENS;
    size_t at = begin % KERN_PAGE_TOKENS * a->head_dim * attend_value_bytes(a->type);
    const void *const *v = a->v_pages + t->block * KERN_BLOCK_PAGES + page;
    const void *const *k = a->k_pages + (t->block + 1) * KERN_BLOCK_PAGES + page;
    const uint8_t *ahead = page < t->n_ahead ? *k : *v;

    return (struct attend_run){(const uint8_t *)*v + at, ahead + at, begin,
                               end < stop ? end : stop};
}

/* Sixteen values. */
INLINE struct vf attend_load(const uint8_t *v, const enum kern_kv type)
{
    return type == KERN_KV_F16 ? vf_load_half((const uint16_t *)v)
                               : vf_load_levels((const int8_t *)v);
}

/*
 * parts (width, ...) += e (width, begin..end-1) . V at n_vecs vectors of sixteen floats, `from` the
 * first; e and parts point at the first query's.
 */
INLINE void attend_floats(const struct attend_tile *t, size_t begin, size_t end, const float *e,
                          float *parts, size_t from, const size_t width, const size_t n_vecs,
                          const enum kern_kv type)
{
    const size_t len = kern_part_len(t->a->head_dim), bytes = attend_value_bytes(type);
    const size_t row_bytes = t->a->head_dim * bytes;
    struct vf sum[KERN_ATTEND_TILE][LANES_ATTEND_VECS], value[LANES_ATTEND_VECS];
    float *to = parts + 2 + from;
    struct attend_run run;

#pragma GCC unroll 8
    for (size_t c = 0; c < width; c++) {
#pragma GCC unroll 2
        for (size_t i = 0; i < n_vecs; i++)
            sum[c][i] = vf_load(to + c * len + i * LANES);
    }
    for (size_t p = begin; p < end; p = run.end) {
        run = attend_run(t, p, end);
        run.v += from * bytes;
        run.ahead += from * bytes;
        for (size_t j = p; j < run.end; j++, run.v += row_bytes, run.ahead += row_bytes) {
            attend_fetch(run.ahead);
#pragma GCC unroll 2
            for (size_t i = 0; i < n_vecs; i++)
                value[i] = attend_load(run.v + i * LANES * bytes, type);
#pragma GCC unroll 8
            for (size_t c = 0; c < width; c++) {
                struct vf weight = vf_set1(e[c * KERN_BLOCK_TOKENS + j]);
#pragma GCC unroll 2
                for (size_t i = 0; i < n_vecs; i++)
                    sum[c][i] = vf_fma(weight, value[i], sum[c][i]);
            }
        }
    }
#pragma GCC unroll 8
    for (size_t c = 0; c < width; c++) {
#pragma GCC unroll 2
        for (size_t i = 0; i < n_vecs; i++)
            vf_store(to + c * len + i * LANES, sum[c][i]);
    }
}

/* The floats of a head from `from` on, fewer than sixteen, of one query. F16 only. */
static void attend_rest(const struct attend_tile *t, size_t begin, size_t end, const float *e,
                        float *part, size_t from)
{
    const size_t head_dim = t->a->head_dim;
    struct attend_run run;

    for (size_t p = begin; p < end; p = run.end) {
        const uint16_t *v;

        run = attend_run(t, p, end);
        v = (const uint16_t *)run.v;
        for (size_t j = p; j < run.end; j++, v += head_dim) {
            for (size_t i = from; i < head_dim; i++)
                part[2 + i] = fmaf(e[j], kern_f16_to_f32(v[i]), part[2 + i]);
        }
    }
}

/* All floats of a head, for `width` queries from c on, over some positions of the block. */
INLINE void attend_values_f16(const struct attend_tile *t, size_t begin, size_t end, size_t c,
                              const size_t width)
{
    const size_t head_dim = t->a->head_dim, len = kern_part_len(head_dim);
    const size_t step = LANES_ATTEND_VECS * LANES;
    const float *e = t->s + c * KERN_BLOCK_TOKENS;
    float *parts = t->parts + c * len;
    size_t from = 0;

    for (; from + step <= head_dim; from += step)
        attend_floats(t, begin, end, e, parts, from, width, LANES_ATTEND_VECS, KERN_KV_F16);
    for (; from + LANES <= head_dim; from += LANES)
        attend_floats(t, begin, end, e, parts, from, width, 1, KERN_KV_F16);
    for (size_t i = 0; from < head_dim && i < width; i++)
        attend_rest(t, begin, end, e + i * KERN_BLOCK_TOKENS, parts + i * len, from);
}

/* w = weights of the positions times the scales of their group of values, for whole vectors. */
INLINE void attend_scale(const struct attend_tile *t, size_t begin, size_t end, size_t group,
                         size_t c, const size_t width)
{
    const void *const *pages = t->a->v_pages + t->block * KERN_BLOCK_PAGES;
    const size_t skip = t->a->head_dim * KERN_PAGE_TOKENS;

    for (size_t p = begin / LANES * LANES; p < end; p += LANES) {
        const float *scales = (const float *)((const int8_t *)pages[p / KERN_PAGE_TOKENS] + skip);
        struct vf dv = vf_load(scales + group * KERN_PAGE_TOKENS + p % KERN_PAGE_TOKENS);

#pragma GCC unroll 8
        for (size_t i = c; i < c + width; i++)
            vf_store(t->w + i * KERN_BLOCK_TOKENS + p,
                     vf_mul(vf_load(t->s + i * KERN_BLOCK_TOKENS + p), dv));
    }
}

INLINE void attend_values_q8(const struct attend_tile *t, size_t begin, size_t end, size_t c,
                             const size_t width)
{
    const size_t head_dim = t->a->head_dim;
    float *parts = t->parts + c * kern_part_len(head_dim);

    for (size_t group = 0; group < head_dim / QK; group++) {
        attend_scale(t, begin, end, group, c, width);
        for (size_t i = 0; i < QK; i += LANES_ATTEND_VECS * LANES)
            attend_floats(t, begin, end, t->w + c * KERN_BLOCK_TOKENS, parts, group * QK + i, width,
                          LANES_ATTEND_VECS, KERN_KV_Q8_0);
    }
}

INLINE void attend_values(const struct attend_tile *t, size_t begin, size_t end, size_t c,
                          const size_t width)
{
    if (t->a->type == KERN_KV_F16)
        attend_values_f16(t, begin, end, c, width);
    else
        attend_values_q8(t, begin, end, c, width);
}

static void attend_values_one(const struct attend_tile *t, size_t c)
{
    attend_values(t, t->least, t->n_pos[c], c, 1);
}

#endif
