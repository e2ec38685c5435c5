/*
 * store.h - compiled grammars, kept by the text they were made of: who asks for a schema again gets
 * the grammar that is there, with the places and masks that earlier answers came by.
 *
 * A schema's text is its JSON without blanks, members in their order. Two kinds of text, GBNF and
 * schemas, are told apart. What is kept is bounded in number and bytes; the one that was asked for
 * the longest ago goes first. Grammars are counted references: one that goes while an answer uses
 * it is freed with that answer's reference. The one asked for last stays, however large it is.
 *
 * Errors are not kept. Any thread may ask; no lock is held while a grammar is compiled.
 */
#ifndef RBEE_GRAMMAR_STORE_H
#define RBEE_GRAMMAR_STORE_H

#include "grammar/grammar.h"

#define GRAMMAR_STORE_MAX       64
#define GRAMMAR_STORE_MAX_BYTES ((size_t)96 << 20) /* texts, grammars, places and masks */

struct grammar_store;

/* With limits of GRAMMAR_STORE_MAX and GRAMMAR_STORE_MAX_BYTES. */
int grammar_store_create(struct grammar_store **out, struct err *err);
void grammar_store_free(struct grammar_store *s); /* NULL is fine */

/* As grammar_from_gbnf and grammar_from_schema; the caller's reference is given back by
 * grammar_free. */
int grammar_store_gbnf(struct grammar_store *s, const char *text, size_t n_bytes,
                       const struct grammar_stop *stop, struct grammar **out, struct err *err);
int grammar_store_schema(struct grammar_store *s, const json_t *schema,
                         const struct grammar_stop *stop, struct grammar **out, struct err *err);

struct grammar_store_use {
    uint32_t n;      /* grammars kept now */
    size_t bytes;    /* what they take */
    uint64_t found;  /* times that one was there, */
    uint64_t missed; /* and that one had to be made */
};
void grammar_store_look(struct grammar_store *s, struct grammar_store_use *out);

/* Other limits, for tests. */
void grammar_store_limit(struct grammar_store *s, uint32_t most, size_t most_bytes);

#endif
