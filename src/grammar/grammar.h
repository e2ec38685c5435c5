/*
 * grammar.h - answers that must have a form: a grammar, what it allows next, and which tokens that
 * is.
 *
 * Three things. A *grammar* is compiled from GBNF text (the notation of llama.cpp) or from a JSON
 * Schema, and is immutable. A *vocabulary index* knows the bytes of every token, sorted into a
 * trie, and is made once for a model. A *matcher* is one answer's place in a grammar: it tells the
 * tokens that may come next as a bit mask, and moves on by the token that was chosen.
 *
 * A matcher works on bytes: a token may end within a UTF-8 character and within a terminal. It is a
 * push-down automaton with all its alternatives at once; masks of places met before are kept, so
 * that a step at a vocabulary of 128k tokens costs microseconds, and a first visit little more.
 *
 * Grammars and schemas come from clients and are not trusted: their size, nesting and the number of
 * alternatives alive at once are bounded by the limits below, and every limit is an error that
 * names it. Threads: grammars and indices may be shared (the index's cache has its lock); a matcher
 * has one owner.
 */
#ifndef RBEE_GRAMMAR_GRAMMAR_H
#define RBEE_GRAMMAR_GRAMMAR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define GRAMMAR_MAX_BYTES   (1u << 20) /* of GBNF text, or of a schema as text */
#define GRAMMAR_MAX_RULES   65536
#define GRAMMAR_MAX_NESTING 256  /* brackets, schemas inside each other */
#define GRAMMAR_MAX_HEIGHT  1024 /* brackets and repetitions around one item */
#define GRAMMAR_MAX_REPEAT                                                                         \
    (1u << 24)                  /* {m,n}, minItems, maxLength ...: counted, not written out        \
                                 */
#define GRAMMAR_MAX_STACKS 4096 /* alternatives alive at once in a matcher */
#define GRAMMAR_MAX_DEPTH                                                                          \
    1024 /* rules that wait for an inner one to end; what is deeper is not allowed */
#define GRAMMAR_MAX_VOCAB_BYTES                                                                    \
    ((size_t)8 << 20) /* of all tokens; those of known models, up to 262,144 of them, have 2 MiB   \
                       */
#define GRAMMAR_MAX_WORK                                                                           \
    (1u << 24)              /* edges looked at in one go for a mask, 0.05 to 0.1 s; a stack is 32  \
                             */
#define GRAMMAR_MAX_GOES 32 /* what is not known after so many goes is refused */

struct grammar;

/*
 * Asked every now and then while a grammar is made, by the thread that makes it: true ends that
 * with ERR_CANCELLED. How much there may be to make is limited in any case, by RULES_MAX_WORK; who
 * makes several grammars for one request gives them a number of steps together. NULL for the whole:
 * nobody asks.
 */
struct grammar_stop {
    bool (*is_asked)(void *arg); /* may be NULL */
    void *arg;
    uint64_t *steps_left; /* ERR_LIMIT when these are spent; NULL: no such number */
};

/* ERR_INVALID "grammar line N: ..."; ERR_UNSUPPORTED; ERR_LIMIT; ERR_NO_MEMORY; ERR_CANCELLED. The
 * start is the rule `root`. */
int grammar_from_gbnf(const char *text, size_t n_bytes, const struct grammar_stop *stop,
                      struct grammar **out, struct err *err);

/*
 * The JSON texts that are valid against a schema (2020-12, the subset named in schema.h). Members
 * come in the schema's order. A keyword that cannot be honoured is ERR_UNSUPPORTED and named with
 * its place ("#/properties/a/not"); a schema that is none, ERR_INVALID.
 */
int grammar_from_schema(const json_t *schema, const struct grammar_stop *stop, struct grammar **out,
                        struct err *err);
void grammar_free(struct grammar *g);

/* What it takes in memory, without what matchers add to it (which PLACES_MAX_BYTES bounds). */
size_t grammar_bytes(const struct grammar *g);

/* ---- vocabulary ---- */
struct grammar_vocab;

struct grammar_token {
    const char *bytes; /* NULL or n 0: a control token, which no grammar ever allows */
    size_t n;
};

/* Copies what it needs: 16 bytes and more for each byte of the tokens. ERR_LIMIT past
 * GRAMMAR_MAX_VOCAB_BYTES. */
int grammar_vocab_create(const struct grammar_token *tokens, uint32_t n_tokens,
                         struct grammar_vocab **out, struct err *err);
void grammar_vocab_free(struct grammar_vocab *v);
/* How many words a mask of it has. */
size_t grammar_vocab_words(const struct grammar_vocab *v);

/* ---- matcher ---- */
struct grammar_matcher;

/* At the beginning of the text. The grammar and the vocabulary must outlive it; vocab may be NULL
 * when only bytes are matched. */
int grammar_matcher_create(const struct grammar *g, struct grammar_vocab *vocab,
                           struct grammar_matcher **out, struct err *err);
void grammar_matcher_free(struct grammar_matcher *m);

/* Moves on by n bytes. ERR_INVALID when the grammar does not allow them: the matcher stays as it
 * was. ERR_LIMIT past GRAMMAR_MAX_STACKS; how much is looked at where hundreds of repetitions of
 * what may be empty lie in each other depends on what was met before, so near that limit it may
 * come or not. */
int grammar_matcher_put(struct grammar_matcher *m, const char *bytes, size_t n, struct err *err);

/* The text may end here; it must end here (nothing more is allowed). */
bool grammar_matcher_may_end(const struct grammar_matcher *m);
bool grammar_matcher_must_end(const struct grammar_matcher *m);

/*
 * The tokens allowed next: bit (id % 64) of word id / 64; bits past n_tokens are 0. The mask lives
 * until the next call on this matcher. Ends of text are the caller's: they are allowed where
 * may_end. NULL when out of memory, past a limit, or without a vocabulary; or not yet, as
 * grammar_matcher_goes_on then says. Near GRAMMAR_MAX_STACKS a token of the mask may still be
 * refused, with ERR_LIMIT: long repetitions are one for a mask.
 */
const uint64_t *grammar_matcher_mask(struct grammar_matcher *m);

/* Behind a mask that was NULL: GRAMMAR_MAX_WORK was too little, and who asks for it again goes on
 * from there. Not without end: at most GRAMMAR_MAX_GOES for one place. */
bool grammar_matcher_goes_on(const struct grammar_matcher *m);

/*
 * Behind a mask that was NULL, or empty where the text may not end: why, and what to do about it.
 * ERR_LIMIT, by name; ERR_INVALID: the vocabulary has no token for it; ERR_NO_MEMORY.
 */
int grammar_matcher_why(struct grammar_matcher *m, struct err *err);

/* One token's question, without a mask; for guesses and greedy choices. */
bool grammar_matcher_allows(struct grammar_matcher *m, uint32_t token);

#endif
