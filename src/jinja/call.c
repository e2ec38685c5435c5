/*
 * call.c - arguments, and the calling of what can be called. Source: the Jinja documentation,
 * "Macros" and "Call"; the Python Language Reference, section 6.3.4.
 */
#include "jinja/builtins.h"
#include "jinja/run.h"

#define CALLER "caller"

static int shown(struct value name)
{
    return name.len < 80 ? (int)name.len : 80;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reader {
    struct list *given;
    struct keyword *keywords;
    size_t n_keywords, cap_keywords;
};

static int add_keyword(struct run *r, struct reader *a, struct value name, struct value v)
{
    void *items = a->keywords;
    int rc;

    if (name.kind != VALUE_TEXT)
        return run_fail(r, ERR_INVALID, "the names of arguments are strings, not %s",
                        value_kind_name(name));
    rc = run_grow(r, &items, sizeof *a->keywords, a->n_keywords, &a->cap_keywords);
    if (rc)
        return rc;
    a->keywords = items;
    a->keywords[a->n_keywords++] = (struct keyword){.name = name, .value = v};
    return run_steps(r, 1);
}

static int read_stars(struct run *r, struct reader *a, const struct node *arg, struct value v)
{
    struct list *items;
    int rc = 0;

    if (arg->op == ARG_STAR) {
        rc = value_items(r, v, &items);
        for (size_t i = 0; !rc && i < items->n; i++)
            rc = list_append(r, a->given, items->items[i]);
        return rc;
    }
    if (v.kind != VALUE_DICT)
        return run_fail(r, ERR_INVALID, "** needs a mapping, not %s", value_kind_name(v));
    for (size_t i = 0; !rc && i < v.u.dict->n; i++)
        rc = add_keyword(r, a, v.u.dict->entries[i].key, v.u.dict->entries[i].value);
    return rc;
}

int call_read_args(struct run *r, const struct node *args, const struct value *caller,
                   struct call *c)
{
    struct reader a = {0};
    int rc = args ? list_create(r, 0, &a.given) : 0;

    for (; !rc && args; args = args->next) {
        struct value v = {0};

        rc = eval(r, args->a, &v);
        r->line = args->line;
        if (rc)
            break;
        if (args->op == ARG_POSITION)
            rc = list_append(r, a.given, v);
        else if (args->op == ARG_KEYWORD)
            rc = add_keyword(r, &a, args->value, v);
        else
            rc = read_stars(r, &a, args, v);
    }
    if (!rc && caller)
        rc = add_keyword(r, &a, value_text(CALLER, strlen(CALLER)), *caller);
    if (rc)
        return rc;
    c->given = a.given ? a.given->items : NULL;
    c->n_given = a.given ? a.given->n : 0;
    c->keywords = a.keywords;
    c->n_keywords = a.n_keywords;
    return 0;
}

/* ---- builtins -------------------------------------------------------------------------------- */

/* The next word of a list of parameters; false at its end. *s moves behind it. */
static bool next_param(const char **s, const char **name, size_t *len, bool *optional)
{
    while (**s == ' ')
        (*s)++;
    *name = *s;
    *len = strcspn(*s, " ?");
    *s += *len;
    *optional = **s == '?';
    *s += *optional;
    return *len != 0;
}

int call_find_keyword(struct run *r, const struct call *c, struct value name, size_t *at)
{
    int rc = 0;

    for (*at = 0; *at < c->n_keywords; ++*at) {
        struct value k = c->keywords[*at].name;

        if (k.len != name.len)
            continue;
        rc = run_bytes(r, k.len); /* also when they differ: maybe at the end */
        if (rc || memcmp(k.u.s, name.u.s, k.len) == 0)
            break;
    }
    return rc ? rc : run_bytes(r, *at);
}

/* The argument of parameter i, by its place or its name. */
static int bind_one(struct run *r, struct call *c, size_t i, struct value name, bool optional,
                    size_t *n_used)
{
    size_t at;
    int rc;

    c->args[i] = (struct value){.kind = VALUE_MISSING};
    if (i < c->n_given) {
        c->args[i] = c->given[i];
        return 0;
    }
    rc = call_find_keyword(r, c, name, &at);
    if (rc)
        return rc;
    if (at < c->n_keywords) {
        c->args[i] = c->keywords[at].value;
        ++*n_used;
    } else if (!optional) {
        return run_fail(r, ERR_INVALID, "'%s' lacks its argument '%.*s'", c->builtin->name,
                        (int)name.len, name.u.s);
    }
    return 0;
}

static int bind(struct run *r, struct call *c)
{
    const char *s = c->builtin->params, *name;
    size_t len, i, n_used = 0;
    bool optional;

    for (i = 0; i < CALL_MAX_PARAMS && next_param(&s, &name, &len, &optional); i++) {
        int rc = bind_one(r, c, i, value_text(name, len), optional, &n_used);

        if (rc)
            return rc;
    }
    if (c->n_given > i)
        return run_fail(r, ERR_INVALID, "'%s' takes at most %zu arguments, not %zu",
                        c->builtin->name, i, c->n_given);
    if (c->n_keywords > n_used)
        return run_fail(r, ERR_INVALID, "'%s' has no argument of a name that was given",
                        c->builtin->name);
    return 0;
}

int call_builtin(struct run *r, const struct builtin *b, struct call *c, struct value *out)
{
    int rc = run_enter(r);

    if (rc)
        return rc;
    c->builtin = b;
    if (b->params)
        rc = bind(r, c);
    if (!rc)
        rc = b->run(r, c, out);
    r->depth--;
    return rc;
}

int call_builtin_or_fail(struct run *r, const char *what, struct value name,
                         const struct builtin *b, struct call *c, struct value *out)
{
    if (!b && !run_may_tell(r, name))
        return run_fail(r, ERR_UNSUPPORTED, "there is no %s of a name that is a value", what);
    if (!b)
        return run_fail(r, ERR_UNSUPPORTED, "there is no %s '%.*s'", what, shown(name), name.u.s);
    return call_builtin(r, b, c, out);
}

/* ---- macros ---------------------------------------------------------------------------------- */

static bool uses_name(const struct run *r, enum special_name name)
{
    return r->program->special[name] < r->program->n_names;
}

/* A name that macros give a meaning to, set only where the template uses it. */
static int set_special(struct run *r, enum special_name name, struct value v)
{
    return uses_name(r, name) ? run_set(r, r->program->special[name], v) : 0;
}

/* Arguments beyond the parameters are `varargs` and `kwargs`, if the body asks for them. */
static int set_rest(struct run *r, const struct macro *m, const struct call *c, size_t n_params,
                    const bool *used)
{
    bool takes_args = uses_name(r, NAME_VARARGS), takes_named = uses_name(r, NAME_KWARGS);
    struct list *rest;
    struct dict *named;
    struct value name = m->node->value;

    if (list_create(r, 0, &rest) || dict_create(r, &named))
        return ERR_LIMIT;
    for (size_t i = n_params; i < c->n_given; i++)
        if (list_append(r, rest, c->given[i]))
            return ERR_LIMIT;
    for (size_t i = 0; i < c->n_keywords; i++)
        if (!used[i] && dict_set(r, named, c->keywords[i].name, c->keywords[i].value))
            return ERR_LIMIT;
    if (rest->n && !takes_args)
        return run_fail(r, ERR_INVALID, "the macro '%.*s' takes at most %zu arguments, not %zu",
                        shown(name), name.u.s, n_params, c->n_given);
    if (named->n && !takes_named && !run_may_tell(r, named->entries[0].key))
        return run_fail(r, ERR_INVALID,
                        "the macro '%.*s' has no parameter of a name that is a "
                        "value",
                        shown(name), name.u.s);
    if (named->n && !takes_named)
        return run_fail(r, ERR_INVALID, "the macro '%.*s' has no parameter '%.*s'", shown(name),
                        name.u.s, shown(named->entries[0].key), named->entries[0].key.u.s);
    return set_special(r, NAME_VARARGS, value_tuple(rest)) ||
                   set_special(r, NAME_KWARGS, value_dict(named))
               ? ERR_LIMIT
               : 0;
}

/* The value of one parameter: given by place, by name, its default, or undefined. */
static int bind_param(struct run *r, const struct node *param, const struct call *c, size_t i,
                      bool *used)
{
    struct value v = value_undefined(param->value.u.s, param->value.len);
    int rc = 0;

    if (i < c->n_given) {
        v = c->given[i];
    } else {
        size_t k;

        rc = call_find_keyword(r, c, param->value, &k);
        if (!rc && k < c->n_keywords) {
            v = c->keywords[k].value;
            used[k] = true;
        } else if (!rc && param->a) {
            rc = eval(r, param->a, &v);
        }
    }
    return rc ? rc : run_set(r, param->name, v);
}

static int bind_params(struct run *r, const struct macro *m, const struct call *c)
{
    bool *used = run_alloc(r, c->n_keywords + 1);
    size_t n = 0;
    int rc = used ? set_special(r, NAME_CALLER, value_nothing(CALLER)) : ERR_LIMIT;

    for (size_t i = 0; !rc && i < c->n_keywords; i++)
        if (value_is_text(c->keywords[i].name, CALLER)) {
            rc = set_special(r, NAME_CALLER, c->keywords[i].value);
            used[i] = true;
        }
    for (const struct node *p = m->node->b; !rc && p; p = p->next, n++)
        rc = bind_param(r, p, c, n, used);
    if (!rc)
        rc = set_rest(r, m, c, n, used);
    return rc;
}

static int call_macro(struct run *r, const struct macro *m, struct call *c, struct value *out)
{
    struct scope *old;
    int rc = run_open_scope(r, m->scope, &old);

    if (rc)
        return rc;
    rc = bind_params(r, m, c);
    if (!rc)
        rc = exec_capture(r, m->node->kids, out);
    r->scope = old;
    return rc;
}

static int call_joiner(struct joiner *j, struct value *out)
{
    *out = j->used ? j->separator : value_text("", 0);
    j->used = true;
    return 0;
}

int call_value(struct run *r, struct value callee, struct call *c, struct value *out)
{
    int rc = run_enter(r);

    if (rc)
        return rc;
    switch (callee.kind) {
    case VALUE_BUILTIN:
        rc = call_builtin(r, callee.u.builtin, c, out);
        break;
    case VALUE_METHOD:
        c->self = callee.u.method->self;
        rc = call_builtin(r, callee.u.method->builtin, c, out);
        break;
    case VALUE_MACRO:
        rc = call_macro(r, callee.u.macro, c, out);
        break;
    case VALUE_JOINER:
        rc = call_joiner(callee.u.joiner, out);
        break;
    case VALUE_UNDEFINED:
        rc = ops_defined(r, callee);
        break;
    default:
        rc = run_fail(r, ERR_INVALID, "%s cannot be called", value_kind_name(callee));
    }
    r->depth--;
    return rc;
}
