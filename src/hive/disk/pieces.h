/*
 * pieces.h - which bytes of a file are still missing, who is getting them, and what of it is safe.
 *
 * A file is cut into pieces of equal size (the last may be shorter). What is missing is a sorted
 * list of holes; a hole is free, or taken by one source. A source fills its hole from the front;
 * one that fails drops what is left of it. A source that finds no free hole gets the back half of
 * the largest taken one, so that the slowest never decides when a file ends: a taken hole may
 * become shorter at any time, and whoever fills it looks at `to` before every write.
 *
 * A piece without holes is whole; whole pieces are hashed by somebody and then safe. Nothing here
 * knows where bytes come from or go to. No locks: one thread.
 */
#ifndef RBEE_HIVE_DISK_PIECES_H
#define RBEE_HIVE_DISK_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "hive/disk/digest.h"

#define PIECES_MIN_BYTES   (64u << 10)
#define PIECES_MAX_BYTES   (16u << 20)
#define PIECES_AIM         64           /* as many pieces as a small file is cut into */
#define PIECES_SPLIT_BYTES (128u << 10) /* a half of a hole is no smaller */
#define PIECES_NONE        SIZE_MAX

struct pieces;

struct hole {
    uint64_t from, to; /* [from, to), read only for others */
    bool taken;
    struct hole *next;
};

/* What a file of this size is cut into: a multiple of 64 KiB, at most 16 MiB. */
uint64_t pieces_size_for(uint64_t size_bytes);

/* All of it missing. piece_bytes > 0. */
int pieces_create(uint64_t size_bytes, uint64_t piece_bytes, struct pieces **out, struct err *err);
void pieces_free(struct pieces *p);

size_t pieces_count(const struct pieces *p);
uint64_t pieces_missing(const struct pieces *p); /* bytes in holes */
void pieces_bounds(const struct pieces *p, size_t i, uint64_t *from, uint64_t *to);
size_t pieces_at(const struct pieces *p, uint64_t at); /* the one that holds this byte */
/* The piece that is exactly [from, to), or PIECES_NONE. */
size_t pieces_exactly(const struct pieces *p, uint64_t from, uint64_t to);

/* ---- holes ---- */

/* The first free hole, at most max_bytes of it, or one piece, and cut where a piece ends; NULL when
 * there is none, or no memory. */
struct hole *pieces_take(struct pieces *p, uint64_t max_bytes);
/* The back half of a taken one, taken by another; NULL when it is too small for that. */
struct hole *pieces_split(struct pieces *p, struct hole *h);
/* The source stops; an empty hole is no more afterwards. */
void pieces_drop(struct pieces *p, struct hole *h);
/* Its first n bytes are there: from += n. */
void pieces_fill(struct pieces *p, struct hole *h, uint64_t n);
/* The first part of [from, to) that is in any hole. False when none is. */
bool pieces_hole_in(const struct pieces *p, uint64_t from, uint64_t to, uint64_t *first,
                    uint64_t *last);
/* The next hole that is none empty, behind *cursor, which begins as NULL. False: there is none. */
bool pieces_next_hole(const struct pieces *p, const struct hole **cursor);
/* Up to where all bytes from `from` on are there, and nothing of them is doubted. */
uint64_t pieces_there_until(const struct pieces *p, uint64_t from);
/* [from, to) is no hole any more: it is there, or is said to be. Not within taken holes, unless the
 * taker asks for its own bytes (a stream that gets all of the file). -1 when out of memory. */
int pieces_close(struct pieces *p, uint64_t from, uint64_t to);
/* [from, to) is missing after all; pieces it touches are neither safe nor whole any more. */
int pieces_open(struct pieces *p, uint64_t from, uint64_t to);
/* Every taken hole becomes free. */
void pieces_drop_all(struct pieces *p);

/* ---- pieces ---- */

/* Bytes of [from, to) are said to be there, but are still to be checked: the pieces they lie in are
 * not whole before. +1 a claim, -1 when it is settled. */
void pieces_doubt(struct pieces *p, uint64_t from, int change);
/* The next whole piece that is not yet being hashed, marked as such; PIECES_NONE. */
size_t pieces_next_whole(struct pieces *p);
/* It is not being hashed after all: pieces_next_whole gives it again. */
void pieces_give_back(struct pieces *p, size_t i);
/* One source brought all of it, in order, and hashed it as it went by: nobody has to read it back.
 */
void pieces_arrived(struct pieces *p, size_t i, const char digest[DIGEST_XXH3_BYTES]);
const char *pieces_arrived_as(const struct pieces *p, size_t i); /* that digest; "" = read it */
/* Its digest: it is safe. True when an earlier reading had another digest. */
bool pieces_safe(struct pieces *p, size_t i, const char digest[DIGEST_XXH3_BYTES]);
bool pieces_is_safe(const struct pieces *p, size_t i);
bool pieces_all_safe(const struct pieces *p);

/* What is there of pieces that are not safe yet, each within one piece. *cursor begins at 0. */
bool pieces_next_partial(const struct pieces *p, uint64_t *cursor, uint64_t *from, uint64_t *to);

/* Bytes came from a part file without digests. */
void pieces_mark_unsure(struct pieces *p, uint64_t from, uint64_t to);
/*
 * The whole file's digest is wrong. What is suspect becomes missing again: the pieces whose bytes
 * nobody vouched for; else those whose last two readings differ; else, with `all`, every piece.
 * Returns how many pieces. Their digests stay for the comparison.
 */
size_t pieces_suspect(struct pieces *p, bool all);

#endif
