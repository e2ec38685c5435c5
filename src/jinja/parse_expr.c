/* parse_expr.c - expressions. Source: the Jinja documentation, "Expressions". */
#include <string.h>

#include "jinja/parser.h"

/* Binary operators by strength, the weakest first; `not` and comparisons are levels of their own.
 */
enum level {
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_COMPARE,
    LEVEL_SUM,
    LEVEL_CONCAT,
    LEVEL_PRODUCT,
    LEVEL_POWER,
    LEVEL_UNARY
};

struct operator
{
    const char *sign;
    uint8_t op, level;
};

static const struct operator operators[] = {
    {"+", OP_ADD, LEVEL_SUM},           {"-", OP_SUB, LEVEL_SUM},     {"*", OP_MUL, LEVEL_PRODUCT},
    {"/", OP_DIV, LEVEL_PRODUCT},       {"%", OP_MOD, LEVEL_PRODUCT}, {"**", OP_POW, LEVEL_POWER},
    {"//", OP_FLOORDIV, LEVEL_PRODUCT}, {"==", OP_EQ, LEVEL_COMPARE}, {"!=", OP_NE, LEVEL_COMPARE},
    {"<", OP_LT, LEVEL_COMPARE},        {"<=", OP_LE, LEVEL_COMPARE}, {">", OP_GT, LEVEL_COMPARE},
    {">=", OP_GE, LEVEL_COMPARE},
};

static struct node *parse_level(struct parser *p, enum level level);

static const struct operator* operator_here(const struct parser *p, enum level level)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (operators[i].level == level && parser_is_sign(p, operators[i].sign))
            return &operators[i];
    return NULL;
}

static struct node *parse_binary(struct parser *p, enum level level)
{
    struct node *left = parse_level(p, level + 1);
    const struct operator* o;

    while (left && (o = operator_here(p, level))) {
        uint32_t line = p->t->line;

        p->t++;
        left = parser_make(p, NODE_BINARY, line, left, parse_level(p, level + 1));
        if (left)
            left->op = o->op;
    }
    return left;
}

static struct node *parse_logic(struct parser *p, enum level level)
{
    const char *word = level == LEVEL_OR ? "or" : "and";
    enum node_kind kind = level == LEVEL_OR ? NODE_OR : NODE_AND;
    struct node *left = parse_level(p, level + 1);

    while (left && parser_is_name(p, word)) {
        uint32_t line = p->t->line;

        p->t++;
        left = parser_make(p, kind, line, left, parse_level(p, level + 1));
    }
    return left;
}

static struct node *parse_concat(struct parser *p)
{
    struct node *first = parse_level(p, LEVEL_PRODUCT), *n;
    struct node_list kids;

    if (!first || !parser_is_sign(p, "~"))
        return first;
    node_list_init(&kids);
    node_list_add(&kids, first);
    n = parser_node(p, NODE_CONCAT);
    while (n && parser_skip_sign(p, "~")) {
        struct node *next = parse_level(p, LEVEL_PRODUCT);

        if (!next)
            return NULL;
        node_list_add(&kids, next);
    }
    if (n)
        n->kids = kids.first;
    return n;
}

/* The comparison at hand, which is then behind; false when there is none. */
static bool take_comparison(struct parser *p, uint8_t *op)
{
    const struct operator* o = operator_here(p, LEVEL_COMPARE);

    if (o) {
        *op = o->op;
        p->t++;
        return true;
    }
    if (parser_skip_name(p, "in")) {
        *op = OP_IN;
        return true;
    }
    if (!parser_is_name(p, "not") || p->t[1].kind != TOKEN_NAME || p->t[1].len != 2 ||
        memcmp(p->t[1].s, "in", 2) != 0)
        return false;
    p->t += 2;
    *op = OP_NOT_IN;
    return true;
}

static struct node *parse_compare(struct parser *p)
{
    struct node *first = parse_level(p, LEVEL_SUM), *n, *operand;
    struct node_list kids;
    uint32_t line = p->t->line;
    uint8_t op;

    if (!first || !take_comparison(p, &op))
        return first;
    node_list_init(&kids);
    do {
        operand = parser_make(p, NODE_OPERAND, line, parse_level(p, LEVEL_SUM), NULL);
        if (!operand)
            return NULL;
        operand->op = op;
        node_list_add(&kids, operand);
    } while (take_comparison(p, &op));
    n = parser_make(p, NODE_COMPARE, line, first, NULL);
    if (n)
        n->kids = kids.first;
    return n;
}

static struct node *parse_not(struct parser *p)
{
    uint32_t line = p->t->line;
    struct node *n;

    if (!parser_skip_name(p, "not"))
        return parse_compare(p);
    if (parser_enter(p))
        return NULL;
    n = parser_make(p, NODE_NOT, line, parse_not(p), NULL);
    p->depth--;
    return n;
}

static struct node *parse_level(struct parser *p, enum level level)
{
    switch (level) {
    case LEVEL_OR:
    case LEVEL_AND:
        return parse_logic(p, level);
    case LEVEL_NOT:
        return parse_not(p);
    case LEVEL_COMPARE:
        return parse_compare(p);
    case LEVEL_CONCAT:
        return parse_concat(p);
    case LEVEL_SUM:
    case LEVEL_PRODUCT:
    case LEVEL_POWER:
        return parse_binary(p, level);
    case LEVEL_UNARY:
        break;
    }
    return parse_unary(p, true);
}

/* Without "x if y": for what a loop goes over. */
static struct node *parse_plain(struct parser *p)
{
    struct node *n;

    if (parser_enter(p))
        return NULL;
    n = parse_level(p, LEVEL_OR);
    p->depth--;
    return n;
}

/* a if b else c: the branches may be such, too. */
struct node *parse_expression(struct parser *p)
{
    struct node *n, *otherwise = NULL;

    if (parser_enter(p))
        return NULL;
    n = parse_level(p, LEVEL_OR);
    while (n && parser_is_name(p, "if")) {
        uint32_t line = p->t->line;
        struct node *condition;

        p->t++;
        condition = parse_level(p, LEVEL_OR);
        if (condition && parser_skip_name(p, "else")) {
            otherwise = parse_expression(p);
            condition = otherwise ? condition : NULL;
        }
        n = parser_make(p, NODE_COND, line, condition, n);
        if (n)
            n->c = otherwise;
        otherwise = NULL;
    }
    p->depth--;
    return n;
}

/* Where a tuple without brackets ends. */
static bool tuple_ends(const struct parser *p)
{
    return p->t->kind == TOKEN_PRINT_END || p->t->kind == TOKEN_BLOCK_END ||
           parser_is_sign(p, ")") || parser_is_name(p, "recursive");
}

struct node *parse_tuple(struct parser *p, bool plain)
{
    struct node *first = plain ? parse_plain(p) : parse_expression(p), *n;
    struct node_list kids;

    if (!first || !parser_is_sign(p, ","))
        return first;
    n = parser_node(p, NODE_TUPLE);
    if (!n)
        return NULL;
    node_list_init(&kids);
    node_list_add(&kids, first);
    while (parser_skip_sign(p, ",") && !tuple_ends(p)) {
        struct node *next = plain ? parse_plain(p) : parse_expression(p);

        if (!next)
            return NULL;
        node_list_add(&kids, next);
    }
    n->kids = kids.first;
    return n;
}
