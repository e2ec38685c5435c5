/*
 * bpe.h - the merges of byte-level BPE: a hash from a pair of tokens to the token they make.
 * Immutable once read.
 */
#ifndef RBEE_ENGINE_TOK_BPE_H
#define RBEE_ENGINE_TOK_BPE_H

#include <stdint.h>

struct merge_slot {
    uint64_t pair; /* left id, right id; all ones: free */
    uint32_t rank; /* place in the file's list */
    int32_t id;    /* what they make */
};

struct merges {
    struct merge_slot *slots; /* a power of two, at least 3/2 of the merges */
    uint64_t slot_mask;
};

#endif
