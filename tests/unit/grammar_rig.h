/* grammar_rig.h - what the tests of grammars share: matching whole texts, and a small vocabulary.
 */
#ifndef RBEE_TESTS_GRAMMAR_RIG_H
#define RBEE_TESTS_GRAMMAR_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/str.h"
#include "grammar/grammar.h"

/* A random stream that is the same everywhere (SplitMix64: Steele, Lea, Flood 2014). */
static inline uint64_t rig_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static inline uint32_t rig_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(rig_random(state) % n);
}

static inline struct grammar *rig_gbnf(const char *text)
{
    struct grammar *g = NULL;
    struct err err = {0};

    if (grammar_from_gbnf(text, strlen(text), NULL, &g, &err))
        fail_msg("%s\n  in: %s", err.text, text);
    return g;
}

/* 1: the grammar has the text; 0: it has a longer one that begins so; -1: it has none. */
static inline int rig_match_bytes(const struct grammar *g, const char *text, size_t n)
{
    struct grammar_matcher *m;
    struct err err = {0};
    int result = -1;

    assert_int_equal(grammar_matcher_create(g, NULL, &m, &err), 0);
    if (grammar_matcher_put(m, text, n, &err) == 0)
        result = grammar_matcher_may_end(m);
    else
        assert_int_equal(err.code, ERR_INVALID);
    grammar_matcher_free(m);
    return result;
}

static inline int rig_match(const struct grammar *g, const char *text)
{
    return rig_match_bytes(g, text, strlen(text));
}

/* Tokens for tests: every byte, pieces of JSON and of words, and random ones; ids in no order. */
struct rig_vocab {
    struct grammar_token *tokens;
    char *bytes;
    uint32_t n;
    struct grammar_vocab *index;
};

void rig_vocab_make(struct rig_vocab *v, uint32_t n, uint64_t seed);
void rig_vocab_done(struct rig_vocab *v);

#define RIG_TOKEN_BYTES 24 /* the longest token */

#endif
