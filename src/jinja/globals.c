/*
 * globals.c - functions that templates can call by name. Sources: the Jinja documentation, "List of
 * Global Functions"; Hugging Face's documentation of chat templates for raise_exception and
 * strftime_now; the Python Library Reference for the directives of strftime.
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

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

/* A number in two or more digits; none of them a leading zero if `bare`. */
static int put_digits(struct run *r, int v, int width, bool bare)
{
    char text[16];

    return run_put(r, text, (size_t)snprintf(text, sizeof text, "%0*d", bare ? 1 : width, v));
}

static int put_blank_padded(struct run *r, int v)
{
    char text[16];

    return run_put(r, text, (size_t)snprintf(text, sizeof text, "%2d", v));
}

static int put_name(struct run *r, const char *const *names, int i, int n, size_t len)
{
    const char *name = i >= 0 && i < n ? names[i] : "?";

    return run_put(r, name, len < strlen(name) ? len : strlen(name));
}

static int put_directive(struct run *r, char c, bool bare);

static int put_directives(struct run *r, const char *several)
{
    int rc = 0;

    for (; !rc && *several; several++)
        rc = *several >= 'A' ? put_directive(r, *several, false) : run_put(r, several, 1);
    return rc;
}

static int put_directive(struct run *r, char c, bool bare)
{
    const struct tm *t = &r->options->now;
    int hour = t->tm_hour % 12 ? t->tm_hour % 12 : 12;

    switch (c) {
    case 'd':
        return put_digits(r, t->tm_mday, 2, bare);
    case 'e':
        return put_blank_padded(r, t->tm_mday);
    case 'm':
        return put_digits(r, t->tm_mon + 1, 2, bare);
    case 'Y':
        return put_digits(r, t->tm_year + 1900, 1, bare);
    case 'y':
        return put_digits(r, t->tm_year % 100, 2, bare);
    case 'H':
        return put_digits(r, t->tm_hour, 2, bare);
    case 'I':
        return put_digits(r, hour, 2, bare);
    case 'M':
        return put_digits(r, t->tm_min, 2, bare);
    case 'S':
        return put_digits(r, t->tm_sec, 2, bare);
    case 'j':
        return put_digits(r, t->tm_yday + 1, 3, bare);
    case 'f':
        return run_puts(r, "000000");
    case 'w':
        return put_digits(r, t->tm_wday, 1, bare);
    case 'u':
        return put_digits(r, t->tm_wday ? t->tm_wday : 7, 1, bare);
    case 'B':
        return put_name(r, months, t->tm_mon, 12, SIZE_MAX);
    case 'b':
    case 'h':
        return put_name(r, months, t->tm_mon, 12, 3);
    case 'A':
        return put_name(r, days, t->tm_wday, 7, SIZE_MAX);
    case 'a':
        return put_name(r, days, t->tm_wday, 7, 3);
    case 'p':
        return run_puts(r, t->tm_hour < 12 ? "AM" : "PM");
    case 'F':
        return put_directives(r, "Y-m-d");
    case 'T':
    case 'X':
        return put_directives(r, "H:M:S");
    case 'R':
        return put_directives(r, "H:M");
    case 'D':
    case 'x':
        return put_directives(r, "m/d/y");
    case 'c':
        return put_directives(r, "a b e H:M:S Y");
    case 'Z':
    case 'z':
        return 0; /* a time without a zone */
    case '%':
        return run_puts(r, "%");
    default:
        return run_fail(r, ERR_UNSUPPORTED, "strftime_now does not know '%%%c'", c);
    }
}

static int global_strftime(struct run *r, struct call *c, struct value *out)
{
    size_t mark = run_mark(r);
    struct value format;
    int rc = arg_text(r, c, 0, NULL, &format);

    if (!rc)
        rc = run_chars(r, format.len);
    for (uint32_t i = 0; !rc && i < format.len; i++) {
        bool bare = false;

        if (format.u.s[i] != '%' || i + 1 == format.len) {
            rc = run_put(r, format.u.s + i, 1);
            continue;
        }
        i++;
        if (format.u.s[i] == '-' && i + 1 < format.len)
            bare = format.u.s[i++];
        rc = put_directive(r, format.u.s[i], bare);
    }
    return rc ? rc : run_take(r, mark, out);
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
