/* pieces.c - see pieces.h. A plain list: there are as many holes as sources, and a few more. */
#include "hive/disk/pieces.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct piece {
    char digest[DIGEST_XXH3_BYTES];  /* of the last reading; "" = none yet */
    char arrived[DIGEST_XXH3_BYTES]; /* of the bytes as they came; "" = not in order, or not yet */
    unsigned n_doubts;
    bool hashing, safe, unsure, differs;
};

struct pieces {
    uint64_t size, piece_bytes, missing;
    size_t n, first_unsafe;
    struct piece *all;
    struct hole *holes; /* sorted, apart from each other or of different takers */
};

uint64_t pieces_size_for(uint64_t size_bytes)
{
    uint64_t n = size_bytes / PIECES_AIM;

    n = (n + PIECES_MIN_BYTES - 1) / PIECES_MIN_BYTES * PIECES_MIN_BYTES;
    if (n < PIECES_MIN_BYTES)
        return PIECES_MIN_BYTES;
    return n < PIECES_MAX_BYTES ? n : PIECES_MAX_BYTES;
}

static struct hole *new_hole(uint64_t from, uint64_t to, struct hole *next)
{
    struct hole *h = malloc(sizeof *h);

    if (h)
        *h = (struct hole){.from = from, .to = to, .next = next};
    return h;
}

int pieces_create(uint64_t size_bytes, uint64_t piece_bytes, struct pieces **out, struct err *err)
{
    struct pieces *p = calloc(1, sizeof *p);

    if (!p)
        return err_no_memory(err, sizeof *p, "a file's pieces");
    *p = (struct pieces){.size = size_bytes,
                         .piece_bytes = piece_bytes,
                         .missing = size_bytes,
                         .n = (size_t)(size_bytes / piece_bytes + (size_bytes % piece_bytes != 0))};
    p->all = calloc(p->n + 1, sizeof *p->all);
    p->holes = size_bytes ? new_hole(0, size_bytes, NULL) : NULL;
    if (p->all && (p->holes || !size_bytes)) {
        *out = p;
        return 0;
    }
    pieces_free(p);
    return err_no_memory(err, sizeof *p, "a file's pieces");
}

void pieces_free(struct pieces *p)
{
    if (!p)
        return;
    while (p->holes) {
        struct hole *h = p->holes;

        p->holes = h->next;
        free(h);
    }
    free(p->all);
    free(p);
}

size_t pieces_count(const struct pieces *p)
{
    return p->n;
}

uint64_t pieces_missing(const struct pieces *p)
{
    return p->missing;
}

void pieces_bounds(const struct pieces *p, size_t i, uint64_t *from, uint64_t *to)
{
    *from = i * p->piece_bytes;
    *to = *from + p->piece_bytes < p->size ? *from + p->piece_bytes : p->size;
}

size_t pieces_at(const struct pieces *p, uint64_t at)
{
    return (size_t)(at / p->piece_bytes);
}

size_t pieces_exactly(const struct pieces *p, uint64_t from, uint64_t to)
{
    uint64_t a, b;

    if (from % p->piece_bytes || from >= p->size)
        return PIECES_NONE;
    pieces_bounds(p, (size_t)(from / p->piece_bytes), &a, &b);
    return b == to ? (size_t)(from / p->piece_bytes) : PIECES_NONE;
}

/* ---- holes ---- */

static void remove_hole(struct pieces *p, struct hole *h)
{
    struct hole **link = &p->holes;

    while (*link != h)
        link = &(*link)->next;
    *link = h->next;
    free(h);
}

/* Cuts h at `at`; the back part is returned, free. NULL when out of memory. */
static struct hole *cut(struct hole *h, uint64_t at)
{
    struct hole *back = new_hole(at, h->to, h->next);

    if (!back)
        return NULL;
    h->to = at;
    h->next = back;
    return back;
}

struct hole *pieces_split(struct pieces *p, struct hole *h)
{
    uint64_t at = h->from + (h->to - h->from) / 2;
    struct hole *back;

