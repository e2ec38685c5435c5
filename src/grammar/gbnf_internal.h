/* gbnf_internal.h - what the two files behind gbnf.h share: the place in a text, and its
 * characters. */
#ifndef RBEE_GRAMMAR_GBNF_INTERNAL_H
#define RBEE_GRAMMAR_GBNF_INTERNAL_H

#include "grammar/gbnf.h"

struct gbnf {
    struct rules *r; /* failures are noted there */
    const char *text;
    size_t n, at;
    uint32_t line;    /* of `at`, from 1 */
    uint32_t nesting; /* parentheses open at `at` */
    uint32_t height;  /* of the item read last: parentheses and repetitions around an item */
    struct rules_range *ranges; /* of the class being read; owned */
    uint32_t cap_ranges;
};

/* The byte at a distance from the place; 0 past the end. */
static inline char gbnf_peek(const struct gbnf *g, size_t ahead)
{
    return ahead < g->n - g->at ? g->text[g->at + ahead] : '\0';
}

/* Notes "grammar line N: ...". Returns 0, the failed node. */
uint32_t gbnf_fail(struct gbnf *g, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* At a quote or a bracket: the node of the text or class up to its end. */
uint32_t gbnf_literal(struct gbnf *g);
uint32_t gbnf_class(struct gbnf *g);

#endif
