/*
 * rules.h - a grammar as rules over characters: what GBNF and schemas are read into, and what the
 * automaton is made of.
 *
 * A rule has a body, which is a tree of nodes: texts, classes of characters, sequences, choices,
 * repetitions, and calls of rules. A node has one parent; what is used twice is a rule. Failures
 * stick, as in base/buf.h: a call that fails returns node 0, every later one does too, and whoever
 * builds asks once (rules_failed). One thread owns a set of rules.
 */
#ifndef RBEE_GRAMMAR_RULES_H
#define RBEE_GRAMMAR_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "grammar/grammar.h"

#define RULES_MAX_NODES  (1u << 20)  /* of all rules together */
#define RULES_MAX_BYTES  (8u << 20)  /* of all texts together */
#define RULES_MAX_RANGES (1u << 20)  /* of all classes together */
#define RULES_MAX_WORK   (32u << 20) /* steps from a text to its automaton: see rules_work */
#define RULES_NO_MAX     UINT32_MAX  /* a repetition without an end */
#define RULES_NONE       UINT32_MAX  /* no rule */

enum rules_kind {
    RULES_EMPTY,  /* matches nothing's text */
    RULES_TEXT,   /* a, b: offset and length in `bytes` */
    RULES_CLASS,  /* a, b: first and number in `ranges` */
    RULES_SEQ,    /* children, one after the other */
    RULES_ALT,    /* children, one of them; without children it can never be matched */
    RULES_REPEAT, /* one child, a to b times */
    RULES_CALL    /* a: the rule */
};

struct rules_range {
    uint32_t lo, hi; /* characters, both included */
};

struct rules_node {
    enum rules_kind kind;
    uint32_t a, b;
    uint32_t first, last, next; /* children, and the next child of the parent; 0: none */
    bool nullable, productive;  /* by rules_settle: may be empty; can come to an end */
};

struct rules_rule {
    char *name; /* owned; NULL for a rule that nobody names */
    uint32_t
        line; /* of its definition, or of its first use while it has none; 0: not from a text */
    uint32_t body; /* 0: not defined */
    bool nullable, productive;
};

struct rules {
    struct rules_node *nodes;
    uint32_t n_nodes, cap_nodes;
    struct rules_rule *rules;
    uint32_t n_rules, cap_rules;
    struct rules_range *ranges;
    uint32_t n_ranges, cap_ranges;
    char *bytes;
    uint32_t n_bytes, cap_bytes;
    uint32_t *names; /* hash table of named rules: rule + 1, 0 for a free place */
    uint32_t cap_names, n_names;
    const struct grammar_stop *stop; /* grammar.h; NULL: nobody asks for an end */
    uint64_t work, max_work;         /* steps so far, and the most */
    uint64_t ask_at;                 /* at how many to look at the limit next */
    struct err err;                  /* of the first failure; code ERR_NONE while there is none */
};

void rules_init(struct rules *r, const struct grammar_stop *stop);
void rules_done(struct rules *r);

/* Notes a failure of the builder's own, with err_set's words in r->err. Returns its code. */
int rules_fail(struct rules *r, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static inline bool rules_failed(const struct rules *r)
{
    return r->err.code != ERR_NONE;
}

/*
 * Counts n steps of some nanoseconds each: whatever is done once for each of two things together is
 * counted here, so that no text, however it is made, holds up who reads it for more than some
 * tenths of a second. False, and noted, past RULES_MAX_WORK (ERR_LIMIT) or when an end is asked for
 * (ERR_CANCELLED).
 */
bool rules_work(struct rules *r, uint64_t n);

/* The rule of a name, made without a body when it is new; a rule without a name. RULES_NONE. */
uint32_t rules_named(struct rules *r, const char *name, size_t n, uint32_t line);
uint32_t rules_new(struct rules *r);
void rules_define(struct rules *r, uint32_t rule, uint32_t body);

uint32_t rules_empty(struct rules *r);
uint32_t rules_text(struct rules *r, const char *bytes, size_t n);
uint32_t rules_texts(struct rules *r, const char *text); /* up to the NUL */
/* Ranges in any order; `negated`: all other characters. */
uint32_t rules_class(struct rules *r, const struct rules_range *ranges, uint32_t n, bool negated);
uint32_t rules_seq(struct rules *r);
uint32_t rules_alt(struct rules *r);
/* Hangs a child behind the others of a sequence or choice. */
void rules_add(struct rules *r, uint32_t parent, uint32_t child);
uint32_t rules_repeat(struct rules *r, uint32_t child, uint32_t min, uint32_t max);
uint32_t rules_call(struct rules *r, uint32_t rule);

/*
 * Looks at the whole, from the rule `root`: every rule has a body, none is left-recursive, and the
 * root can come to an end. Fills the nodes' nullable and productive. ERR_INVALID "grammar line N:
 * ...", ERR_LIMIT.
 */
int rules_settle(struct rules *r, uint32_t root, struct err *err);

#endif
