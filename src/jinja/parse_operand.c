/*
 * parse_operand.c - operands of expressions: literals, names, and what may follow them (attributes,
 * items, calls, filters, tests). Source: the Jinja documentation, "Expressions".
 */
#include "jinja/builtins.h"
#include "jinja/parser.h"

static int parse_args(struct parser *p, struct node **out);

static struct node *parse_brackets(struct parser *p)
{
    struct node *n;

    if (parser_skip_sign(p, ")"))
        return parser_node(p, NODE_TUPLE);
    n = parse_tuple(p, false);
    return n && parser_want_sign(p, ")") ? NULL : n;
}

static struct node *parse_list(struct parser *p)
{
    struct node *n = parser_node(p, NODE_LIST);
    struct node_list kids;

    node_list_init(&kids);
    while (n && !parser_is_sign(p, "]")) {
        struct node *kid;

        if (kids.first && parser_want_sign(p, ","))
            return NULL;
        if (parser_is_sign(p, "]"))
            break;
        kid = parse_expression(p);
        if (!kid)
            return NULL;
        node_list_add(&kids, kid);
    }
    if (!n || parser_want_sign(p, "]"))
        return NULL;
    n->kids = kids.first;
    return n;
}

static struct node *parse_dict(struct parser *p)
{
    struct node *n = parser_node(p, NODE_DICT);
    struct node_list kids;

    node_list_init(&kids);
    while (n && !parser_is_sign(p, "}")) {
        struct node *key, *value;

        if (kids.first && parser_want_sign(p, ","))
            return NULL;
        if (parser_is_sign(p, "}"))
            break;
        key = parse_expression(p);
        if (!key || parser_want_sign(p, ":"))
            return NULL;
        value = parse_expression(p);
        if (!value)
            return NULL;
        node_list_add(&kids, key);
        node_list_add(&kids, value);
    }
    if (!n || parser_want_sign(p, "}"))
        return NULL;
    n->kids = kids.first;
    return n;
}

static struct node *parse_name(struct parser *p)
{
    struct node *n = parser_node(p, NODE_CONST);
    int64_t name;

    if (!n)
        return NULL;
    if (parser_skip_name(p, "true") || parser_skip_name(p, "True")) {
        n->value = value_bool(true);
    } else if (parser_skip_name(p, "false") || parser_skip_name(p, "False")) {
        n->value = value_bool(false);
    } else if (parser_skip_name(p, "none") || parser_skip_name(p, "None")) {
        n->value = value_none();
    } else {
        name = parser_take_name(p);
        if (name < 0)
            return NULL;
        n->kind = NODE_NAME;
        n->name = (uint32_t)name;
    }
    return n;
}

static struct node *parse_primary(struct parser *p)
{
    switch (p->t->kind) {
    case TOKEN_NAME:
        return parse_name(p);
    case TOKEN_STRING:
        return parse_string(p);
    case TOKEN_INT:
    case TOKEN_FLOAT:
        return parse_number(p);
    default:
        break;
    }
    if (parser_skip_sign(p, "("))
        return parse_brackets(p);
    if (parser_skip_sign(p, "["))
        return parse_list(p);
    if (parser_skip_sign(p, "{"))
        return parse_dict(p);
    parser_expected(p, "an expression");
    return NULL;
}

/* ".name" or ".0" */
static struct node *parse_attribute(struct parser *p, struct node *of)
{
    struct node *n = parser_make(p, NODE_ATTR, p->t->line, of, NULL);

    if (!n)
        return NULL;
    if (p->t->kind == TOKEN_INT) {
        n->kind = NODE_ITEM;
        n->b = parse_number(p);
        return n->b ? n : NULL;
    }
    if (p->t->kind != TOKEN_NAME) {
        parser_expected(p, "a name");
        return NULL;
    }
    n->value = value_text(p->t->s, p->t->len);
    p->t++;
    return n;
}

static bool at_slice_end(const struct parser *p)
{
    return parser_is_sign(p, ":") || parser_is_sign(p, "]") || parser_is_sign(p, ",");
}

/* The part of a slice at hand, if any; -1 after an error. */
static int parse_slice_part(struct parser *p, struct node **out)
{
    if (at_slice_end(p))
        return 0;
    *out = parse_expression(p);
    return *out ? 0 : -1;
}

/* What stands in [ ]: an expression, a slice, or a tuple of expressions. */
static struct node *parse_subscript(struct parser *p)
{
    struct node *first = NULL, *n;

    if (!parser_is_sign(p, ":")) {
        first = parse_tuple(p, false);
        if (!first || !parser_is_sign(p, ":"))
            return first;
    }
    n = parser_node(p, NODE_SLICE);
    if (!n || parser_want_sign(p, ":"))
        return NULL;
    n->a = first;
    if (parse_slice_part(p, &n->b))
        return NULL;
    if (parser_skip_sign(p, ":") && parse_slice_part(p, &n->c))
        return NULL;
    return n;
}

static struct node *parse_item(struct parser *p, struct node *of)
{
    struct node *n = parser_make(p, NODE_ITEM, p->t->line, of, NULL);

    if (!n)
        return NULL;
    n->b = parse_subscript(p);
    return !n->b || parser_want_sign(p, "]") ? NULL : n;
}

static struct node *parse_call(struct parser *p, struct node *of)
{
    struct node *n = parser_make(p, NODE_CALL, p->t->line, of, NULL);

    return !n || parse_args(p, &n->kids) ? NULL : n;
}

