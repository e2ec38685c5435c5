/*
 * merge.h - the loop both algorithms share: of all neighbours that may be joined, join the pair of
 * the best rank (the leftmost of equals), until none is left.
 *
 * Pairs wait in a binary heap, stale ones are dropped when they come out, so that n symbols take
 * O(n log n). Scratch memory is kept from run to run; one thread owns it.
 */
#ifndef RBEE_ENGINE_TOK_MERGE_H
#define RBEE_ENGINE_TOK_MERGE_H

#include "engine/tok/steps.h"

/* A piece of the text being encoded. */
struct merge_sym {
    uint32_t start, len; /* in bytes; len 0 once it was joined to its left neighbour */
    int32_t next;        /* index, or -1 */
    int32_t prev;
    int32_t id; /* token id, or TOK_NONE */
};

/* A pair that may be joined; its right half is the left one's neighbour. */
struct merge_pair {
    uint64_t key; /* rank, then index of the left symbol: the least comes first */
    uint32_t len; /* of both together; another length now: stale */
    int32_t id;   /* the token they make */
};

struct merge_work {
    struct merge_sym *syms;
    struct merge_pair *heap;
    size_t n_syms, cap_syms, n_heap, cap_heap;
    uint64_t n_pushed; /* pairs ever put in the heap, for tests */
};

struct merge_rule {
    /* Says whether two neighbours may be joined, with what rank (less is better), into what. */
    bool (*join)(const void *arg, const struct merge_sym *left, const struct merge_sym *right,
                 uint32_t *rank, int32_t *id);
    const void *arg;
};

/* Starts a new text, keeping the memory. */
void merge_begin(struct merge_work *w);

/* Adds the next symbol; -1 when out of memory. */
int merge_add(struct merge_work *w, uint32_t start, uint32_t len, int32_t id);

/*
 * Joins until nothing more can be. The symbols left are then reached from index 0 by `next` (none
 * when none was added). ERR_NO_MEMORY, or ERR_CANCELLED when the steps are to end.
 */
int merge_run(struct merge_work *w, const struct merge_rule *rule, struct steps *steps);

void merge_done(struct merge_work *w);

#endif
