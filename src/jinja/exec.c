/* exec.c - statements. See run.h. */
#include "jinja/run.h"

/* ---- assignment ------------------------------------------------------------------------------ */

static int assign_items(struct run *r, const struct node *targets, struct value v)
{
    struct list *items;
    size_t n = 0, i = 0;
    int rc = ops_defined(r, v);

    if (!rc)
        rc = value_items(r, v, &items);
    if (rc)
        return rc;
    for (const struct node *t = targets; t; t = t->next)
        n++;
    if (items->n != n)
        return run_fail(r, ERR_INVALID, "%zu values cannot be given to %zu names", items->n, n);
    for (const struct node *t = targets; !rc && t; t = t->next)
        rc = exec_assign(r, t, items->items[i++]);
    return rc;
}

static int assign_in_namespace(struct run *r, const struct node *target, struct value v)
{
    struct value ns = {0};
    int rc = run_get(r, target->name, &ns);

    if (rc)
        return rc;
    if (ns.kind != VALUE_NAMESPACE)
        return run_fail(r, ERR_INVALID, "an attribute can be set of a namespace only, not of %s",
                        value_kind_name(ns));
    return dict_set(r, ns.u.dict, target->value, v);
}

int exec_assign(struct run *r, const struct node *target, struct value v)
{
    int rc = run_steps(r, 1); /* a loop's body may be empty, a tuple have thousands of names */

    r->line = target->line;
    if (rc)
        return rc;
    if (target->kind == NODE_TUPLE)
        return assign_items(r, target->kids, v);
    if (target->kind == NODE_NS_TARGET)
        return assign_in_namespace(r, target, v);
    return run_set(r, target->name, v);
}

static int exec_set(struct run *r, const struct node *n)
{
    struct value v = {0};
    int rc = eval(r, n->b, &v);

    return rc ? rc : exec_assign(r, n->a, v);
}

/* ---- bodies ---------------------------------------------------------------------------------- */

int exec_capture(struct run *r, const struct node *body, struct value *out)
{
    size_t mark = run_mark(r);
    int rc = exec(r, body), taken = rc < 0 ? 0 : run_take(r, mark, out);

    return taken ? taken : rc;
}

static int exec_in_scope(struct run *r, const struct node *n)
{
    struct scope *old;
    int rc = run_open_scope(r, r->scope, &old);

    if (rc)
        return rc;
    rc = exec(r, n->kids);
    r->scope = old;
    return rc;
}

static int capture_in_scope(struct run *r, const struct node *n, struct value *out)
{
    struct scope *old;
    int rc = run_open_scope(r, r->scope, &old);

    if (rc)
        return rc;
    rc = exec_capture(r, n->kids, out);
    r->scope = old;
    return rc;
}

/* A chain of filters, the innermost of which is applied to `v`. */
static int apply_filters(struct run *r, const struct node *f, struct value v, struct value *out)
{
    struct call c = {.self = v};
    int rc = 0;

    if (f->a) {
        rc = run_enter(r);
        if (rc)
            return rc;
        rc = apply_filters(r, f->a, v, &c.self);
        r->depth--;
    }
    if (!rc)
        rc = call_read_args(r, f->kids, NULL, &c);
    r->line = f->line;
    return rc ? rc : call_builtin_or_fail(r, "filter", f->value, f->builtin, &c, out);
}

static int exec_set_block(struct run *r, const struct node *n)
{
    struct value text = {0};
    int rc = capture_in_scope(r, n, &text);

    if (rc)
        return rc;
    if (n->b)
        rc = apply_filters(r, n->b, text, &text);
    return rc ? rc : exec_assign(r, n->a, text);
}

static int exec_filter_block(struct run *r, const struct node *n)
{
    struct value text = {0};
    int rc = capture_in_scope(r, n, &text);

    if (!rc)
        rc = apply_filters(r, n->b, text, &text);
    return rc ? rc : show_put(r, text);
}

/* Every value is computed before the first name is set. */
static int exec_with(struct run *r, const struct node *n)
{
    struct scope *outer = r->scope, *inner, *old;
    int rc = run_open_scope(r, outer, &old);

    if (rc)
        return rc;
    inner = r->scope;
    for (const struct node *set = n->b; !rc && set; set = set->next) {
        struct value v = {0};

        r->scope = outer;
        rc = eval(r, set->b, &v);
        r->scope = inner;
        if (!rc)
            rc = exec_assign(r, set->a, v);
    }
    if (!rc)
        rc = exec(r, n->kids);
    r->scope = outer;
    return rc;
}

/* ---- macros ---------------------------------------------------------------------------------- */

static int make_macro(struct run *r, const struct node *n, struct value *out)
{
    struct macro *m = run_alloc(r, sizeof *m);

    if (!m)
        return ERR_LIMIT;
    *m = (struct macro){.node = n, .scope = r->scope};
    *out = (struct value){.kind = VALUE_MACRO, .u.macro = m};
    return 0;
}

static int exec_macro(struct run *r, const struct node *n)
{
    struct value v = {0};
    int rc = make_macro(r, n, &v);

    return rc ? rc : run_set(r, n->name, v);
}

static int exec_call_block(struct run *r, const struct node *n)
{
    struct value caller = {0}, callee = {0}, text = {0};
    struct call c = {0};
    int rc = make_macro(r, n, &caller);

    if (!rc)
        rc = eval(r, n->a->a, &callee);
    if (!rc)
        rc = call_read_args(r, n->a->kids, &caller, &c);
    r->line = n->line;
    if (!rc)
        rc = call_value(r, callee, &c, &text);
    return rc ? rc : show_put(r, text);
}

/* ---- dispatch -------------------------------------------------------------------------------- */

static int exec_output(struct run *r, const struct node *n)
{
    struct value v = {0};
    int rc = eval(r, n->a, &v);

    return rc ? rc : show_put(r, v);
}

static int exec_if(struct run *r, const struct node *n)
{
    for (const struct node *branch = n->kids; branch; branch = branch->next) {
        struct value v = value_bool(true);
        int rc = branch->a ? eval(r, branch->a, &v) : 0;

        if (rc)
            return rc;
        if (value_truth(v))
            return exec(r, branch->kids);
    }
    return 0;
}

static int exec_node(struct run *r, const struct node *n)
{
    switch (n->kind) {
    case NODE_TEXT:
        return run_put(r, n->value.u.s, n->value.len);
    case NODE_OUTPUT:
        return exec_output(r, n);
    case NODE_IF:
        return exec_if(r, n);
    case NODE_FOR:
        return exec_for(r, n);
    case NODE_SET:
        return exec_set(r, n);
    case NODE_SET_BLOCK:
        return exec_set_block(r, n);
    case NODE_MACRO:
        return exec_macro(r, n);
    case NODE_CALL_BLOCK:
        return exec_call_block(r, n);
    case NODE_FILTER_BLOCK:
        return exec_filter_block(r, n);
    case NODE_WITH:
        return exec_with(r, n);
    case NODE_SCOPE:
        return exec_in_scope(r, n);
    case NODE_BREAK:
        return RUN_BREAK;
    case NODE_CONTINUE:
        return RUN_CONTINUE;
    default:
        BUG("node %d is no statement", n->kind);
    }
}

int exec(struct run *r, const struct node *n)
{
    int rc = run_enter(r);

    if (rc)
        return rc;
    for (; !rc && n; n = n->next) {
        r->line = n->line;
        rc = run_steps(r, 1);
        if (!rc)
            rc = exec_node(r, n);
    }
    r->depth--;
    return rc;
}
