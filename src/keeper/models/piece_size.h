/*
 * piece_size.h - how large the next piece of a push is: as much as the line brings in a few
 * seconds.
 *
 * A hive waits 30 s for a request's body and keeps nothing of half a one, so that pieces of one
 * size would never arrive on a line that is too slow for it. The first piece is small; each one
 * that has arrived says how fast the line is. Pure.
 */
#ifndef RBEE_KEEPER_MODELS_PIECE_SIZE_H
#define RBEE_KEEPER_MODELS_PIECE_SIZE_H

#include <stddef.h>
#include <stdint.h>

#define PIECE_BYTES_MIN   4096 /* over a line of 140 bytes a second these still come in time */
#define PIECE_BYTES_FIRST (64u << 10)
#define PIECE_GROWTH      4    /* at most so many times larger than the one before */
#define PIECE_AIM_MS      5000 /* a sixth of what the hive grants: lines falter */

struct piece_size {
    size_t next; /* bytes; start with PIECE_BYTES_FIRST */
};

/*
 * How many bytes from `from` on, of which there are some up to `to`: next, but no more than
 * max_bytes, and not past a multiple of that.
 */
size_t piece_size_at(const struct piece_size *s, uint64_t from, uint64_t to, size_t max_bytes);
/* n bytes have arrived in so many ms, their answer included. */
void piece_size_sent(struct piece_size *s, size_t n, int64_t ms);
/* A piece did not arrive: smaller ones may. */
void piece_size_failed(struct piece_size *s);

#endif
