/*
 * attend.h - attention, as small matrix products: a tile of queries goes through a block of
 * positions together and shares each load of a key or value. Included behind attend_values.h.
 */
#ifndef RBEE_ENGINE_KERN_ATTEND_H
#define RBEE_ENGINE_KERN_ATTEND_H

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
    float *q;     /* (n_queries, head_dim), tile after tile as q or q8 of struct attend_tile */
    float *state; /* (n_queries, kern_part_len): what the blocks so far come to */
    float *parts; /* of a tile */
    float *s, *w; /* of a tile */
};

static struct attend_room attend_room(const struct kern_attn *a)
{
    const size_t n = a->n_rows * a->n_heads, len = kern_part_len(a->head_dim);
    struct attend_room room = {.q = a->scratch};

    room.state = room.q + (n + KERN_ATTEND_TILE) * a->head_dim;
    room.parts = room.state + n * len;
    room.s = room.parts + KERN_ATTEND_TILE * len;
    room.w = room.s + KERN_ATTEND_TILE * KERN_BLOCK_TOKENS;
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
                            .q8 = (const struct kern_q8 *)(room->q + first * a->head_dim),
                            .s = room->s,
                            .w = room->w,
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

/* Query c of a tile, scaled, to where the tile wants it; zeros where there is none. */
static void attend_pack_one(const struct attend_tile *t, size_t c, float *to, struct kern_q8 *to_q8)
{
    const struct kern_attn *a = t->a;
    size_t row = (t->first + c) / a->n_heads, head = (t->first + c) % a->n_heads;
    const float *q = a->q + row * a->stride + head * a->head_dim;

    if (a->type == KERN_KV_F16) {
        for (size_t d = 0; d < a->head_dim; d++)
            to[d * t->width + c] = c < t->n ? q[d] * a->scale : 0.0f;
        return;
    }
    for (size_t g = 0; g < a->head_dim / QK; g++) {
        float x[QK] = {0};

        for (size_t d = 0; c < t->n && d < QK; d++)
            x[d] = q[g * QK + d] * a->scale;
        float_quantize(x, QK, &to_q8[g * t->width + c]);
    }
}

static void attend_pack(const struct kern_attn *a, const struct attend_room *room)
{
    for (size_t first = 0; first < a->n_rows * a->n_heads; first += LANES_ATTEND_QUERIES) {
        struct attend_tile t = attend_tile_at(a, room, first, 0);
        float *to = room->q + first * a->head_dim;

        for (size_t c = 0; c < t.width; c++)
            attend_pack_one(&t, c, to, (struct kern_q8 *)to);
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
