/*
 * vocab.h - the tokens of a model as a trie of their bytes, laid out for a walk from left to right.
 *
 * Nodes stand in preorder: a node's subtree is the run of nodes up to `end`, and the tokens that
 * begin with the node's bytes are a run of `order`. `below` tells what bytes follow in the subtree,
 * by groups, so that a place that all of them lead back to takes the subtree without looking at it.
 * Immutable; counted references, held by its creator and by what was computed with it.
 */
#ifndef RBEE_GRAMMAR_VOCAB_H
#define RBEE_GRAMMAR_VOCAB_H

#include <stdatomic.h>

#include "grammar/grammar.h"

#define VOCAB_MAX_TOKENS      (1u << 22)
#define VOCAB_MAX_TOKEN_BYTES 65535

/* Groups of bytes: 'a'-'z' are one, so are 'A'-'Z', '0'-'9', tab and line feed, the other control
 * characters, and whole characters past ASCII; what is no UTF-8 is one too. Every sign is one by
 * itself. */
#define VOCAB_N_GROUPS    40
#define VOCAB_GROUP_WIDE  38 /* a whole character of two to four bytes */
#define VOCAB_GROUP_OTHER 39 /* no character */

struct vocab_node {
    uint32_t end;   /* the first node behind the subtree */
    uint32_t first; /* in `order`, of the tokens of the subtree; those that end here come first */
    uint64_t below : 56; /* bits of groups */
    uint64_t byte : 8;
};

struct grammar_vocab {
    atomic_uint refs;
    uint32_t n_tokens, n_words; /* words of a mask */
    uint32_t longest;           /* bytes of the longest token */
    struct vocab_node *nodes;   /* node 0 is the root; one more stands behind the last */
    uint32_t n_nodes;
    uint32_t *order; /* tokens that have bytes, sorted by them */
    uint32_t n_order;
    size_t *at; /* of each token's bytes; one more for the last one's end */
    char *bytes;
};

void vocab_ref(struct grammar_vocab *v);

/* The group of an ASCII byte. */
unsigned vocab_group(unsigned char byte);

#endif
