/*
 * attend.h - attention, as small matrix products: a tile of queries goes through a block of
 * positions together and shares each load of a key or value. The scores have their lanes over the
 * positions of a page, the values over the floats of a head. Included behind floats.h.
 *
 * A page's strip of keys or values is too short for the hardware to foresee the next one. So each
 * line of values is fetched while the keys of its page are worked on, and the next block's keys
 * while the values are: both strips have one length, a line for each step of the loops.
 */
#ifndef RBEE_ENGINE_KERN_ATTEND_H
#define RBEE_ENGINE_KERN_ATTEND_H

/* Queries that follow each other, in one block. */
struct attend_tile {
    const struct kern_attn *a;
    size_t first, n; /* of the n_rows * n_heads */
    size_t width;    /* 1, 2, 4 or 8; those beyond n are zeros, and their results noise */
    size_t block;    /* which one */
    size_t n_ahead;  /* pages of the next block, whose keys may be fetched meanwhile */
    size_t n_pos[KERN_ATTEND_TILE]; /* n: positions of the block that each attends to */
    size_t least, most;             /* of n_pos */
    const float *q;                 /* (head_dim, width), scaled */
    float *s;                       /* (width, KERN_BLOCK_TOKENS) scores, then weights */
    float *parts;                   /* (width, kern_part_len) */
};

/* ---- scores -------------------------------------------------------------- */

/* To the second level of the cache; nothing happens where there is no memory. */
INLINE void attend_fetch(const uint16_t *p)
{
    __builtin_prefetch(p, 0, 2);
}

/* s (width, KERN_BLOCK_TOKENS) at a page's positions = K (head_dim, page) . q (head_dim, width) */
INLINE void attend_page(const uint16_t *k, const uint16_t *v, const float *q, size_t head_dim,
                        float *s, const size_t width)
{
    for (size_t p = 0; p < KERN_PAGE_TOKENS; p += LANES_ATTEND_VECS * LANES) {
        struct vf sum[KERN_ATTEND_TILE][LANES_ATTEND_VECS], key[LANES_ATTEND_VECS];

#pragma GCC unroll 8
        for (size_t c = 0; c < width; c++) {
#pragma GCC unroll 2
            for (size_t i = 0; i < LANES_ATTEND_VECS; i++)
                sum[c][i] = vf_set1(0.0f);
        }
        for (size_t d = 0; d < head_dim; d++) {
            attend_fetch(v + d * KERN_PAGE_TOKENS);
#pragma GCC unroll 2
            for (size_t i = 0; i < LANES_ATTEND_VECS; i++)
                key[i] = vf_load_half(k + d * KERN_PAGE_TOKENS + p + i * LANES);
#pragma GCC unroll 8
            for (size_t c = 0; c < width; c++) {
                struct vf x = vf_set1(q[d * width + c]);
#pragma GCC unroll 2
                for (size_t i = 0; i < LANES_ATTEND_VECS; i++)
                    sum[c][i] = vf_fma(key[i], x, sum[c][i]);
            }
        }
#pragma GCC unroll 8
        for (size_t c = 0; c < width; c++) {
#pragma GCC unroll 2
            for (size_t i = 0; i < LANES_ATTEND_VECS; i++)
                vf_store(s + c * KERN_BLOCK_TOKENS + p + i * LANES, sum[c][i]);
        }
    }
}

/* The whole pages that hold the block's positions. */
INLINE void attend_scores(const struct attend_tile *t, const size_t width)
{
    size_t page = t->block * KERN_BLOCK_PAGES;

    for (size_t p = 0; p < t->most; p += KERN_PAGE_TOKENS, page++)
        attend_page(t->a->k_pages[page], t->a->v_pages[page], t->q, t->a->head_dim, t->s + p,
                    width);
}

/* ---- softmax ------------------------------------------------------------- */

/* The largest of n whole vectors. */
static float attend_max(const float *s, size_t n)
{
    struct vf max = vf_set1(-INFINITY);
    float lanes[LANES], top;

    for (size_t i = 0; i < n; i += LANES)
        max = vf_max(vf_load(s + i), max);
    vf_store(lanes, max);
    top = lanes[0];
    for (int l = 1; l < LANES; l++)
        top = lanes[l] > top ? lanes[l] : top;
    return top;
}

