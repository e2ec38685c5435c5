/* method_dict.c - methods of mappings. Source: the Python Library Reference, "Mapping Types". */
#include "jinja/builtins.h"
#include "jinja/run.h"

static int method_get(struct run *r, struct call *c, struct value *out)
{
    const struct dict *d = c->self.u.dict;
    size_t at;
    int rc = dict_find(r, d, c->args[0], &at);

    if (rc)
        return rc;
    if (at < d->n)
        *out = d->entries[at].value;
    else
        *out = c->args[1].kind == VALUE_MISSING ? value_none() : c->args[1];
    return 0;
}

static int method_keys(struct run *r, struct call *c, struct value *out)
{
    struct list *l = NULL;
    int rc = arg_self_items(r, c, &l);

    *out = value_list(l);
    return rc;
}

static int method_values(struct run *r, struct call *c, struct value *out)
{
    const struct dict *d = c->self.u.dict;
    struct list *l = NULL;
    int rc = list_create(r, d->n, &l);

    for (size_t i = 0; !rc && i < d->n; i++)
        rc = list_append(r, l, d->entries[i].value);
    *out = value_list(l);
    return rc;
}

static int method_items(struct run *r, struct call *c, struct value *out)
{
    return call_builtin(r, builtin_filter("items", 5), c, out);
}

/* dict(...) of what was given. */
static int made(struct run *r, struct call *c, struct dict **out)
{
    struct value v;
    int rc = call_builtin(r, builtin_global("dict", 4), c, &v);

    *out = v.u.dict;
    return rc;
}

static int method_update(struct run *r, struct call *c, struct value *out)
{
    struct dict *d = c->self.u.dict, *more = NULL;
    int rc = made(r, c, &more);

    *out = value_none();
    for (size_t i = 0; !rc && i < more->n; i++)
        rc = dict_set(r, d, more->entries[i].key, more->entries[i].value);
    return rc;
}

static int method_copy(struct run *r, struct call *c, struct value *out)
{
    struct dict *d = NULL;

    c->given = &c->self;
    c->n_given = 1;
    if (made(r, c, &d))
        return ERR_LIMIT;
    *out = value_dict(d);
    return 0;
}

static int method_pop(struct run *r, struct call *c, struct value *out)
{
    struct dict *d = c->self.u.dict;
    size_t at;
    int rc = dict_find(r, d, c->args[0], &at);

    if (rc)
        return rc;
    if (at < d->n) {
        *out = d->entries[at].value;
        dict_remove(d, at);
        return run_steps(r, d->n);
    }
    if (c->args[1].kind == VALUE_MISSING)
        return run_fail(r, ERR_INVALID, "'pop' of a key that the mapping has not");
    *out = c->args[1];
    return 0;
}

static int method_setdefault(struct run *r, struct call *c, struct value *out)
{
    struct dict *d = c->self.u.dict;
    size_t at;
    int rc = dict_find(r, d, c->args[0], &at);

    if (rc)
        return rc;
    if (at < d->n) {
        *out = d->entries[at].value;
        return 0;
    }
    *out = c->args[1].kind == VALUE_MISSING ? value_none() : c->args[1];
    return dict_set(r, d, c->args[0], *out);
}

static int method_clear(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    c->self.u.dict->n = 0;
    *out = value_none();
    return 0;
}

const struct builtin builtins_method_dict[] = {
    {"get", "key default?", method_get}, {"keys", "", method_keys},
    {"values", "", method_values},       {"items", "", method_items},
    {"update", NULL, method_update},     {"copy", "", method_copy},
    {"pop", "key default?", method_pop}, {"setdefault", "key default?", method_setdefault},
    {"clear", "", method_clear},         {0},
};
