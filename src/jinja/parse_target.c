/* parse_target.c - what can be assigned to, and the parameters of macros. */
#include "jinja/parser.h"

static struct node *parse_one_target(struct parser *p, bool ns)
{
    struct node *n = parser_node(p, NODE_NAME);
    int64_t name;

    if (!n)
        return NULL;
    if (parser_skip_sign(p, "(")) {
        n = parse_target(p, false);
        return n && parser_want_sign(p, ")") ? NULL : n;
    }
    name = parser_take_name(p);
    if (name < 0)
        return NULL;
    n->name = (uint32_t)name;
    if (ns && parser_skip_sign(p, ".")) {
        if (p->t->kind != TOKEN_NAME) {
            parser_expected(p, "a name");
            return NULL;
        }
        n->kind = NODE_NS_TARGET;
        n->value = value_text(p->t->s, p->t->len);
        p->t++;
    }
    return n;
}

struct node *parse_target(struct parser *p, bool ns)
{
    struct node *first, *n;
    struct node_list kids;

    if (parser_enter(p))
        return NULL;
    first = parse_one_target(p, ns);
    p->depth--;
    if (!first || !parser_is_sign(p, ","))
        return first;
    n = parser_node(p, NODE_TUPLE);
    if (!n)
        return NULL;
    node_list_init(&kids);
    node_list_add(&kids, first);
    while (parser_skip_sign(p, ",") && (p->t->kind == TOKEN_NAME || parser_is_sign(p, "(")) &&
           !parser_is_name(p, "in")) {
        struct node *next = parse_one_target(p, ns);

        if (!next)
            return NULL;
        node_list_add(&kids, next);
    }
    n->kids = kids.first;
    return n;
}

static struct node *parse_param(struct parser *p)
{
    struct node *n = parser_node(p, NODE_PARAM);
    int64_t name;

    if (!n)
        return NULL;
    n->value = value_text(p->t->s, p->t->len);
    name = parser_take_name(p);
    if (name < 0)
        return NULL;
    n->name = (uint32_t)name;
    if (!parser_skip_sign(p, "="))
        return n;
    n->a = parse_expression(p);
    return n->a ? n : NULL;
}

int parse_params(struct parser *p, struct node **out)
{
    struct node_list kids;
    bool defaults = false;

    node_list_init(&kids);
    if (parser_want_sign(p, "("))
        return -1;
    while (!parser_is_sign(p, ")")) {
        struct node *param;

        if (kids.first && parser_want_sign(p, ","))
            return -1;
        if (parser_is_sign(p, ")"))
            break;
        param = parse_param(p);
        if (!param)
            return -1;
        if (defaults && !param->a)
            return parser_fail(p, ERR_INVALID, "a parameter without a default follows one with it");
        defaults |= param->a != NULL;
        node_list_add(&kids, param);
    }
    *out = kids.first;
    return parser_want_sign(p, ")");
}