/*
 * n scores to weights, in place; their max and sum to `part`. What lies behind them in the last
 * vector becomes a weight of 0, which adds nothing.
 */
static void attend_softmax(float *s, size_t n, float *part)
{
    const size_t whole = (n + LANES - 1) / LANES * LANES;
    struct vf sum = vf_set1(0.0f), max;

    for (size_t i = n; i < whole; i++)
        s[i] = -INFINITY;
    part[0] = attend_max(s, whole);
    max = vf_set1(part[0]);
    for (size_t i = 0; i < whole; i += LANES) {
        struct vf e = float_exp(vf_sub(vf_load(s + i), max));
        vf_store(s + i, e);
        sum = vf_add(sum, e);
    }
    part[1] = vf_sum(sum);
}

/* ---- values -------------------------------------------------------------- */

/* Positions of a block that lie in one page; V has its rows one after the other in there. */
struct attend_run {
    const uint16_t *v, *ahead; /* the same place in the next block's keys */
    size_t begin, end;
};

INLINE struct attend_run attend_run(const struct attend_tile *t, size_t begin, size_t end)
{
    size_t page = begin / KERN_PAGE_TOKENS, stop = (page + 1) * KERN_PAGE_TOKENS;
    size_t at = begin % KERN_PAGE_TOKENS * t->a->head_dim;
    const uint16_t *const *v = t->a->v_pages + t->block * KERN_BLOCK_PAGES + page;
    const uint16_t *const *k = t->a->k_pages + (t->block + 1) * KERN_BLOCK_PAGES + page;

    return (struct attend_run){*v + at, (page < t->n_ahead ? *k : *v) + at, begin,
                               end < stop ? end : stop};
}

/*
 * parts (width, ...) += e (width, begin..end-1) . V at n_vecs vectors of sixteen floats, `from` the
 * first; s and parts point at the first query's.
 */
