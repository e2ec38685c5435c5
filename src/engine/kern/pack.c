/*
 * pack.c - see pack.h. Keeps no state; any thread.
 */
#include "engine/kern/pack.h"

#include <string.h>

#include "base/err.h"
#include "engine/kern/unpack.h"

/*
 * Blocks are whole words, or that and a half float: the d of a block of 32, which comes first, or
 * of a super-block, which comes last.
 */
struct pack_shape pack_shape(enum tensor_type type)
{
    const struct type_info *t = type_info(type);
    struct pack_shape shape = {0};

    if (!unpack_is_quantised(type))
        return shape;
    shape.n_words = (uint8_t)(t->block_bytes / sizeof(uint32_t));
    shape.has_half = t->block_bytes % sizeof(uint32_t) != 0;
    if (shape.has_half && t->block_elems == QK)
        shape.words_at = sizeof(uint16_t);
    else if (shape.has_half)
        shape.half_at = (uint8_t)(t->block_bytes - sizeof(uint16_t));
    return shape;
}

size_t pack_panel_bytes(struct pack_shape shape, size_t n_blocks)
{
    size_t words = n_blocks * shape.n_words * KERN_STRIPE * sizeof(uint32_t);
    size_t halves = shape.has_half ? n_blocks * KERN_STRIPE * sizeof(uint16_t) : 0;

    return words + (halves + PACK_ALIGN - 1) / PACK_ALIGN * PACK_ALIGN;
}

size_t pack_stripe_bytes(const struct kern_mat *w)
{
    const struct pack_shape shape = pack_shape(w->type->type);
    const size_t per_panel = PACK_PANEL / w->type->block_elems;
    size_t n_blocks, rest;

    if (shape.n_words == 0)
        return 0;
    n_blocks = w->k / w->type->block_elems;
    rest = n_blocks % per_panel;
    return n_blocks / per_panel * pack_panel_bytes(shape, per_panel) +
           (rest ? pack_panel_bytes(shape, rest) : 0);
}

size_t pack_bytes(const struct kern_mat *w)
{
    return (w->n_rows + KERN_STRIPE - 1) / KERN_STRIPE * pack_stripe_bytes(w);
}

/* One panel: blocks `block` .. `block + n - 1` of the rows from `row` on. Returns its end. */
static uint8_t *pack_panel(const struct kern_mat *w, struct pack_shape shape, size_t row,
                           size_t block, size_t n, uint8_t *dst)
{
    uint8_t *halves = dst + n * shape.n_words * KERN_STRIPE * sizeof(uint32_t);
    uint8_t *end = dst + pack_panel_bytes(shape, n);

    memset(halves, 0, (size_t)(end - halves));
    for (size_t r = 0; r < KERN_STRIPE; r++) {
        const size_t from = row + r < w->n_rows ? row + r : w->n_rows - 1;

        for (size_t b = 0; b < n; b++) {
            const uint8_t *src =
                (const uint8_t *)w->data + from * w->row_bytes + (block + b) * w->type->block_bytes;

            for (size_t j = 0; j < shape.n_words; j++)
                memcpy(dst + ((b * shape.n_words + j) * KERN_STRIPE + r) * sizeof(uint32_t),
                       src + shape.words_at + j * sizeof(uint32_t), sizeof(uint32_t));
            if (shape.has_half)
                memcpy(halves + (b * KERN_STRIPE + r) * sizeof(uint16_t), src + shape.half_at,
                       sizeof(uint16_t));
        }
    }
    return end;
}

void pack_stripes(const struct kern_mat *w, size_t stripe_begin, size_t stripe_end, void *dst)
{
    const struct pack_shape shape = pack_shape(w->type->type);
    const size_t per_panel = PACK_PANEL / w->type->block_elems;
    const size_t n_blocks = w->k / w->type->block_elems;

    BUG_ON(shape.n_words == 0);
    for (size_t s = stripe_begin; s < stripe_end; s++) {
        uint8_t *to = (uint8_t *)dst + s * pack_stripe_bytes(w);

        for (size_t b = 0; b < n_blocks; b += per_panel) {
            size_t n = n_blocks - b < per_panel ? n_blocks - b : per_panel;

            to = pack_panel(w, shape, s * KERN_STRIPE, b, n, to);
        }
    }
}
