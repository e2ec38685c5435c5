/*
 * vocab.h - the tokens of a model as tries of their bytes, laid out for a walk from left to right.
 *
 * Nodes stand in preorder: a node's subtree is the run of nodes up to `end`, and the tokens that
 * begin with the node's bytes are a run of `order`. `below` tells what bytes follow in the subtree,
 * by groups, so that a place that all of them lead back to takes the subtree without looking at it.
 *
 * Most masks of a grammar are those of a place that leads back to itself by most characters, as
 * inside a string. For these there is a part for each such set of characters: the mask of all
 * tokens of nothing else, and a small trie of the others.
 *
 * Immutable but for parts, which are added; counted references, held by its creator and by what was
 * computed with it.
 */
#ifndef RBEE_GRAMMAR_VOCAB_H
#define RBEE_GRAMMAR_VOCAB_H

#include <pthread.h>
#include <stdatomic.h>

#include "grammar/grammar.h"

#define VOCAB_MAX_TOKENS      (1u << 22)
#define VOCAB_MAX_TOKEN_BYTES 65535
#define VOCAB_BRIEF           16 /* longer tokens are few, and are looked at on their own */
#define VOCAB_MAX_PARTS       16

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

struct vocab_trie {
    struct vocab_node *nodes; /* node 0 is the root; one more stands behind the last */
    uint32_t n_nodes;
    uint32_t *order; /* tokens, sorted by their bytes */
    uint32_t n_order;
};

/* The short tokens all of whose bytes are of some groups, as a mask, and the others as a trie. */
struct vocab_part {
    uint64_t groups;
    uint64_t *words; /* NULL: too few tokens to be worth it */
    struct vocab_trie rest;
};

struct grammar_vocab {
    atomic_uint refs;
    uint32_t n_tokens, n_words;       /* words of a mask */
    uint32_t longest;                 /* bytes of the longest token */
    struct vocab_trie brief, lengthy; /* tokens up to VOCAB_BRIEF bytes, and longer ones */
    uint64_t *groups;                 /* of all bytes of each token */
    size_t *at;                       /* of each token's bytes; one more for the last one's end */
    char *bytes;
    pthread_mutex_t lock; /* guards the parts' number; a part that is there stays as it is */
    struct vocab_part parts[VOCAB_MAX_PARTS];
    uint32_t n_parts;
};

void vocab_ref(struct grammar_vocab *v);

/* The part for some groups, made when it is first asked for; NULL where it is not worth it. */
const struct vocab_part *vocab_part(struct grammar_vocab *v, uint64_t groups);

/* trie.c: sorts t->order; makes the trie of what is sorted: 0, or -1: no memory. */
void vocab_trie_sort(const struct grammar_vocab *v, struct vocab_trie *t);
int vocab_trie_build(const struct grammar_vocab *v, struct vocab_trie *t);
void vocab_trie_done(struct vocab_trie *t);

/* The group of an ASCII byte. */
unsigned vocab_group(unsigned char byte);
static inline size_t vocab_length(const struct grammar_vocab *v, uint32_t token)
{
    return v->at[token + 1] - v->at[token];
}

#endif
