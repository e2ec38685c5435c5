/*
 * filter_text.c - filters on texts, character by character. Source: the Jinja documentation, "List
 * of Builtin Filters".
 */
#include <stdio.h>

#include "jinja/builtins.h"
#include "jinja/format.h"
#include "jinja/text.h"
#include "jinja/unicode.h"

static int recase(struct run *r, struct call *c, enum text_case to, struct value *out)
{
    struct value v;
    int rc = arg_self_text(r, c, &v);

    return rc ? rc : text_recase(r, v, to, out);
}

static int filter_upper(struct run *r, struct call *c, struct value *out)
{
    return recase(r, c, TEXT_UPPER, out);
}

static int filter_lower(struct run *r, struct call *c, struct value *out)
{
    return recase(r, c, TEXT_LOWER, out);
}

static int filter_capitalize(struct run *r, struct call *c, struct value *out)
{
    return recase(r, c, TEXT_CAPITALIZE, out);
}

/* A word begins at the text's start and behind blanks, hyphens and opening brackets. */
static int filter_title(struct run *r, struct call *c, struct value *out)
{
    size_t mark = run_mark(r);
    struct value v, part;
    bool begins = true;
    int rc = arg_self_text(r, c, &v);

    if (!rc)
        rc = run_chars(r, v.len);
    for (size_t at = 0, n; !rc && at < v.len; at += n) {
        uint32_t code = unicode_at(v.u.s + at, &n);

        rc = text_recase(r, text_part(v, at, at + n), begins ? TEXT_UPPER : TEXT_LOWER, &part);
        if (!rc)
            rc = run_put(r, part.u.s, part.len);
        begins = unicode_space(code) || (code && code < 0x80 && strchr("-({[<", (int)code));
    }
    return rc ? rc : run_take(r, mark, out);
}

static int filter_trim(struct run *r, struct call *c, struct value *out)
{
    struct value v, chars;
    int rc = arg_self_text(r, c, &v);

    if (rc || !arg_given(c, 0))
        return rc ? rc : text_strip(r, v, NULL, TEXT_LEFT | TEXT_RIGHT, out);
    rc = arg_text(r, c, 0, NULL, &chars);
    return rc ? rc : text_strip(r, v, &chars, TEXT_LEFT | TEXT_RIGHT, out);
}

static int filter_replace(struct run *r, struct call *c, struct value *out)
{
    struct value v, from, to;
    int64_t count;
    int rc = arg_self_text(r, c, &v);

    if (!rc)
        rc = show_text(r, c->args[0], &from);
    if (!rc)
        rc = show_text(r, c->args[1], &to);
    if (!arg_given(c, 2))
        c->args[2] = value_int(-1);
    if (!rc)
        rc = arg_int(r, c, 2, -1, &count);
    return rc ? rc : text_replace(r, v, from, to, count, out);
}

static int filter_forceescape(struct run *r, struct call *c, struct value *out)
{
    size_t mark = run_mark(r);
    struct value v;
    int rc = arg_self_text(r, c, &v);

    if (!rc)
        rc = show_put_escaped(r, v);
    if (!rc)
        rc = run_take(r, mark, out);
    out->markup = true;
    return rc;
}

static int filter_escape(struct run *r, struct call *c, struct value *out)
{
    if (!c->self.markup)
        return filter_forceescape(r, c, out);
    *out = c->self;
    return 0;
}

static int filter_safe(struct run *r, struct call *c, struct value *out)
{
    int rc = arg_self_text(r, c, out);

    out->markup = true;
    return rc;
}

static int filter_string(struct run *r, struct call *c, struct value *out)
{
    return arg_self_text(r, c, out);
}

static int filter_format(struct run *r, struct call *c, struct value *out)
{
    struct list given = {.n = c->n_given};
    struct dict *named = NULL;
    struct value v;
    int rc = arg_self_text(r, c, &v);

    if (!rc && c->n_given && c->n_keywords)
        rc = run_fail(r, ERR_INVALID, "'format' takes values or names, not both");
    if (!rc)
        rc = dict_create(r, &named);
    for (size_t i = 0; !rc && i < c->n_keywords; i++)
        rc = dict_set(r, named, c->keywords[i].name, c->keywords[i].value);
    if (rc)
        return rc;
    given.items = (struct value *)(uintptr_t)c->given; /* only read */
    return format_percent(r, v, &given, c->n_keywords ? named : NULL, out);
}

