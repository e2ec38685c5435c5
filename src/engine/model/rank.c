/* rank.c - see rank.h. */
#include "engine/model/rank.h"

#include <stdbool.h>
#include <string.h>

/* ---- heaps --------------------------------------------------------------- */

static void sift_down(uint64_t *r, uint32_t n, uint32_t i)
{
    uint64_t moving = r[i];

    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child >= n)
            break;
        if (child + 1 < n)
            child +=
                r[child + 1] > r[child]; /* no branch: it would be guessed wrong half the time */
        if (r[child] <= moving)
            break;
        r[i] = r[child];
        i = child;
    }
    r[i] = moving;
}

void rank_heapify(uint64_t *r, uint32_t n)
{
    for (uint32_t i = n / 2; i-- > 0;)
        sift_down(r, n, i);
}

void rank_heap_replace(uint64_t *r, uint32_t n, uint64_t by)
{
    r[0] = by;
    sift_down(r, n, 0);
}

/* ---- sorting ------------------------------------------------------------- */

#define FEW   32    /* are sorted by insertion: less work than counting their digits */
#define SMALL 1024  /* a digit has no more values than is worth looking at */
#define LARGE 16384 /* the first digit of so many holds a float's exponent and more */

/* Of how many bits the next digit of n numbers is, when `left` are to go. */
static unsigned width_for(uint32_t n, unsigned left)
{
    if (left == RANK_BITS && n > LARGE)
        return RANK_FIRST_WIDTH;
    return n > SMALL && left >= RANK_WIDTH ? RANK_WIDTH : RANK_SMALL_WIDTH;
}

/* Where a digit lies, and how many there are. */
struct place {
    unsigned shift;
    uint32_t n_digits;
};

static uint32_t digit(uint64_t rank, struct place at)
{
    return rank >> at.shift & (at.n_digits - 1);
}

static void insert_all(uint64_t *r, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        uint64_t moving = r[i];
        uint32_t k = i;

        for (; k > 0 && r[k - 1] < moving; k--)
            r[k] = r[k - 1];
        r[k] = moving;
    }
}

/* Where the numbers of each digit begin and end: r[from..to) in the order of the digit. */
static void count_digits(const uint64_t *r, uint32_t from, uint32_t to, struct place at,
                         uint32_t *begin, uint32_t *end)
{
    memset(end, 0, at.n_digits * sizeof *end);
    for (uint32_t i = from; i < to; i++)
        end[digit(r[i], at)]++;
    for (uint32_t d = at.n_digits; d-- > 0;) {
        begin[d] = from;
        from += end[d];
        end[d] = from;
    }
}

/* Brings r[from..to) into the order of one digit. A number that is found in the wrong part goes to
 * its own, and the one there goes on. */
static void split(uint64_t *r, uint32_t from, uint32_t to, struct place at, uint32_t *end)
{
    uint32_t next[1 << RANK_FIRST_WIDTH];

    count_digits(r, from, to, at, next, end);
    for (uint32_t d = at.n_digits; d-- > 0;)
        while (next[d] < end[d]) {
            uint64_t moving = r[next[d]];

            for (uint32_t own = digit(moving, at); own != d; own = digit(moving, at)) {
                uint64_t other = r[next[own]];

                r[next[own]++] = moving;
                moving = other;
            }
            r[next[d]++] = moving;
        }
}

void rank_sort_begin(struct rank_sorter *s, uint64_t *r, uint32_t n)
{
    s->r = r;
    s->n = n;
    s->done = 0;
    s->level = 0;
}

/* Where the part ends whose turn it is; it begins behind those that are done. */
static uint32_t part_end(struct rank_sorter *s)
{
    for (; s->level > 0; s->level--) {
        struct rank_level *l = &s->levels[s->level - 1];

        while (l->digit > 0 && l->end[l->digit] == s->done)
            l->digit--;
        if (l->end[l->digit] > s->done)
            return l->end[l->digit];
    }
    return s->n;
}

/* One level deeper, into the part that ends at `end`. */
static void look_into(struct rank_sorter *s, uint32_t end)
{
    struct rank_level *l = &s->levels[s->level], *above = s->level > 0 ? l - 1 : NULL;
    unsigned left = above ? above->shift : RANK_BITS, width = width_for(end - s->done, left);
    struct place at = {left - width, 1u << width};

    l->end = above ? above->end + above->n_digits : s->ends;
    l->n_digits = at.n_digits;
    l->digit = at.n_digits - 1;
    l->shift = at.shift;
    split(s->r, s->done, end, at, l->end);
    s->level++;
}

void rank_sort_more(struct rank_sorter *s, uint32_t upto)
{
    while (s->done < upto) {
        uint32_t end = part_end(s);

        if (end - s->done > FEW) {
            look_into(s, end);
        } else {
            insert_all(s->r + s->done, end - s->done);
            s->done = end;
        }
    }
}

void rank_select(uint64_t *r, uint32_t n, uint32_t k)
{
    uint32_t from = 0, to = n, end[1 << RANK_FIRST_WIDTH];

    for (unsigned left = RANK_BITS; to - from > FEW;) {
        unsigned width = width_for(to - from, left);
        struct place at = {left - width, 1u << width};
        uint32_t d = at.n_digits - 1;

        split(r, from, to, at, end);
        while (end[d] < k)
            d--;
        from = d < at.n_digits - 1 ? end[d + 1] : from;
        to = end[d];
        left = at.shift;
    }
    insert_all(r + from, to - from);
}
