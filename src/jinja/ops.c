/*
 * ops.c - operators. Source: the Jinja documentation, "Math" and "Comparisons"; the Python Language
 * Reference, section 6 (integers round toward minus infinity). Integers past 64 bits are an error.
 */
#include <math.h>

#include "jinja/run.h"

int ops_defined(struct run *r, struct value v)
{
    if (v.kind != VALUE_UNDEFINED)
        return 0;
    if (!run_may_tell(r, v))
        return run_fail(r, ERR_INVALID, "what is looked for by a value is undefined");
    return run_fail(r, ERR_INVALID, "'%.*s' is undefined", v.len < 100 ? (int)v.len : 100, v.u.s);
}

static int overflow(struct run *r)
{
    return run_fail(r, ERR_UNSUPPORTED, "an integer has more than 64 bits");
}

static int bad_operands(struct run *r, enum node_op op, struct value a, struct value b)
{
    static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "**"};

    return run_fail(r, ERR_INVALID, "'%s' cannot be applied to %s and %s", signs[op],
                    value_kind_name(a), value_kind_name(b));
}

/* ---- numbers --------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Of the divisor's sign. */
static int64_t floor_mod(int64_t a, int64_t b)
{
    int64_t m = b == -1 ? 0 : a % b;

    return m && (m < 0) != (b < 0) ? m + b : m;
}

static int int_power(struct run *r, int64_t base, int64_t exponent, struct value *out)
{
    int64_t result = 1;

    if (exponent < 0) {
        if (base == 0)
            return run_fail(r, ERR_INVALID, "division by zero");
        *out = value_float(pow((double)base, (double)exponent));
        return 0;
    }
    while (exponent) {
        if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
            return overflow(r);
        exponent >>= 1;
        if (exponent && __builtin_mul_overflow(base, base, &base))
            return overflow(r);
    }
    *out = value_int(result);
    return 0;
}

static int int_op(struct run *r, enum node_op op, int64_t a, int64_t b, struct value *out)
{
    int64_t result = 0;
    bool over = false;

    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
        return run_fail(r, ERR_INVALID, "division by zero");
    switch (op) {
    case OP_ADD:
        over = __builtin_add_overflow(a, b, &result);
        break;
    case OP_SUB:
        over = __builtin_sub_overflow(a, b, &result);
        break;
    case OP_MUL:
        over = __builtin_mul_overflow(a, b, &result);
        break;
    case OP_DIV:
        *out = value_float((double)a / (double)b);
        return 0;
    case OP_FLOORDIV:
        over = a == INT64_MIN && b == -1;
        result = over ? 0 : floor_div(a, b);
        break;
    case OP_MOD:
        result = floor_mod(a, b);
        break;
    default:
        return int_power(r, a, b, out);
    }
    *out = value_int(result);
    return over ? overflow(r) : 0;
}

/* Of the divisor's sign, a zero too. */
static double float_mod(double a, double b)
{
    double m = fmod(a, b);

    if (m == 0)
        return copysign(0, b);
    return (m < 0) != (b < 0) ? m + b : m;
}

/* By way of the rest: 1 // 0.1 is 9, for 0.1 is a little more than a tenth, though 1 / 0.1 is 10.
 */
static double float_floordiv(double a, double b)
{
    double m = fmod(a, b), whole = (a - m) / b;

    if (m != 0 && (m < 0) != (b < 0))
        whole -= 1;
    return whole != 0 ? nearbyint(whole) : copysign(0, a / b);
}

static int float_op(struct run *r, enum node_op op, double a, double b, struct value *out)
{
    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0)
        return run_fail(r, ERR_INVALID, "division by zero");
    switch (op) {
    case OP_ADD:
        *out = value_float(a + b);
        break;
    case OP_SUB:
        *out = value_float(a - b);
        break;
    case OP_MUL:
        *out = value_float(a * b);
        break;
    case OP_DIV:
        *out = value_float(a / b);
        break;
    case OP_FLOORDIV:
        *out = value_float(float_floordiv(a, b));
        break;
    case OP_MOD:
        *out = value_float(float_mod(a, b));
        break;
    default:
        *out = value_float(pow(a, b));
        break;
    }
    return 0;
}

int ops_negate(struct run *r, struct value v, struct value *out)
{
    if (v.kind == VALUE_FLOAT) {
        *out = value_float(-v.u.f);
        return 0;
    }
    if (!value_is_number(v))
        return v.kind == VALUE_UNDEFINED
                   ? ops_defined(r, v)
                   : run_fail(r, ERR_INVALID, "%s has no sign", value_kind_name(v));
    return int_op(r, OP_SUB, 0, value_as_int(v), out);
}

/* ---- texts and lists ------------------------------------------------------------------------- */

/* What "+" takes of a text beside a markup: HTML's signs escaped, unless it is markup itself. */
static int as_markup(struct run *r, struct value v, struct value *out)
{
    size_t mark = run_mark(r);

    if (v.markup) {
        *out = v;
        return 0;
    }
    return show_put_escaped(r, v) || run_take(r, mark, out) ? ERR_LIMIT : 0;
}

