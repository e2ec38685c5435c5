/*
 * gather.h - panels of the packed layout made of rows as they lie in a file: sixteen rows, block by
 * block, transposed. Included behind panel.h.
 */
#ifndef RBEE_ENGINE_KERN_GATHER_H
#define RBEE_ENGINE_KERN_GATHER_H

/* The largest panel: Q8_0 has eight words and a half float a block. */
#define GATHER_MAX_BYTES (PANEL_GROUPS * (8 * PANEL_WORD + PANEL_HALF))
#define GATHER_WORDS     4 /* what vi_rows transposes at once; every block has as many */

/* The words of one block, which begin at byte `at` of each row. */
INLINE void gather_words(const uint8_t *const rows[KERN_STRIPE], size_t at, size_t n_words,
                         uint8_t *dst)
{
    struct vi w[GATHER_WORDS];

    for (size_t j = 0; j < n_words; j += GATHER_WORDS) {
        if (j + GATHER_WORDS > n_words) /* the last ones once more, with those before them */
            j = n_words - GATHER_WORDS;
        vi_rows(rows, at + j * sizeof(uint32_t), w);
        for (size_t i = 0; i < GATHER_WORDS; i++)
            vi_store(dst + (j + i) * PANEL_WORD, w[i]);
    }
}

/* Blocks `block` .. `block + n - 1` of the rows, as a panel at dst; padding is left as it is. */
static void gather_panel(const struct type_info *type, const uint8_t *const rows[KERN_STRIPE],
                         size_t block, size_t n, uint8_t *dst)
{
    const struct pack_shape shape = pack_shape(type->type);
    uint8_t *halves = dst + n * shape.n_words * PANEL_WORD;

    for (size_t b = 0; b < n; b++) {
        const size_t at = (block + b) * type->block_bytes;

        gather_words(rows, at + shape.words_at, shape.n_words,
                     dst + b * shape.n_words * PANEL_WORD);
        for (size_t r = 0; shape.has_half && r < KERN_STRIPE; r++)
            memcpy(halves + b * PANEL_HALF + r * sizeof(uint16_t), rows[r] + at + shape.half_at,
                   sizeof(uint16_t));
    }
}

/* Pointers to the rows from `row` on; the last one before `end` stands in for missing ones. */
static void gather_rows(const struct kern_mat *w, size_t row, size_t end,
                        const uint8_t *rows[KERN_STRIPE])
{
    for (size_t r = 0; r < KERN_STRIPE; r++) {
        const size_t from = row + r < end ? row + r : end - 1;
        rows[r] = (const uint8_t *)w->data + from * w->row_bytes;
    }
}

static void gather_pack(const struct kern_mat *w, size_t stripe_begin, size_t stripe_end, void *dst)
{
    const struct pack_shape shape = pack_shape(w->type->type);
    const size_t per_panel = PACK_PANEL / w->type->block_elems;
    const size_t n_blocks = w->k / w->type->block_elems, stripe_bytes = pack_stripe_bytes(w);
    const uint8_t *rows[KERN_STRIPE];

    for (size_t s = stripe_begin; s < stripe_end; s++) {
        uint8_t *to = (uint8_t *)dst + s * stripe_bytes;

        gather_rows(w, s * KERN_STRIPE, w->n_rows, rows);
        for (size_t b = 0; b < n_blocks; b += per_panel) {
            size_t n = n_blocks - b < per_panel ? n_blocks - b : per_panel;

            gather_panel(w->type, rows, b, n, to);
            to += pack_panel_bytes(shape, n);
        }
    }
}

#endif
