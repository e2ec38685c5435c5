/*
 * rank.h - tokens in the order of their logits, as whole numbers.
 *
 * A rank is a logit and an id in 64 bits: of two tokens the one with the larger logit has the
 * larger rank, of equal logits (0 and -0 are equal) the one with the lower id. So no two ranks are
 * equal, and a heap or a sort of them has one outcome. A NaN ranks as minus infinity.
 *
 * Nothing here allocates, fails or knows of threads.
 */
#ifndef RBEE_ENGINE_MODEL_RANK_H
#define RBEE_ENGINE_MODEL_RANK_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define RANK_SIGN UINT32_C(0x80000000)

/* A float's bits rise with it above 0 and fall below. (No branch: logits are of either sign.) */
static inline uint64_t rank_of(float logit, int32_t id)
{
    uint32_t bits;

    logit = isnan(logit) ? -INFINITY : logit + 0.0f; /* -0 + 0 is 0 */
    memcpy(&bits, &logit, sizeof bits);
    bits ^= (0 - (bits >> 31)) | RANK_SIGN;
    return (uint64_t)bits << 32 | (uint32_t)~id;
}

static inline float rank_logit(uint64_t rank)
{
    uint32_t bits = (uint32_t)(rank >> 32);
    float logit;

    bits ^= ((bits >> 31) - 1) | RANK_SIGN;
    memcpy(&logit, &bits, sizeof logit);
    return logit;
}

static inline int32_t rank_id(uint64_t rank)
{
    return (int32_t) ~(uint32_t)rank;
}

/* Makes a heap of n numbers, the largest on top (Floyd 1964: the lowest parents first). */
void rank_heapify(uint64_t *r, uint32_t n);
/* Puts a number in the place of the largest, and the heap in order again. */
void rank_heap_replace(uint64_t *r, uint32_t n, uint64_t by);

/*
 * Sorting, the largest first, no further than is asked for: a radix sort in place, the highest
 * digit first (McIlroy, Bostic and McIlroy 1993, "American flag sort"), which goes on with the part
 * of the largest and leaves the others for later. No two of the numbers may be equal.
 */
#define RANK_BITS        64
#define RANK_FIRST_WIDTH 12 /* bits of the first digit of many numbers */
#define RANK_WIDTH       8
#define RANK_SMALL_WIDTH                                                                           \
    4 /* of few; all digits of a sort are whole: the widths divide what is left */
#define RANK_MAX_LEVELS (RANK_BITS / RANK_SMALL_WIDTH)
#define RANK_MAX_ENDS   ((1 << RANK_FIRST_WIDTH) + (RANK_BITS / RANK_WIDTH << RANK_WIDTH))

struct rank_sorter {
    uint64_t *r;
    uint32_t n, done; /* of the n, so many are in their places */
    uint32_t level;   /* the parts that are being looked into, one in another */
    struct rank_level {
        uint32_t *end; /* in `ends`: where the numbers of each digit end, the highest digit first */
        uint32_t n_digits, digit; /* whose turn it is */
        unsigned shift;           /* bits below the digit */
    } levels[RANK_MAX_LEVELS];
    uint32_t ends[RANK_MAX_ENDS];
};

void rank_sort_begin(struct rank_sorter *s, uint64_t *r, uint32_t n);
/* Until `done` is `upto` at least; that is n at most. What is not done may move, but behind it. */
void rank_sort_more(struct rank_sorter *s, uint32_t upto);

/* Puts the k largest before the others, both in no particular order; 1 <= k <= n. */
void rank_select(uint64_t *r, uint32_t n, uint32_t k);

#endif
