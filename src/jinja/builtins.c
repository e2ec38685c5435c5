/* builtins.c - see builtins.h: finding builtins by name, and reading their arguments. */
#include "jinja/builtins.h"

#include "jinja/run.h"

/* ---- finding --------------------------------------------------------------------------------- */

static const struct builtin *find(const struct builtin *table, const char *name, size_t len)
{
    for (; table->name; table++)
        if (strlen(table->name) == len && memcmp(table->name, name, len) == 0)
            return table;
    return NULL;
}

const struct builtin *builtin_global(const char *name, size_t len)
{
    return find(builtins_global, name, len);
}

const struct builtin *builtin_test(const char *name, size_t len)
{
    return find(builtins_test, name, len);
}

const struct builtin *builtin_filter(const char *name, size_t len)
{
    static const struct builtin *const tables[] = {builtins_filter_text,  builtins_filter_wrap,
                                                   builtins_filter_value, builtins_filter_list,
                                                   builtins_filter_pick,  builtins_filter_order};
    const struct builtin *b = NULL;

    for (size_t i = 0; !b && i < sizeof tables / sizeof *tables; i++)
        b = find(tables[i], name, len);
    return b;
}

static const struct builtin *find_text_method(const char *name, size_t len)
{
    const struct builtin *b = find(builtins_method_text, name, len);

    if (!b)
        b = find(builtins_method_split, name, len);
    return b ? b : find(builtins_method_case, name, len);
}

const struct builtin *builtin_method(struct value v, const char *name, size_t len)
{
    switch (v.kind) {
    case VALUE_TEXT:
        return find_text_method(name, len);
    case VALUE_LIST:
        return find(builtins_method_list, name, len);
    case VALUE_TUPLE:
        return find(builtins_method_tuple, name, len);
    case VALUE_DICT:
        return find(builtins_method_dict, name, len);
    case VALUE_LOOP:
        return find(builtins_method_loop, name, len);
    case VALUE_CYCLER:
        return find(builtins_method_cycler, name, len);
    default:
        return NULL;
    }
}

/* ---- arguments ------------------------------------------------------------------------------- */

bool arg_given(const struct call *c, size_t i)
{
    return c->args[i].kind != VALUE_MISSING && c->args[i].kind != VALUE_NONE;
}

bool arg_truth(const struct call *c, size_t i, bool fallback)
{
    return c->args[i].kind == VALUE_MISSING ? fallback : value_truth(c->args[i]);
}

int arg_text(struct run *r, const struct call *c, size_t i, const char *fallback, struct value *out)
{
    *out = c->args[i];
    if (out->kind == VALUE_TEXT)
        return 0;
    if (out->kind == VALUE_MISSING && fallback) {
        *out = value_text(fallback, strlen(fallback));
        return 0;
    }
    if (out->kind == VALUE_UNDEFINED)
        return ops_defined(r, *out);
    return run_fail(r, ERR_INVALID, "'%s' needs a string, not %s", c->builtin->name,
                    value_kind_name(*out));
}

int arg_int(struct run *r, const struct call *c, size_t i, int64_t fallback, int64_t *out)
{
    struct value v = c->args[i];

    *out = fallback;
    if (v.kind == VALUE_MISSING)
        return 0;
    if (v.kind == VALUE_UNDEFINED)
        return ops_defined(r, v);
    if (v.kind != VALUE_INT && v.kind != VALUE_BOOL)
        return run_fail(r, ERR_INVALID, "'%s' needs an integer, not %s", c->builtin->name,
                        value_kind_name(v));
    *out = value_as_int(v);
    return 0;
}

int arg_self_text(struct run *r, const struct call *c, struct value *out)
{
    return show_text(r, c->self, out);
}

int arg_self_items(struct run *r, const struct call *c, struct list **out)
{
    struct list *items;
    int rc = value_items(r, c->self, &items);

    if (rc)
        return rc;
    rc = list_create(r, items->n, out);
    for (size_t i = 0; !rc && i < items->n; i++)
        rc = list_append(r, *out, items->items[i]);
    return rc;
}
