/*
 * globals.c - functions that templates can call by name. Sources: the Jinja documentation, "List of
 * Global Functions"; Hugging Face's documentation of chat templates for raise_exception and
 * strftime_now (strftime.c).
 */
#include <stdio.h>

#include "jinja/builtins.h"
#include "jinja/run.h"

/* ---- range, dict, namespace ------------------------------------------------------------------ */

static int fill_range(struct run *r, int64_t from, int64_t to, int64_t step, struct list *l)
{
    int rc = 0;

    while (!rc && (step > 0 ? from < to : from > to)) {
        rc = list_append(r, l, value_int(from));
        if (__builtin_add_overflow(from, step, &from))
            break;
    }
    return rc;
}

static int global_range(struct run *r, struct call *c, struct value *out)
{
    int64_t a, b, step;
    struct list *l = NULL;

    if (arg_int(r, c, 0, 0, &a) || arg_int(r, c, 1, 0, &b) || arg_int(r, c, 2, 1, &step) ||
        list_create(r, 0, &l))
        return ERR_INVALID;
    if (step == 0)
        return run_fail(r, ERR_INVALID, "the step of a range is 0");
    *out = value_list(l);
    if (c->args[1].kind == VALUE_MISSING)
        return fill_range(r, 0, a, step, l);
    return fill_range(r, a, b, step, l);
}

static int copy_entries(struct run *r, const struct dict *from, struct dict *to)
{
    int rc = 0;

    for (size_t i = 0; !rc && i < from->n; i++)
        rc = dict_set(r, to, from->entries[i].key, from->entries[i].value);
    return rc;
}

/* A mapping, or pairs; both may be followed by keywords. */
static int make_dict(struct run *r, struct call *c, struct dict **out)
{
    int rc = dict_create(r, out);

    if (rc)
        return rc;
    if (c->n_given > 1)
        return run_fail(r, ERR_INVALID, "'%s' takes one mapping and keywords", c->builtin->name);
    if (c->n_given && (c->given[0].kind == VALUE_DICT || c->given[0].kind == VALUE_NAMESPACE)) {
        rc = copy_entries(r, c->given[0].u.dict, *out);
    } else if (c->n_given) {
        struct list *pairs;

        rc = value_items(r, c->given[0], &pairs);
        for (size_t i = 0; !rc && i < pairs->n; i++) {
            struct list *pair;

            rc = value_items(r, pairs->items[i], &pair);
            if (!rc && pair->n != 2)
                rc = run_fail(r, ERR_INVALID, "a mapping is made of pairs");
            if (!rc)
                rc = dict_set(r, *out, pair->items[0], pair->items[1]);
        }
    }
    for (size_t i = 0; !rc && i < c->n_keywords; i++)
        rc = dict_set(r, *out, c->keywords[i].name, c->keywords[i].value);
    return rc;
}

static int global_dict(struct run *r, struct call *c, struct value *out)
{
    struct dict *d = NULL;
    int rc = make_dict(r, c, &d);

    *out = value_dict(d);
    return rc;
}

static int global_namespace(struct run *r, struct call *c, struct value *out)
{
    int rc = global_dict(r, c, out);

    out->kind = VALUE_NAMESPACE;
    return rc;
}

/* ---- cycler, joiner -------------------------------------------------------------------------- */

static int global_cycler(struct run *r, struct call *c, struct value *out)
{
    struct list *l = NULL;
    int rc = list_create(r, c->n_given, &l);

    if (!rc && c->n_given == 0)
        return run_fail(r, ERR_INVALID, "a cycler needs something to choose from");
    for (size_t i = 0; !rc && i < c->n_given; i++)
        rc = list_append(r, l, c->given[i]);
    *out = (struct value){.kind = VALUE_CYCLER, .u.list = l};
    return rc;
}

static int cycler_next(struct run *r, struct call *c, struct value *out)
{
    struct list *l = c->self.u.list;

    (void)r;
    *out = l->items[l->at];
    l->at = (l->at + 1) % l->n;
    return 0;
}

static int cycler_reset(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    c->self.u.list->at = 0;
    *out = value_none();
    return 0;
}

const struct builtin builtins_method_cycler[] = {
    {"next", "", cycler_next},
    {"reset", "", cycler_reset},
    {0},
};

static int global_joiner(struct run *r, struct call *c, struct value *out)
{
    struct joiner *j = run_alloc(r, sizeof *j);

    if (!j)
        return ERR_LIMIT;
    *out = (struct value){.kind = VALUE_JOINER, .u.joiner = j};
    return arg_text(r, c, 0, ", ", &j->separator);
}

/* ---- what chat templates have besides ------------------------------------ */

static int global_raise(struct run *r, struct call *c, struct value *out)
{
    struct value text;
    int rc = show_text(r, c->args[0], &text);

    *out = value_none();
    if (rc)
        return rc;
    if (!run_may_tell(r, text))
        return run_fail(r, ERR_INVALID,
                        "the template refuses this, with a text made of values that "
                        "only `llm-worker-rbee render` shows");
    return run_fail(r, ERR_INVALID, "%.*s", (int)text.len, text.u.s);
}

const struct builtin builtins_global[] = {
    {"range", "start stop? step?", global_range},
    {"namespace", NULL, global_namespace},
    {"dict", NULL, global_dict},
    {"cycler", NULL, global_cycler},
    {"joiner", "sep?", global_joiner},
    {"raise_exception", "message", global_raise},
    {"strftime_now", "format", global_strftime},
    {0},
};
