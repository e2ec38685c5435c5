/* eval.c - the value of an expression. See run.h. */
#include "jinja/builtins.h"
#include "jinja/run.h"

static int eval_items(struct run *r, const struct node *kids, struct list **out)
{
    int rc = list_create(r, 0, out);

    for (; !rc && kids; kids = kids->next) {
        struct value v = {0};

        rc = eval(r, kids, &v);
        if (!rc)
            rc = list_append(r, *out, v);
    }
    return rc;
}

static int eval_list(struct run *r, const struct node *n, struct value *out)
{
    struct list *l = NULL;
    int rc = eval_items(r, n->kids, &l);

    *out = n->kind == NODE_LIST ? value_list(l) : value_tuple(l);
    return rc;
}

static int eval_dict(struct run *r, const struct node *n, struct value *out)
{
    struct dict *d = NULL;
    int rc = dict_create(r, &d);

    for (const struct node *kid = n->kids; !rc && kid; kid = kid->next->next) {
        struct value key = {0}, v = {0};

        rc = eval(r, kid, &key);
        if (!rc)
            rc = eval(r, kid->next, &v);
        r->line = n->line;
        if (!rc)
            rc = dict_set(r, d, key, v);
    }
    *out = value_dict(d);
    return rc;
}

static int eval_sign(struct run *r, const struct node *n, struct value *out)
{
    struct value v = {0};
    int rc = eval(r, n->a, &v);

    if (rc)
        return rc;
    r->line = n->line;
    if (n->kind == NODE_NEG)
        return ops_negate(r, v, out);
    *out = v.kind == VALUE_BOOL ? value_int(v.u.b) : v;
    return value_is_number(v) ? 0 : ops_negate(r, v, out); /* for its message */
}

static int eval_logic(struct run *r, const struct node *n, struct value *out)
{
    int rc = eval(r, n->a, out);

    if (rc)
        return rc;
    if (n->kind == NODE_NOT)
        *out = value_bool(!value_truth(*out));
    else if (value_truth(*out) == (n->kind == NODE_AND))
        rc = eval(r, n->b, out);
    return rc;
}

static int eval_binary(struct run *r, const struct node *n, struct value *out)
{
    struct value a = {0}, b = {0};
    int rc = eval(r, n->a, &a);

    if (!rc)
        rc = eval(r, n->b, &b);
    r->line = n->line;
    return rc ? rc : ops_binary(r, n->op, a, b, out);
}

static int eval_concat(struct run *r, const struct node *n, struct value *out)
{
    struct value v = {0}, text = {0};
    int rc = 0;

    *out = value_text("", 0);
    for (const struct node *kid = n->kids; !rc && kid; kid = kid->next) {
        rc = eval(r, kid, &v);
        if (!rc)
            rc = show_text(r, v, &text);
        if (rc)
            break;
        text.markup = false;
        rc = ops_join(r, *out, text, out);
    }
    return rc;
}

static int eval_compare(struct run *r, const struct node *n, struct value *out)
{
    struct value left = {0}, right = {0};
    bool is = true;
    int rc = eval(r, n->a, &left);

    for (const struct node *kid = n->kids; !rc && is && kid; kid = kid->next) {
        rc = eval(r, kid->a, &right);
        r->line = n->line;
        if (!rc)
            rc = ops_compare(r, kid->op, left, right, &is);
        left = right;
    }
    *out = value_bool(is);
    return rc;
}

static int eval_cond(struct run *r, const struct node *n, struct value *out)
{
    int rc = eval(r, n->a, out);

    if (rc)
        return rc;
    if (value_truth(*out))
        return eval(r, n->b, out);
    if (n->c)
        return eval(r, n->c, out);
    *out = value_nothing("the value of an 'if' without 'else'");
    return 0;
}

static int eval_slice(struct run *r, const struct node *n, struct value *out)
{
    const struct node *ends[3] = {n->b->a, n->b->b, n->b->c};
    struct value v, part[3] = {{0}};
    int rc = eval(r, n->a, &v);

    for (int i = 0; !rc && i < 3; i++)
        if (ends[i])
            rc = eval(r, ends[i], &part[i]);
    r->line = n->line;
    return rc ? rc : access_slice(r, v, part, out);
}

static int eval_item(struct run *r, const struct node *n, struct value *out)
{
    struct value v = {0}, key = {0};
    int rc;

    if (n->b->kind == NODE_SLICE)
        return eval_slice(r, n, out);
    rc = eval(r, n->a, &v);
    if (!rc)
        rc = eval(r, n->b, &key);
    r->line = n->line;
    return rc ? rc : access_item(r, v, key, out);
}

static int eval_attr(struct run *r, const struct node *n, struct value *out)
{
    struct value v = {0};
    int rc = eval(r, n->a, &v);

    r->line = n->line;
    return rc ? rc : access_attr(r, v, n->value, out);
}

static int eval_call(struct run *r, const struct node *n, struct value *out)
{
    struct call c = {0};
    struct value callee = {0};
    int rc = eval(r, n->a, &callee);

    if (!rc)
        rc = call_read_args(r, n->kids, NULL, &c);
    r->line = n->line;
    return rc ? rc : call_value(r, callee, &c, out);
}

static int eval_filter_or_test(struct run *r, const struct node *n, struct value *out)
{
    struct call c = {0};
    int rc = n->a ? eval(r, n->a, &c.self) : 0;

    if (!rc)
        rc = call_read_args(r, n->kids, NULL, &c);
    r->line = n->line;
    if (rc)
        return rc;
    return call_builtin_or_fail(r, n->kind == NODE_TEST ? "test" : "filter", n->value, n->builtin,
                                &c, out);
}

static int eval_node(struct run *r, const struct node *n, struct value *out)
{
    switch (n->kind) {
    case NODE_CONST:
        *out = n->value;
        return 0;
    case NODE_NAME:
        return run_get(r, n->name, out);
    case NODE_LIST:
    case NODE_TUPLE:
        return eval_list(r, n, out);
    case NODE_DICT:
        return eval_dict(r, n, out);
    case NODE_NEG:
    case NODE_POS:
        return eval_sign(r, n, out);
    case NODE_NOT:
    case NODE_AND:
    case NODE_OR:
        return eval_logic(r, n, out);
    case NODE_BINARY:
        return eval_binary(r, n, out);
    case NODE_CONCAT:
        return eval_concat(r, n, out);
    case NODE_COMPARE:
        return eval_compare(r, n, out);
    case NODE_COND:
        return eval_cond(r, n, out);
    case NODE_ATTR:
        return eval_attr(r, n, out);
    case NODE_ITEM:
        return eval_item(r, n, out);
    case NODE_CALL:
        return eval_call(r, n, out);
    case NODE_FILTER:
    case NODE_TEST:
        return eval_filter_or_test(r, n, out);
    default:
        BUG("node %d is no expression", n->kind);
    }
}

int eval(struct run *r, const struct node *n, struct value *out)
{
    int rc;

    *out = value_none();
    r->line = n->line;
    rc = run_steps(r, 1);
    if (!rc)
        rc = run_enter(r);
    if (rc)
        return rc;
    rc = eval_node(r, n, out);
    r->depth--;
    return rc;
}