    if (h->to - h->from < 2 * PIECES_SPLIT_BYTES)
        return NULL;
    if (h->to - h->from > 2 * p->piece_bytes)
        at = at / p->piece_bytes * p->piece_bytes;
    back = cut(h, at);
    if (back)
        back->taken = true;
    return back;
}

struct hole *pieces_take(struct pieces *p, uint64_t max_bytes)
{
    struct hole *h = p->holes;
    uint64_t end;

    while (h && h->taken)
        h = h->next;
    if (!h)
        return NULL;
    if (h->to - h->from > max_bytes) {
        end = (h->from + max_bytes) / p->piece_bytes * p->piece_bytes;
        if (end <= h->from)
            end = (h->from / p->piece_bytes + 1) * p->piece_bytes;
        if (end < h->to && !cut(h, end))
            return NULL;
    }
    h->taken = true;
    return h;
}

void pieces_drop(struct pieces *p, struct hole *h)
{
    struct hole *next = h->next;

    h->taken = false;
    if (h->from == h->to) {
        remove_hole(p, h);
    } else if (next && !next->taken && next->from == h->to) {
        h->to = next->to;
        remove_hole(p, next);
    }
}

void pieces_drop_all(struct pieces *p)
{
    struct hole *next;

    for (struct hole *h = p->holes; h; h = next) {
        next = h->next;
        h->taken = false;
        if (h->from == h->to)
            remove_hole(p, h);
    }
}

void pieces_fill(struct pieces *p, struct hole *h, uint64_t n)
{
    BUG_ON(n > h->to - h->from);
    h->from += n;
    p->missing -= n;
}

bool pieces_hole_in(const struct pieces *p, uint64_t from, uint64_t to, uint64_t *first,
                    uint64_t *last)
{
    for (const struct hole *h = p->holes; h && h->from < to; h = h->next) {
        if (h->to <= from || h->from == h->to)
            continue;
        *first = h->from > from ? h->from : from;
        *last = h->to < to ? h->to : to;
        return true;
    }
    return false;
}

bool pieces_next_hole(const struct pieces *p, const struct hole **cursor)
{
    const struct hole *h = *cursor ? (*cursor)->next : p->holes;

    while (h && h->from == h->to)
        h = h->next;
    *cursor = h;
    return h != NULL;
}

uint64_t pieces_there_until(const struct pieces *p, uint64_t from)
{
    uint64_t end = p->size, first, last;

    if (pieces_hole_in(p, from, p->size, &first, &last))
        end = first;
    for (uint64_t at = from; at < end; at = (at / p->piece_bytes + 1) * p->piece_bytes)
        if (p->all[at / p->piece_bytes].n_doubts)
            return at;
    return end;
}

int pieces_close(struct pieces *p, uint64_t from, uint64_t to)
{
    struct hole *next;

    for (struct hole *h = p->holes; h && h->from < to; h = next) {
        uint64_t a = h->from > from ? h->from : from, b = h->to < to ? h->to : to;

        next = h->next;
        if (a >= b)
            continue;
        if (b < h->to && a > h->from) {
            if (!cut(h, b))
                return -1;
            h->to = a;
        } else if (b < h->to) {
            h->from = b;
        } else {
            h->to = a;
        }
        p->missing -= b - a;
        if (h->from == h->to && !h->taken)
            remove_hole(p, h);
    }
    return 0;
}

int pieces_open(struct pieces *p, uint64_t from, uint64_t to)
{
    struct hole **link = &p->holes, *h, *before = NULL;

    if (pieces_close(p, from, to)) /* so that nothing counts twice */
        return -1;
    for (; *link && (*link)->from < from; link = &(*link)->next)
        before = *link;
    h = new_hole(from, to, *link);
    if (!h)
        return -1;
    *link = h;
    p->missing += to - from;
    pieces_drop(p, h); /* one with a free one behind, or before it */
    if (before && !before->taken)
        pieces_drop(p, before);
    for (size_t i = (size_t)(from / p->piece_bytes); i < p->n && i * p->piece_bytes < to; i++) {
        p->all[i].safe = p->all[i].hashing = false;
        p->all[i].arrived[0] = '\0';
        if (i < p->first_unsafe)
            p->first_unsafe = i;
    }
    return 0;
}

