/* compiled.h - a grammar as matchers see it: counted, with its places for each vocabulary. */
#ifndef RBEE_GRAMMAR_COMPILED_H
#define RBEE_GRAMMAR_COMPILED_H

#include "grammar/places.h"
#include "grammar/rules.h"

/* A grammar of rules that are not settled yet. */
int compiled_create(struct rules *r, uint32_t root, struct grammar **out, struct err *err);

/* Another reference; grammar_free gives it back. */
struct grammar *compiled_ref(const struct grammar *g);

/* What it takes, with the places it has grown. Waits for no mask: the places' locks are not taken.
 */
size_t compiled_bytes(const struct grammar *g);

/* The places for a vocabulary (or none), made when they are first asked for. They belong to the
 * grammar. */
int compiled_places(const struct grammar *g, struct grammar_vocab *vocab, struct places **out,
                    struct err *err);

#endif