static struct node *parse_postfix(struct parser *p, struct node *n)
{
    while (n) {
        if (parser_skip_sign(p, "."))
            n = parse_attribute(p, n);
        else if (parser_skip_sign(p, "["))
            n = parse_item(p, n);
        else if (parser_skip_sign(p, "("))
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

/* "name", "name=", "*" or "**" before an argument. */
static struct node *parse_arg(struct parser *p)
{
    struct node *n = parser_node(p, NODE_ARG);

    if (!n)
        return NULL;
    n->op = ARG_POSITION;
    if (p->t->kind == TOKEN_NAME && p->t[1].kind == TOKEN_SIGN && p->t[1].len == 1 &&
        p->t[1].s[0] == '=') {
        n->op = ARG_KEYWORD;
        n->value = value_text(p->t->s, p->t->len);
        p->t += 2;
    } else if (parser_skip_sign(p, "**")) {
        n->op = ARG_STAR_STAR;
    } else if (parser_skip_sign(p, "*")) {
        n->op = ARG_STAR;
    }
    n->a = parse_expression(p);
    return n->a ? n : NULL;
}

/* Arguments and ")", behind "(". */
static int parse_args(struct parser *p, struct node **out)
{
    struct node_list kids;
    bool named = false;

    node_list_init(&kids);
    while (!parser_is_sign(p, ")")) {
        struct node *arg;

        if (kids.first && parser_want_sign(p, ","))
            return -1;
        if (parser_is_sign(p, ")"))
            break;
        arg = parse_arg(p);
        if (!arg)
            return -1;
        if (named && arg->op == ARG_POSITION)
            return parser_fail(p, ERR_INVALID, "a positional argument follows a named one");
        named |= arg->op == ARG_KEYWORD;
        node_list_add(&kids, arg);
    }
    *out = kids.first;
    return parser_want_sign(p, ")");
}

/* A filter's or test's name, which may have dots. */
static int parse_dotted(struct parser *p, struct value *out)
{
    const char *from = p->t->s;

    if (p->t->kind != TOKEN_NAME)
        return parser_expected(p, "a name");
    p->t++;
    while (parser_is_sign(p, ".") && p->t[1].kind == TOKEN_NAME)
        p->t += 2;
    *out = value_text(from, (size_t)(p->t[-1].s + p->t[-1].len - from));
    return 0;
}

struct node *parse_filter(struct parser *p, struct node *to)
{
    struct node *n = parser_node(p, NODE_FILTER);

    if (!n || parse_dotted(p, &n->value))
        return NULL;
    n->a = to;
    n->builtin = builtin_filter(n->value.u.s, n->value.len);
    if (parser_skip_sign(p, "(") && parse_args(p, &n->kids))
        return NULL;
    return n;
}

struct node *parse_filters(struct parser *p, struct node *to)
{
    while (parser_skip_sign(p, "|")) {
        to = parse_filter(p, to);
        if (!to)
            return NULL;
    }
    return to;
}

/* A test may have one argument without brackets: "is divisibleby 3". */
static bool bare_argument(const struct parser *p)
{
    switch (p->t->kind) {
    case TOKEN_NAME:
        return !parser_is_name(p, "else") && !parser_is_name(p, "or") && !parser_is_name(p, "and");
    case TOKEN_STRING:
    case TOKEN_INT:
    case TOKEN_FLOAT:
        return true;
    default:
        return parser_is_sign(p, "[") || parser_is_sign(p, "{");
    }
}

static int parse_test_args(struct parser *p, struct node *test)
{
    if (parser_skip_sign(p, "("))
        return parse_args(p, &test->kids);
    if (!bare_argument(p))
        return 0;
    if (parser_is_name(p, "is"))
        return parser_fail(p, ERR_INVALID, "tests with \"is\" cannot be chained");
    test->kids = parser_node(p, NODE_ARG);
    if (!test->kids)
        return -1;
    test->kids->op = ARG_POSITION;
    test->kids->a = parse_postfix(p, parse_primary(p));
    return test->kids->a ? 0 : -1;
}

/* Behind "is". */
static struct node *parse_test(struct parser *p, struct node *of)
{
    bool negated = parser_skip_name(p, "not");
    struct node *n = parser_make(p, NODE_TEST, p->t->line, of, NULL);

    if (!n || parse_dotted(p, &n->value))
        return NULL;
    n->builtin = builtin_test(n->value.u.s, n->value.len);
    if (parse_test_args(p, n))
        return NULL;
    return negated ? parser_make(p, NODE_NOT, n->line, n, NULL) : n;
}

static struct node *parse_tail(struct parser *p, struct node *n)
{
    while (n) {
        if (parser_skip_sign(p, "|"))
            n = parse_filter(p, n);
        else if (parser_skip_name(p, "is"))
            n = parse_test(p, n);
        else if (parser_skip_sign(p, "("))
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

struct node *parse_unary(struct parser *p, bool with_filters)
{
    uint32_t line = p->t->line;
    bool minus = parser_is_sign(p, "-");
    struct node *n;

    if (minus || parser_is_sign(p, "+")) {
        if (parser_enter(p))
            return NULL;
        p->t++;
        n = parser_make(p, minus ? NODE_NEG : NODE_POS, line, parse_unary(p, false), NULL);
        p->depth--;
    } else {
        n = parse_primary(p);
    }
    n = parse_postfix(p, n);
    return with_filters ? parse_tail(p, n) : n;
}