/* ---- pieces ---- */

void pieces_doubt(struct pieces *p, uint64_t from, int change)
{
    struct piece *piece = &p->all[from / p->piece_bytes];

    piece->n_doubts += (unsigned)change;
}

size_t pieces_next_whole(struct pieces *p)
{
    uint64_t from, to, a, b;

    while (p->first_unsafe < p->n && p->all[p->first_unsafe].safe)
        p->first_unsafe++;
    for (size_t i = p->first_unsafe; i < p->n; i++) {
        if (p->all[i].safe || p->all[i].hashing || p->all[i].n_doubts)
            continue;
        pieces_bounds(p, i, &from, &to);
        if (pieces_hole_in(p, from, to, &a, &b))
            continue;
        p->all[i].hashing = true;
        return i;
    }
    return PIECES_NONE;
}

void pieces_give_back(struct pieces *p, size_t i)
{
    p->all[i].hashing = false;
}

void pieces_arrived(struct pieces *p, size_t i, const char digest[DIGEST_XXH3_BYTES])
{
    str_copy(p->all[i].arrived, sizeof p->all[i].arrived, digest);
}

const char *pieces_arrived_as(const struct pieces *p, size_t i)
{
    return p->all[i].arrived;
}

bool pieces_safe(struct pieces *p, size_t i, const char digest[DIGEST_XXH3_BYTES])
{
    struct piece *piece = &p->all[i];

    piece->differs = piece->digest[0] && !str_eq(piece->digest, digest);
    str_copy(piece->digest, sizeof piece->digest, digest);
    piece->safe = true;
    piece->hashing = false;
    return piece->differs;
}

bool pieces_is_safe(const struct pieces *p, size_t i)
{
    return i < p->n && p->all[i].safe;
}

bool pieces_all_safe(const struct pieces *p)
{
    for (size_t i = p->first_unsafe; i < p->n; i++)
        if (!p->all[i].safe)
            return false;
    return true;
}

void pieces_mark_unsure(struct pieces *p, uint64_t from, uint64_t to)
{
    for (size_t i = (size_t)(from / p->piece_bytes); i < p->n && i * p->piece_bytes < to; i++)
        p->all[i].unsure = true;
}

static size_t open_where(struct pieces *p, bool unsure, bool differs)
{
    uint64_t from, to;
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++) {
        struct piece *piece = &p->all[i];

        if ((unsure && !piece->unsure) || (differs && !piece->differs))
            continue;
        if (piece->unsure)
            piece->digest[0] = '\0'; /* nothing to compare with */
        piece->unsure = piece->differs = false;
        pieces_bounds(p, i, &from, &to);
        if (pieces_open(p, from, to) == 0)
            n++;
    }
    return n;
}

bool pieces_next_partial(const struct pieces *p, uint64_t *cursor, uint64_t *from, uint64_t *to)
{
    while (*cursor < p->size) {
        const struct piece *piece = &p->all[*cursor / p->piece_bytes];
        uint64_t start = *cursor, first, last, a, b;

        pieces_bounds(p, (size_t)(start / p->piece_bytes), &a, &b);
        *cursor = b;
        if (piece->safe || piece->hashing || piece->n_doubts)
            continue;
        if (!pieces_hole_in(p, start, b, &first, &last))
            first = last = b;
        *cursor = last;
        if (first == start)
            continue;
        *from = start;
        *to = first;
        return true;
    }
    return false;
}

size_t pieces_suspect(struct pieces *p, bool all)
{
    size_t n = open_where(p, true, false);

    if (n == 0)
        n = open_where(p, false, true);
    if (n == 0 && all)
        n = open_where(p, false, false);
    return n;
}