static int append_bytes(struct run *r, struct value a, struct value b, struct value *out)
{
    size_t len = (size_t)a.len + b.len;
    char *both;

    if (len > UINT32_MAX)
        return run_fail(r, ERR_LIMIT, "a text has more than %u bytes", (unsigned)UINT32_MAX);
    if (arena_extend(&r->arena, a.u.s + a.len, b.len)) {
        both = r->arena.at - len;
    } else {
        both = arena_text(&r->arena, len);
        if (!both)
            return run_no_memory(r, len);
        if (run_bytes(r, a.len))
            return ERR_LIMIT;
        memcpy(both, a.u.s, a.len);
    }
    memcpy(both + a.len, b.u.s, b.len);
    *out = value_text(both, len);
    return run_bytes(r, b.len);
}

int ops_join(struct run *r, struct value a, struct value b, struct value *out)
{
    bool markup = a.markup || b.markup;
    int rc = 0;

    if (markup && (as_markup(r, a, &a) || as_markup(r, b, &b)))
        return ERR_LIMIT;
    if (a.len == 0)
        *out = b;
    else if (b.len == 0)
        *out = a;
    else
        rc = append_bytes(r, a, b, out);
    out->markup = markup;
    return rc;
}

static int join_lists(struct run *r, struct value a, struct value b, struct value *out)
{
    struct list *l = NULL;
    int rc = list_create(r, a.u.list->n + b.u.list->n, &l);

    for (size_t i = 0; !rc && i < a.u.list->n; i++)
        rc = list_append(r, l, a.u.list->items[i]);
    for (size_t i = 0; !rc && i < b.u.list->n; i++)
        rc = list_append(r, l, b.u.list->items[i]);
    *out = a.kind == VALUE_LIST ? value_list(l) : value_tuple(l);
    return rc;
}

static int repeat_text(struct run *r, struct value text, int64_t times, struct value *out)
{
    size_t mark = run_mark(r);
    int rc = 0;

    if (text.len == 0)
        times = 0;
    for (int64_t i = 0; !rc && i < times; i++)
        rc = run_put(r, text.u.s, text.len) || run_steps(r, 1) ? ERR_LIMIT : 0;
    if (!rc)
        rc = run_take(r, mark, out);
    out->markup = text.markup;
    return rc;
}

static int repeat_list(struct run *r, struct value v, int64_t times, struct value *out)
{
    size_t n = v.u.list->n;
    struct list *l = NULL;
    int rc = list_create(r, 0, &l);

    for (int64_t k = 0; !rc && n && k < times; k++)
        for (size_t i = 0; !rc && i < n; i++)
            rc = list_append(r, l, v.u.list->items[i]);
    *out = v.kind == VALUE_LIST ? value_list(l) : value_tuple(l);
    return rc;
}

static bool is_whole(struct value v)
{
    return v.kind == VALUE_INT || v.kind == VALUE_BOOL;
}

/* "x" * 3 and 3 * "x"; *is says whether it was one. */
static int repeat(struct run *r, struct value a, struct value b, struct value *out, bool *is)
{
    struct value what = is_whole(a) ? b : a, times = is_whole(a) ? a : b;

    *is = is_whole(times) && (what.kind == VALUE_TEXT || value_is_list(what));
    if (!*is)
        return 0;
    if (what.kind == VALUE_TEXT)
        return repeat_text(r, what, value_as_int(times), out);
    return repeat_list(r, what, value_as_int(times), out);
}

/* "%s" % x, where a tuple has several and a mapping named values. */
static int percent(struct run *r, struct value text, struct value v, struct value *out)
{
    struct list one = {.items = &v, .n = 1};

    return format_percent(r, text, v.kind == VALUE_TUPLE ? v.u.list : &one,
                          v.kind == VALUE_DICT ? v.u.dict : NULL, out);
}

int ops_binary(struct run *r, enum node_op op, struct value a, struct value b, struct value *out)
{
    bool done = false;
    int rc;

    if (value_is_number(a) && value_is_number(b)) {
        if (a.kind == VALUE_FLOAT || b.kind == VALUE_FLOAT)
            return float_op(r, op, value_as_double(a), value_as_double(b), out);
        return int_op(r, op, value_as_int(a), value_as_int(b), out);
    }
    if (op == OP_MOD && a.kind == VALUE_TEXT)
        return percent(r, a, b, out);
    if (a.kind == VALUE_UNDEFINED || b.kind == VALUE_UNDEFINED)
        return ops_defined(r, a.kind == VALUE_UNDEFINED ? a : b);
    if (op == OP_ADD && a.kind == VALUE_TEXT && b.kind == VALUE_TEXT)
        return ops_join(r, a, b, out);
    if (op == OP_ADD && value_is_list(a) && a.kind == b.kind)
        return join_lists(r, a, b, out);
    if (op == OP_MUL) {
        rc = repeat(r, a, b, out, &done);
        if (rc || done)
            return rc;
    }
    return bad_operands(r, op, a, b);
}

int ops_compare(struct run *r, enum node_op op, struct value a, struct value b, bool *out)
{
    int order = 0, rc;

    switch (op) {
    case OP_EQ:
    case OP_NE:
        rc = value_equal(r, a, b, out);
        *out = *out == (op == OP_EQ);
        return rc;
    case OP_IN:
    case OP_NOT_IN:
        rc = value_contains(r, b, a, out);
        *out = *out == (op == OP_IN);
        return rc;
    default:
        break;
    }
    rc = value_compare(r, a, b, &order);
    if (op == OP_LT)
        *out = order < 0;
    else if (op == OP_LE)
        *out = order <= 0;
    else if (op == OP_GT)
        *out = order == 1;
    else
        *out = order == 0 || order == 1;
    return rc;
}
