/*
 * ast.h - a compiled template: a tree of nodes in the program's arena. Immutable once parsed.
 *
 * One struct serves for all nodes; what its fields mean stands beside each kind. Lists (of
 * arguments, statements, branches) are linked by `next`.
 */
#ifndef RBEE_JINJA_AST_H
#define RBEE_JINJA_AST_H

#include <stdbool.h>
#include <stdint.h>

#include "jinja/arena.h"
#include "jinja/value.h"

enum node_kind {
    /* expressions */
    NODE_CONST,   /* value */
    NODE_NAME,    /* name */
    NODE_LIST,    /* kids */
    NODE_TUPLE,   /* kids */
    NODE_DICT,    /* kids: key, value, key, value ... */
    NODE_NEG,     /* a */
    NODE_POS,     /* a */
    NODE_NOT,     /* a */
    NODE_AND,     /* a, b */
    NODE_OR,      /* a, b */
    NODE_BINARY,  /* a op b */
    NODE_CONCAT,  /* kids */
    NODE_COMPARE, /* a, then kids: NODE_OPERAND */
    NODE_OPERAND, /* op a */
    NODE_COND,    /* a = condition, b = then, c = else or NULL */
    NODE_ATTR,    /* a . value */
    NODE_ITEM,    /* a [ b ] */
    NODE_SLICE,   /* a : b : c, each may be NULL; only as b of NODE_ITEM */
    NODE_CALL,    /* a ( kids: NODE_ARG ) */
    NODE_FILTER,  /* a | value(kids); a is NULL where a block's text goes in; builtin or NULL */
    NODE_TEST,    /* a is value(kids); builtin or NULL */
    NODE_ARG,     /* op, a; value = the keyword */

    /* statements */
    NODE_TEXT,         /* value */
    NODE_OUTPUT,       /* a */
    NODE_IF,           /* kids: NODE_BRANCH */
    NODE_BRANCH,       /* a = condition or NULL, kids = body */
    NODE_FOR,          /* a = target, b = over what, c = filter or NULL, kids, other = else */
    NODE_SET,          /* a = target, b = expression */
    NODE_SET_BLOCK,    /* a = target, kids = body, b = filters or NULL */
    NODE_NS_TARGET,    /* name . value, as a target */
    NODE_MACRO,        /* name, b = parameters, kids = body */
    NODE_PARAM,        /* name, value = its text, a = default or NULL */
    NODE_CALL_BLOCK,   /* a = NODE_CALL, b = parameters, kids = body */
    NODE_FILTER_BLOCK, /* b = filters, kids = body */
    NODE_WITH,         /* b = list of NODE_SET, kids = body */
    NODE_SCOPE,        /* kids = body, whose variables end with it (generation) */
    NODE_BREAK,
    NODE_CONTINUE
};

enum node_op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_FLOORDIV,
    OP_MOD,
    OP_POW,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_NOT_IN,
    /* of NODE_ARG */
    ARG_POSITION,
    ARG_KEYWORD,
    ARG_STAR,
    ARG_STAR_STAR
};

struct node {
    uint8_t kind, op;
    uint32_t line;
    uint32_t name;      /* index into the program's names */
    struct value value; /* a constant, a text, an attribute's or a filter's name */
    struct node *a, *b, *c;
    struct node *kids, *other, *next;
    const struct builtin *builtin;
};

/* Names of variables that the language sets. */
enum special_name {
    NAME_LOOP,
    NAME_CALLER, /* what the body of a call block is called in the macro */
    NAME_VARARGS,
    NAME_KWARGS,
    N_SPECIAL_NAMES
};

struct jinja_program {
    struct arena arena;
    struct node *body;
    struct value *names; /* every variable's name, once; its index is what nodes hold */
    uint32_t n_names, cap_names;
    uint32_t special[N_SPECIAL_NAMES]; /* their indices; n_names for what is not mentioned */
};

/* The index of a name, or n_names when the template has none such. */
uint32_t program_find_name(const struct jinja_program *p, const char *name, size_t len);

#endif
