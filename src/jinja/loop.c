/* loop.c - for loops and the variable `loop`. Source: the Jinja documentation, "For". */
#include "jinja/builtins.h"
#include "jinja/run.h"

/* A list that is changed by the loop's own body is seen changing, as in Python. */
struct loop {
    const struct list *items;
    size_t i;
    struct value seen; /* what loop.changed was last asked about: a tuple, or missing */
};

/* ---- loop.name ------------------------------------------------------------------------------- */

static int neighbour(const struct loop *l, bool next, struct value name, struct value *out)
{
    bool there = next ? l->i + 1 < l->items->n : l->i > 0;

    *out =
        there ? l->items->items[next ? l->i + 1 : l->i - 1] : value_undefined(name.u.s, name.len);
    return 0;
}

int loop_attr(struct run *r, struct value v, struct value name, struct value *out)
{
    const struct loop *l = v.u.loop;
    int64_t i = (int64_t)l->i, n = (int64_t)l->items->n;

    (void)r;
    if (value_is_text(name, "index"))
        *out = value_int(i + 1);
    else if (value_is_text(name, "index0"))
        *out = value_int(i);
    else if (value_is_text(name, "revindex"))
        *out = value_int(n - i);
    else if (value_is_text(name, "revindex0"))
        *out = value_int(n - i - 1);
    else if (value_is_text(name, "first"))
        *out = value_bool(i == 0);
    else if (value_is_text(name, "last"))
        *out = value_bool(i + 1 == n);
    else if (value_is_text(name, "length"))
        *out = value_int(n);
    else if (value_is_text(name, "depth"))
        *out = value_int(1);
    else if (value_is_text(name, "depth0"))
        *out = value_int(0);
    else if (value_is_text(name, "previtem") || value_is_text(name, "nextitem"))
        return neighbour(l, name.u.s[0] == 'n', name, out);
    else
        *out = value_undefined(name.u.s, name.len);
    return 0;
}

static int loop_cycle(struct run *r, struct call *c, struct value *out)
{
    if (c->n_given == 0)
        return run_fail(r, ERR_INVALID, "loop.cycle needs something to choose from");
    *out = c->given[c->self.u.loop->i % c->n_given];
    return 0;
}

static int loop_changed(struct run *r, struct call *c, struct value *out)
{
    struct loop *l = c->self.u.loop;
    struct list *now;
    bool same;
    int rc = list_create(r, c->n_given, &now);

    for (size_t i = 0; !rc && i < c->n_given; i++)
        rc = list_append(r, now, c->given[i]);
    if (!rc)
        rc = value_equal(r, l->seen, value_tuple(now), &same);
    if (rc)
        return rc;
    l->seen = value_tuple(now);
    *out = value_bool(!same);
    return 0;
}

const struct builtin builtins_method_loop[] = {
    {"cycle", NULL, loop_cycle},
    {"changed", NULL, loop_changed},
    {0},
};

/* ---- the statement --------------------------------------------------------------------------- */

/* The items for which the loop's own condition holds. */
static int filter_items(struct run *r, const struct node *n, const struct list *all,
                        struct list **out)
{
    struct scope *old, *scope;
    int rc = list_create(r, 0, out);

    if (!rc)
        rc = run_open_scope(r, r->scope, &old);
    if (rc)
        return rc;
    scope = r->scope;
    for (size_t i = 0; !rc && i < all->n; i++) {
        struct value item = all->items[i], keep;

        scope->n = 0;
        rc = exec_assign(r, n->a, item);
        if (!rc)
            rc = eval(r, n->c, &keep);
        if (!rc && value_truth(keep))
            rc = list_append(r, *out, item);
    }
    r->scope = old;
    return rc;
}

/* The loop's turns, in a scope of their own that is emptied for each. *whole: one came to its end.
 */
static int turns(struct run *r, const struct node *n, const struct list *items, bool *whole)
{
    uint32_t name = r->program->special[NAME_LOOP];
    struct loop *l = run_alloc(r, sizeof *l);
    struct value v = {.kind = VALUE_LOOP, .u.loop = l};
    int rc = l ? 0 : ERR_LIMIT;

    if (l)
        l->items = items;
    for (size_t i = 0; !rc && i < items->n; i++) {
        r->scope->n = 0;
        l->i = i;
        if (name < r->program->n_names)
            rc = run_set(r, name, v);
        if (!rc)
            rc = exec_assign(r, n->a, items->items[i]);
        if (!rc)
            rc = exec(r, n->kids);
        *whole |= rc == 0;
        if (rc == RUN_CONTINUE)
            rc = 0;
    }
    return rc == RUN_BREAK ? 0 : rc;
}

int exec_for(struct run *r, const struct node *n)
{
    struct list *items;
    struct scope *old;
    struct value v = {0};
    bool whole = false;
    int rc = eval(r, n->b, &v);

    r->line = n->line;
    if (!rc)
        rc = value_items(r, v, &items);
    if (!rc && n->c)
        rc = filter_items(r, n, items, &items);
    if (rc)
        return rc;
    rc = run_open_scope(r, r->scope, &old);
    if (rc)
        return rc;
    rc = turns(r, n, items, &whole);
    if (!rc && !whole) { /* Jinja's `else` is not Python's: a turn that breaks off does not count */
        r->scope->n = 0;
        rc = exec(r, n->other);
    }
    r->scope = old;
    return rc;
}
