/*
 * pack.h - the packed layout of quantised weights: sixteen rows side by side.
 *
 * A product reads sixteen rows at once, lane = row. As they lie in a file, that means sixteen
 * streams and a transposition of everything read; with one column that costs more than the product.
 * Packed, the same bytes are one stream of whole vectors. Nothing is decoded or rounded, and a
 * packed matrix is as large as the one in the file but for padding:
 *
 *   matrix  stripes of KERN_STRIPE rows; in the last one the last row stands in for missing rows
 *   stripe  panels of up to PACK_PANEL weights a row, in rising order
 *   panel   the words of its blocks, block behind block: word j of a block is KERN_STRIPE 32-bit
 *           words, one for each row; then the half floats of its blocks, KERN_STRIPE each; padded
 *           to a multiple of 64 bytes
 *
 * Which bytes of a block are its words, and which one its half float, is told by struct pack_shape.
 */
#ifndef RBEE_ENGINE_KERN_PACK_H
#define RBEE_ENGINE_KERN_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/kern/kern.h"

#define PACK_ALIGN 64  /* bytes, of panels; what the packed matrix itself must have */
#define PACK_PANEL 256 /* weights of a row in a panel: a super-block, or eight blocks */

/* A block is n_words words from byte words_at on, and, where has_half, a half float at half_at. */
struct pack_shape {
    uint8_t words_at, n_words, half_at;
    bool has_half;
};

/* n_words is 0 for the float types, which are used as they lie. */
struct pack_shape pack_shape(enum tensor_type type);

/* Bytes of a panel of n_blocks blocks. */
size_t pack_panel_bytes(struct pack_shape shape, size_t n_blocks);

/* Bytes of a stripe, and of the whole matrix; 0 for the float types. */
size_t pack_stripe_bytes(const struct kern_mat *w);
size_t pack_bytes(const struct kern_mat *w);

/* kern->pack in plain C. */
void pack_stripes(const struct kern_mat *w, size_t stripe_begin, size_t stripe_end, void *dst);

#endif
