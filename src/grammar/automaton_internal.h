/* automaton_internal.h - what the two files behind automaton.h share. */
#ifndef RBEE_GRAMMAR_AUTOMATON_INTERNAL_H
#define RBEE_GRAMMAR_AUTOMATON_INTERNAL_H

#include "grammar/automaton.h"

struct builder {
    struct automaton *a;
    struct rules *r;
    uint32_t *starts;     /* of each rule */
    uint8_t *sizes;       /* of each node, as size_of finds them; 0: not known */
    enum err_code failed; /* sticks: every later call does nothing */
};

/* As rules_work, which it is. */
bool automaton_work(struct builder *b, uint64_t n);
uint32_t automaton_new_state(struct builder *b);
void automaton_add_bytes(struct builder *b, uint32_t from, unsigned lo, unsigned hi, uint32_t to);
void automaton_add_empty(struct builder *b, uint32_t from, uint32_t to);

/* From a state through one character of a class (a node of that kind); the state behind it. */
uint32_t automaton_build_class(struct builder *b, const struct rules_node *n, uint32_t from);

#endif
