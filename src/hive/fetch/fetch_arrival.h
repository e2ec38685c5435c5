/*
 * fetch_arrival.h - the XXH3 of pieces as their bytes arrive, while they are in the cache: a piece
 * that one stream brings from its first byte to its last need not be read back for the ledger.
 *
 * Whatever comes otherwise (a stream that begins within a piece, two that share one, a part file of
 * an earlier life) is read back by fetch_work.c.
 */
#ifndef RBEE_HIVE_FETCH_FETCH_ARRIVAL_H
#define RBEE_HIVE_FETCH_FETCH_ARRIVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest;
struct pieces;

/* What one stream brings. Zeros are fine. */
struct fetch_arrival {
    struct digest *digest; /* of the piece's bytes so far; NULL = it is not followed */
    uint64_t at;           /* the byte that would go on with it */
};

/* These n bytes are on disk from `from` on. What became whole is told to `p`. */
void fetch_arrival_put(struct fetch_arrival *a, struct pieces *p, uint64_t from, const void *bytes,
                       size_t n);
void fetch_arrival_forget(struct fetch_arrival *a);

#endif