static int filter_center(struct run *r, struct call *c, struct value *out)
{
    struct format_spec f = FORMAT_PLAIN;
    size_t mark = run_mark(r), n;
    struct value v;
    int rc = arg_self_text(r, c, &v);

    if (!rc)
        rc = arg_int(r, c, 0, 80, &f.width);
    if (!rc && f.width > FORMAT_MAX_WIDTH)
        rc = run_fail(r, ERR_LIMIT, "'center' to more than %d characters", FORMAT_MAX_WIDTH);
    if (rc)
        return rc;
    n = unicode_count(v.u.s, v.len);
    /* Of an odd number of blanks, the one more goes to the left if the width is odd. */
    if (f.width > (int64_t)n && (f.width - (int64_t)n) % 2 && f.width % 2)
        rc = run_puts(r, " "), f.width--;
    if (!rc)
        rc = format_put_text(r, &f, v, '^');
    return rc ? rc : run_take(r, mark, out);
}

static int filter_wordcount(struct run *r, struct call *c, struct value *out)
{
    struct value v;
    int64_t n = 0;
    bool inside = false;
    int rc = arg_self_text(r, c, &v);

    for (size_t at = 0, len; !rc && at < v.len; at += len) {
        uint32_t code = unicode_at(v.u.s + at, &len);
        bool word = unicode_alpha(code) || unicode_digit(code) || code == '_';

        n += word && !inside;
        inside = word;
    }
    *out = value_int(n);
    return rc ? rc : run_steps(r, v.len);
}

/* ---- URLs ------------------------------------------------------------------------------------ */

static int put_url(struct run *r, struct value v, bool query)
{
    char text[4];
    int rc = run_chars(r, v.len);

    for (uint32_t i = 0; !rc && i < v.len; i++) {
        unsigned char b = (unsigned char)v.u.s[i];
        bool plain = b < 0x80 && (unicode_alpha(b) || unicode_digit(b) || (b && strchr("_.-~", b)));

        if (plain || (b == '/' && !query))
            rc = run_put(r, v.u.s + i, 1);
        else if (b == ' ' && query)
            rc = run_puts(r, "+");
        else
            rc = run_put(r, text, (size_t)snprintf(text, sizeof text, "%%%02X", b));
    }
    return rc;
}

static int put_url_value(struct run *r, struct value v, bool query)
{
    struct value text;
    int rc = show_text(r, v, &text);

    return rc ? rc : put_url(r, text, query);
}

static int put_pair(struct run *r, bool first, struct value key, struct value v)
{
    int rc = first ? 0 : run_puts(r, "&");

    if (!rc)
        rc = put_url_value(r, key, true);
    if (!rc)
        rc = run_puts(r, "=");
    return rc ? rc : put_url_value(r, v, true);
}

static int put_pairs(struct run *r, struct value v)
{
    struct list *pairs = NULL, *pair = NULL;
    int rc = 0;

    if (v.kind == VALUE_DICT) {
        for (size_t i = 0; !rc && i < v.u.dict->n; i++)
            rc = put_pair(r, i == 0, v.u.dict->entries[i].key, v.u.dict->entries[i].value);
        return rc;
    }
    rc = value_items(r, v, &pairs);
    for (size_t i = 0; !rc && i < pairs->n; i++) {
        rc = value_items(r, pairs->items[i], &pair);
        if (!rc && pair->n != 2)
            rc = run_fail(r, ERR_INVALID, "'urlencode' takes a string, a mapping or pairs");
        if (!rc)
            rc = put_pair(r, i == 0, pair->items[0], pair->items[1]);
    }
    return rc;
}

static int filter_urlencode(struct run *r, struct call *c, struct value *out)
{
    size_t mark = run_mark(r);
    bool pairs = value_is_list(c->self) || c->self.kind == VALUE_DICT;
    int rc = pairs ? put_pairs(r, c->self) : put_url_value(r, c->self, false);

    return rc ? rc : run_take(r, mark, out);
}

const struct builtin builtins_filter_text[] = {
    {"upper", "", filter_upper},
    {"lower", "", filter_lower},
    {"capitalize", "", filter_capitalize},
    {"title", "", filter_title},
    {"trim", "chars?", filter_trim},
    {"replace", "old new count?", filter_replace},
    {"escape", "", filter_escape},
    {"e", "", filter_escape},
    {"forceescape", "", filter_forceescape},
    {"safe", "", filter_safe},
    {"string", "", filter_string},
    {"format", NULL, filter_format},
    {"center", "width?", filter_center},
    {"wordcount", "", filter_wordcount},
    {"urlencode", "", filter_urlencode},
    {0},
};
