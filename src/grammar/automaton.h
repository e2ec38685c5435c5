/*
 * automaton.h - a grammar in its last form: rules as automata over bytes that call each other.
 *
 * A state has edges over ranges of bytes, and edges over nothing. States of two kinds do more: CALL
 * goes through another rule and on to `next`; LOOP goes `min` to `max` times through its body and
 * on to `next`, with the counters kept by who runs it, so that "at most 4000 characters" is one
 * state. END returns to the caller. A call whose `next` only returns is a tail: it leaves nothing
 * to return to, so that a rule that ends with itself needs no stack.
 *
 * Immutable once it is made; shared by threads.
 */
#ifndef RBEE_GRAMMAR_AUTOMATON_H
#define RBEE_GRAMMAR_AUTOMATON_H

#include "grammar/rules.h"

#define AUTOMATON_MAX_STATES (1u << 20)
#define AUTOMATON_NO_MAX     RULES_NO_MAX
#define AUTOMATON_END        1u /* the state at which every rule returns; 0 is none */

enum automaton_kind { AUTOMATON_PLAIN, AUTOMATON_CALL, AUTOMATON_LOOP, AUTOMATON_STOP };

/* Does a state do nothing but return? Known of those that were asked for. */
enum automaton_returns { RETURNS_UNKNOWN, RETURNS_NOT, RETURNS };

struct automaton_edge {
    uint32_t to, next; /* next edge of the same state; 0: none */
    uint8_t lo, hi;    /* not for edges over nothing */
};

struct automaton_state {
    uint32_t bytes, empties; /* first edges of both sorts */
    uint32_t into;           /* CALL: the rule's, LOOP: the body's first state */
    uint32_t next;           /* CALL, LOOP: where it goes on */
    uint32_t min, max;       /* LOOP; max may be AUTOMATON_NO_MAX */
    uint8_t kind, returns;
    bool tail;     /* `next` does nothing but return */
    bool nullable; /* LOOP: the body may be empty (then min is 0) */
};

struct automaton {
    struct automaton_state *states;
    uint32_t n_states, cap_states;
    struct automaton_edge *edges;
    uint32_t n_edges, cap_edges;
    uint32_t start;     /* the root's first state */
    bool has_loops;     /* some state is a LOOP */
    uint16_t n_classes; /* bytes that no edge tells apart are one class */
    uint8_t class_of[256];
    uint8_t byte_of[256]; /* one byte of each class */
};

/* From settled rules, whose steps go on being counted. ERR_LIMIT, ERR_NO_MEMORY, ERR_CANCELLED; *a
 * is to be given to automaton_done in any case. */
int automaton_build(struct automaton *a, struct rules *r, uint32_t root, struct err *err);
void automaton_done(struct automaton *a);

#endif
