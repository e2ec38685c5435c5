/* tests.c - what may stand behind "is". Source: the Jinja documentation, "List of Builtin Tests".
 */
#include "jinja/builtins.h"
#include "jinja/run.h"
#include "jinja/unicode.h"

static int is_defined(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(c->self.kind != VALUE_UNDEFINED);
    return 0;
}

static int is_undefined(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(c->self.kind == VALUE_UNDEFINED);
    return 0;
}

static int is_none(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(c->self.kind == VALUE_NONE);
    return 0;
}

static int is_boolean(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(c->self.kind == VALUE_BOOL);
    return 0;
}

static int is_true(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(c->self.kind == VALUE_BOOL && c->self.u.b);
    return 0;
}

static int is_false(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(c->self.kind == VALUE_BOOL && !c->self.u.b);
    return 0;
}

static int is_integer(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(c->self.kind == VALUE_INT);
    return 0;
}

static int is_float(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(c->self.kind == VALUE_FLOAT);
    return 0;
}

static int is_number(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(value_is_number(c->self));
    return 0;
}

static int is_string(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(c->self.kind == VALUE_TEXT);
    return 0;
}

static int is_mapping(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(c->self.kind == VALUE_DICT);
    return 0;
}

/* Undefined is an empty sequence, too. */
static bool sequence(struct value v)
{
    return value_is_list(v) || v.kind == VALUE_TEXT || v.kind == VALUE_DICT ||
           v.kind == VALUE_UNDEFINED;
}

static int is_sequence(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(sequence(c->self));
    return 0;
}

static int is_callable(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(value_is_callable(c->self));
    return 0;
}

static int is_escaped(struct run *r, struct call *c, struct value *out)
{
    (void)r;
    *out = value_bool(c->self.markup);
    return 0;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* self modulo n is `want`. */
static int modulo_is(struct run *r, struct call *c, struct value n, int64_t want, struct value *out)
{
    struct value rest;
    bool is;
    int rc = ops_binary(r, OP_MOD, c->self, n, &rest);

    if (!rc)
        rc = value_equal(r, rest, value_int(want), &is);
    if (!rc)
        *out = value_bool(is);
    return rc;
}

static int is_odd(struct run *r, struct call *c, struct value *out)
{
    return modulo_is(r, c, value_int(2), 1, out);
}

static int is_even(struct run *r, struct call *c, struct value *out)
{
    return modulo_is(r, c, value_int(2), 0, out);
}

static int is_divisible(struct run *r, struct call *c, struct value *out)
{
    return modulo_is(r, c, c->args[0], 0, out);
}

/* ---- comparisons ----------------------------------------------------------------------------- */

static int compare(struct run *r, struct call *c, enum node_op op, struct value *out)
{
    bool is = false;
    int rc = ops_compare(r, op, c->self, c->args[0], &is);

    *out = value_bool(is);
    return rc;
}

static int is_eq(struct run *r, struct call *c, struct value *out)
{
    return compare(r, c, OP_EQ, out);
}

static int is_ne(struct run *r, struct call *c, struct value *out)
{
    return compare(r, c, OP_NE, out);
}

static int is_lt(struct run *r, struct call *c, struct value *out)
{
    return compare(r, c, OP_LT, out);
}

static int is_le(struct run *r, struct call *c, struct value *out)
{
    return compare(r, c, OP_LE, out);
}

static int is_gt(struct run *r, struct call *c, struct value *out)
{
    return compare(r, c, OP_GT, out);
}

static int is_ge(struct run *r, struct call *c, struct value *out)
{
    return compare(r, c, OP_GE, out);
}

static int is_in(struct run *r, struct call *c, struct value *out)
{
    return compare(r, c, OP_IN, out);
}

/* One and the same: equal values of one kind, but the very same list or mapping. */
static int is_same(struct run *r, struct call *c, struct value *out)
{
    struct value a = c->self, b = c->args[0];
    bool same = a.kind == b.kind;
    int rc = 0;

    if (same && a.kind >= VALUE_LIST)
        same = a.u.list == b.u.list;
    else if (same)
        rc = value_equal(r, a, b, &same);
    *out = value_bool(same);
    return rc;
}

/* ---- texts and names ------------------------------------------------------------------------- */

/* Some letter has a case, and none has the other one. */
static int one_case(struct run *r, struct call *c, bool upper, struct value *out)
{
    struct value v;
    bool any = false, other = false;
    int rc = arg_self_text(r, c, &v);

    for (size_t at = 0, n; !rc && at < v.len; at += n) {
        uint32_t code = unicode_at(v.u.s + at, &n);
        bool is_upper = unicode_is_upper(code), is_lower = unicode_is_lower(code);

        any |= upper ? is_upper : is_lower;
        other |= upper ? is_lower : is_upper;
    }
    *out = value_bool(any && !other);
    return rc ? rc : run_steps(r, v.len);
}

static int is_lower(struct run *r, struct call *c, struct value *out)
{
    return one_case(r, c, false, out);
}

static int is_upper(struct run *r, struct call *c, struct value *out)
{
    return one_case(r, c, true, out);
}

static int is_filter(struct run *r, struct call *c, struct value *out)
{
    struct value v;
    int rc = arg_self_text(r, c, &v);

    if (!rc)
        *out = value_bool(builtin_filter(v.u.s, v.len) != NULL);
    return rc;
}

static int is_test(struct run *r, struct call *c, struct value *out)
{
    struct value v;
    int rc = arg_self_text(r, c, &v);

    if (!rc)
        *out = value_bool(builtin_test(v.u.s, v.len) != NULL);
    return rc;
}

const struct builtin builtins_test[] = {
    {"defined", "", is_defined},   {"undefined", "", is_undefined},
    {"none", "", is_none},         {"boolean", "", is_boolean},
    {"true", "", is_true},         {"false", "", is_false},
    {"integer", "", is_integer},   {"float", "", is_float},
    {"number", "", is_number},     {"string", "", is_string},
    {"mapping", "", is_mapping},   {"sequence", "", is_sequence},
    {"iterable", "", is_sequence}, {"callable", "", is_callable},
    {"escaped", "", is_escaped},   {"odd", "", is_odd},
    {"even", "", is_even},         {"divisibleby", "num", is_divisible},
    {"eq", "other", is_eq},        {"equalto", "other", is_eq},
    {"==", "other", is_eq},        {"ne", "other", is_ne},
    {"!=", "other", is_ne},        {"lt", "other", is_lt},
    {"lessthan", "other", is_lt},  {"<", "other", is_lt},
    {"le", "other", is_le},        {"<=", "other", is_le},
    {"gt", "other", is_gt},        {"greaterthan", "other", is_gt},
    {">", "other", is_gt},         {"ge", "other", is_ge},
    {">=", "other", is_ge},        {"in", "seq", is_in},
    {"sameas", "other", is_same},  {"lower", "", is_lower},
    {"upper", "", is_upper},       {"filter", "", is_filter},
    {"test", "", is_test},         {0},
};