INLINE void attend_floats(const struct attend_tile *t, size_t begin, size_t end, const float *s,
                          float *parts, size_t from, const size_t width, const size_t n_vecs)
{
    const size_t head_dim = t->a->head_dim, len = kern_part_len(head_dim);
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
        const uint16_t *v, *ahead;

        run = attend_run(t, p, end);
        v = run.v + from;
        ahead = run.ahead + from;
        for (size_t j = p; j < run.end; j++, v += head_dim, ahead += head_dim) {
            attend_fetch(ahead);
#pragma GCC unroll 2
            for (size_t i = 0; i < n_vecs; i++)
                value[i] = vf_load_half(v + i * LANES);
#pragma GCC unroll 8
            for (size_t c = 0; c < width; c++) {
                struct vf e = vf_set1(s[c * KERN_BLOCK_TOKENS + j]);
#pragma GCC unroll 2
                for (size_t i = 0; i < n_vecs; i++)
                    sum[c][i] = vf_fma(e, value[i], sum[c][i]);
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

/* The floats of a head from `from` on, fewer than sixteen, of one query. */
static void attend_rest(const struct attend_tile *t, size_t begin, size_t end, const float *s,
                        float *part, size_t from)
{
    struct attend_run run;

    for (size_t p = begin; p < end; p = run.end) {
        const uint16_t *v;

        run = attend_run(t, p, end);
        v = run.v;
        for (size_t j = p; j < run.end; j++, v += t->a->head_dim) {
            for (size_t i = from; i < t->a->head_dim; i++)
                part[2 + i] = fmaf(s[j], kern_f16_to_f32(v[i]), part[2 + i]);
        }
    }
}

/* All floats of a head, for `width` queries from c on, over some positions of the block. */
INLINE void attend_values(const struct attend_tile *t, size_t begin, size_t end, size_t c,
                          const size_t width)
{
    const size_t head_dim = t->a->head_dim, len = kern_part_len(head_dim);
    const size_t step = LANES_ATTEND_VECS * LANES;
    const float *s = t->s + c * KERN_BLOCK_TOKENS;
    float *parts = t->parts + c * len;
    size_t from = 0;

    for (; from + step <= head_dim; from += step)
        attend_floats(t, begin, end, s, parts, from, width, LANES_ATTEND_VECS);
    for (; from + LANES <= head_dim; from += LANES)
        attend_floats(t, begin, end, s, parts, from, width, 1);
    for (size_t i = 0; from < head_dim && i < width; i++)
        attend_rest(t, begin, end, s + i * KERN_BLOCK_TOKENS, parts + i * len, from);
}

static void attend_values_one(const struct attend_tile *t, size_t c)
{
    attend_values(t, t->least, t->n_pos[c], c, 1);
}

/* ---- a tile -------------------------------------------------------------- */

/* The parts of a tile: positions that all queries attend to together, the others one by one. */
INLINE void attend_tile_of(const struct attend_tile *t, const size_t width)
{
    const size_t len = kern_part_len(t->a->head_dim);

    attend_scores(t, width);
    for (size_t c = 0; c < t->n; c++)
        attend_softmax(t->s + c * KERN_BLOCK_TOKENS, t->n_pos[c], t->parts + c * len);
    for (size_t c = 0; c < width; c++)
        memset(t->parts + c * len + 2, 0, t->a->head_dim * sizeof(float));
    attend_values(t, 0, t->least, 0, width);
    for (size_t c = 0; c < t->n; c++) {
        if (t->n_pos[c] > t->least)
            attend_values_one(t, c);
    }
}

static void attend_tile(const struct attend_tile *t)
{
    if (LANES_ATTEND_QUERIES >= 8 && t->width == 8)
        attend_tile_of(t, 8);
    else if (t->width == 4)
        attend_tile_of(t, 4);
    else if (t->width == 2)
        attend_tile_of(t, 2);
    else
        attend_tile_of(t, 1);
}

/* ---- parts --------------------------------------------------------------- */

/* kern_exp of one number. */
INLINE float attend_exp(float x)
{
    float lanes[LANES];

    vf_store(lanes, float_exp(vf_set1(x)));
    return lanes[0];
}

/* part = part and then `next` */
static void attend_append(float *part, const float *next, size_t head_dim)
{
    float top = next[0] > part[0] ? next[0] : part[0];
    float a = attend_exp(part[0] - top), b = attend_exp(next[0] - top);
    size_t i = 2;

    part[0] = top;
    part[1] = fmaf(next[1], b, part[1] * a);
    for (; i + LANES <= head_dim + 2; i += LANES) {
        struct vf old = vf_mul(vf_load(part + i), vf_set1(a));
        vf_store(part + i, vf_fma(vf_load(next + i), vf_set1(b), old));
    }
    for (; i < head_dim + 2; i++)
        part[i] = fmaf(next[i], b, part[i] * a);
}

static void attend_finish(const float *part, size_t head_dim, float *out)
{
    const float inverse = 1.0f / part[1];

    for (size_t i = 0; i < head_dim; i++)
        out[i] = part[2 + i] * inverse;
}

static void attend_join(float *parts, size_t n_parts, size_t stride, size_t head_dim, float *out)
{
    for (size_t i = 1; i < n_parts; i++)
        attend_append(parts, parts + i * stride, head_dim);
    attend_finish(parts, head_dim, out);
}

/* ---- all queries --------------------------------------------------------- */

/* How the scratch of a call is cut. */
struct attend_room {
    float *q;     /* (n_queries, head_dim), tile after tile as in struct attend_tile */
    float *state; /* (n_queries, kern_part_len): what the blocks so far come to */
    float *parts; /* of a tile */
    float *s;     /* of a tile */
};

static struct attend_room attend_room(const struct kern_attn *a)
{
    const size_t n = a->n_rows * a->n_heads, len = kern_part_len(a->head_dim);
    struct attend_room room = {.q = a->scratch};

    room.state = room.q + (n + KERN_ATTEND_TILE) * a->head_dim;
    room.parts = room.state + n * len;
    room.s = room.parts + KERN_ATTEND_TILE * len;
    return room;
}

/* The tile that begins at query `first`. */
static struct attend_tile attend_tile_at(const struct kern_attn *a, const struct attend_room *room,
                                         size_t first, size_t block)
{
    size_t left = a->n_rows * a->n_heads - first;
    struct attend_tile t = {.a = a,
                            .first = first,
                            .n = left < LANES_ATTEND_QUERIES ? left : LANES_ATTEND_QUERIES,
                            .block = block,
                            .least = KERN_BLOCK_TOKENS,
                            .q = room->q + first * a->head_dim,
                            .s = room->s,
                            .parts = room->parts};

    t.width = t.n > 4 ? 8 : t.n > 2 ? 4 : t.n;
    for (size_t c = 0; c < t.n; c++) {
        size_t end = a->n_pos[(first + c) / a->n_heads], begin = block * KERN_BLOCK_TOKENS;
        size_t n_pos = end > begin ? end - begin : 0;

        t.n_pos[c] = n_pos < KERN_BLOCK_TOKENS ? n_pos : KERN_BLOCK_TOKENS;
        t.least = t.n_pos[c] < t.least ? t.n_pos[c] : t.least;
        t.most = t.n_pos[c] > t.most ? t.n_pos[c] : t.most;
    }
    return t;
}

/* Lays the queries out as the tiles want them. */
static void attend_pack(const struct kern_attn *a, const struct attend_room *room)
{
    const size_t n = a->n_rows * a->n_heads;

    for (size_t first = 0; first < n; first += LANES_ATTEND_QUERIES) {
        struct attend_tile t = attend_tile_at(a, room, first, 0);
        float *to = room->q + first * a->head_dim;

        for (size_t c = 0; c < t.width; c++) {
            size_t row = (first + c) / a->n_heads, head = (first + c) % a->n_heads;
            const float *q = a->q + row * a->stride + head * a->head_dim;

            for (size_t d = 0; d < a->head_dim; d++)
                to[d * t.width + c] = c < t.n ? q[d] * a->scale : 0.0f;
        }
    }
}

/* Adds the parts of a tile to what the blocks before it came to. */
static void attend_keep(const struct attend_tile *t, float *state)
{
    const size_t len = kern_part_len(t->a->head_dim);

    for (size_t c = 0; c < t->n; c++) {
        float *to = state + (t->first + c) * len;

        if (t->block == 0)
            memcpy(to, t->parts + c * len, len * sizeof *to);
        else if (t->n_pos[c] > 0)
            attend_append(to, t->parts + c * len, t->a->head_dim);
    }
}

/* One block of all queries; n_ahead pages lie behind it. */
static void attend_through(const struct kern_attn *a, const struct attend_room *room, size_t block,
                           size_t n_ahead, float *state)
{
    for (size_t first = 0; first < a->n_rows * a->n_heads; first += LANES_ATTEND_QUERIES) {
        struct attend_tile t = attend_tile_at(a, room, first, block);

        if (t.most == 0)
            continue;
        t.n_ahead = n_ahead;
        attend_tile(&t);
        attend_keep(&t, state);
    }
}

static void attend_block(const struct kern_attn *a, size_t block, float *parts)
{
    const size_t len = kern_part_len(a->head_dim);
    const struct attend_room room = attend_room(a);

    attend_pack(a, &room);
    for (size_t first = 0; first < a->n_rows * a->n_heads; first += LANES_ATTEND_QUERIES) {
        struct attend_tile t = attend_tile_at(a, &room, first, block);

        attend_tile(&t);
        memcpy(parts + first * len, t.parts, t.n * len * sizeof *parts);
    }
}

static void attend(const struct kern_attn *a)
{
    const size_t len = kern_part_len(a->head_dim);
    const struct attend_room room = attend_room(a);
    uint32_t most = 0, n_pages;

    attend_pack(a, &room);
    for (size_t r = 0; r < a->n_rows; r++)
        most = a->n_pos[r] > most ? a->n_pos[r] : most;
    n_pages = most / KERN_PAGE_TOKENS + (most % KERN_PAGE_TOKENS != 0);
    for (size_t block = 0; block < kern_blocks_for(most); block++) {
        size_t end = (block + 1) * KERN_BLOCK_PAGES;
        attend_through(a, &room, block, n_pages > end ? n_pages - end : 0, room.state);
    }
    for (size_t i = 0; i < a->n_rows * a->n_heads; i++) {
        size_t at = i / a->n_heads * a->stride + i % a->n_heads * a->head_dim;
        attend_finish(room.state + i * len, a->head_dim, a->out + at);
    }
}

#endif
