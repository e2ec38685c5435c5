/*
 * json.c - JSON in and out. Source: RFC 8259; the spelling is that of Python's json.dumps, which
 * models saw in training: ", " and ": " on one line, "," before a line end, floats as repr() has
 * them, NaN and Infinity as words.
 */
#include <math.h>
#include <stdio.h>

#include "jinja/run.h"
#include "jinja/unicode.h"

/* ---- in -------------------------------------------------------------------------------------- */

static int import_array(struct run *r, const json_t *j, struct value *out)
{
    size_t n = json_array_size(j);
    struct list *l = NULL;
    int rc = list_create(r, n, &l);

    for (size_t i = 0; !rc && i < n; i++) {
        struct value v;

        rc = json_import(r, json_array_get(j, i), &v);
        if (!rc)
            rc = list_append(r, l, v);
    }
    *out = value_list(l);
    return rc;
}

static int import_object(struct run *r, const json_t *j, struct value *out)
{
    json_t *object = (json_t *)(uintptr_t)j; /* iterating wants it so, but changes nothing */
    struct dict *d = NULL;
    int rc = dict_create(r, &d);

    for (void *at = json_object_iter(object); !rc && at; at = json_object_iter_next(object, at)) {
        struct value v;

        rc = json_import(r, json_object_iter_value(at), &v);
        if (!rc)
            rc = dict_set(r, d, value_text(json_object_iter_key(at), json_object_iter_key_len(at)),
                          v);
    }
    *out = value_dict(d);
    return rc;
}

static int import(struct run *r, const json_t *j, struct value *out)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        return import_object(r, j, out);
    case JSON_ARRAY:
        return import_array(r, j, out);
    case JSON_STRING:
        if (json_string_length(j) > UINT32_MAX)
            return run_fail(r, ERR_LIMIT, "a text has more than %u bytes", (unsigned)UINT32_MAX);
        *out = value_text(json_string_value(j), json_string_length(j));
        return 0;
    case JSON_INTEGER:
        *out = value_int(json_integer_value(j));
        return 0;
    case JSON_REAL:
        *out = value_float(json_real_value(j));
        return 0;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = value_bool(json_is_true(j));
        return 0;
    case JSON_NULL:
        break;
    }
    *out = value_none();
    return 0;
}

int json_import(struct run *r, const json_t *j, struct value *out)
{
    int rc = run_steps(r, 1);

    if (!rc)
        rc = run_enter(r);
    if (rc)
        return rc;
    rc = import(r, j, out);
    r->depth--;
    return rc;
}

/* ---- out ------------------------------------------------------------------------------------- */

static int export_value(struct run *r, struct value v, const struct json_style *style,
                        unsigned level);

static int put_escape(struct run *r, uint32_t code)
{
    char text[16];
    int n;

    if (code >= 0x10000)
        n = snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
                     0xdc00 + (code & 0x3ff));
    else
        n = snprintf(text, sizeof text, "\\u%04x", code);
    return run_put(r, text, (size_t)n);
}

static int put_char(struct run *r, uint32_t code, bool ascii)
{
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    char pair[2] = "\\";

    if (code < sizeof letters && letters[code]) {
        pair[1] = letters[code];
        return run_put(r, pair, 2);
    }
    if (code < 0x20 || (ascii && code >= 0x7f))
        return put_escape(r, code);
    return run_put_char(r, code);
}

static int put_string(struct run *r, struct value v, bool ascii)
{
    int rc = run_chars(r, v.len) || run_puts(r, "\"") ? ERR_LIMIT : 0;

    for (size_t at = 0, n; !rc && at < v.len; at += n)
        rc = put_char(r, unicode_at(v.u.s + at, &n), ascii);
    return rc ? rc : run_puts(r, "\"");
}

static int put_float(struct run *r, double f)
{
    char text[SHOW_NUMBER_BYTES];
    size_t n;

    if (isnan(f))
        return run_puts(r, "NaN");
    if (isinf(f))
        return run_puts(r, f > 0 ? "Infinity" : "-Infinity");
    return show_float(r, f, text, &n) || run_put(r, text, n) ? ERR_LIMIT : 0;
}

static int new_line(struct run *r, const struct json_style *style, unsigned level)
{
    int rc = style->indent ? run_puts(r, "\n") : 0;

    if (!rc && style->indent)
        rc = run_chars(r, level); /* which may be of no bytes each */
    for (unsigned i = 0; !rc && style->indent && i < level; i++)
        rc = run_put(r, style->indent, style->indent_len);
    return rc;
}

static int put_text(struct run *r, struct value v)
{
    return run_put(r, v.u.s, v.len);
}

static int export_list(struct run *r, const struct list *l, const struct json_style *style,
                       unsigned level)
{
    int rc = run_puts(r, "[");

    for (size_t i = 0; !rc && i < l->n; i++) {
        rc = i ? put_text(r, style->item_separator) : 0;
        if (!rc)
            rc = new_line(r, style, level + 1);
        if (!rc)
            rc = export_value(r, l->items[i], style, level + 1);
    }
    if (!rc && l->n)
        rc = new_line(r, style, level);
    return rc ? rc : run_puts(r, "]");
}

/* Keys are strings: those that are numbers, booleans or none become such. */
static int export_key(struct run *r, struct value key, const struct json_style *style)
{
    int rc;

    if (key.kind == VALUE_TEXT)
        return put_string(r, key, style->ascii);
    if (key.kind > VALUE_TEXT || key.kind == VALUE_UNDEFINED)
        return run_fail(r, ERR_INVALID, "%s cannot be a key in JSON", value_kind_name(key));
    rc = run_puts(r, "\"");
    if (!rc)
        rc = export_value(r, key, style, 0);
    return rc ? rc : run_puts(r, "\"");
}

static int compare_keys(const void *a, const void *b)
{
    const struct dict_entry *x = a, *y = b;
    uint32_t n = x->key.len < y->key.len ? x->key.len : y->key.len;
    int order = n ? memcmp(x->key.u.s, y->key.u.s, n) : 0;

    return order ? order : (x->key.len > y->key.len) - (x->key.len < y->key.len);
}

/* A copy of a mapping in the order of its keys, which must be strings. */
static int sorted(struct run *r, const struct dict *d, struct dict *out)
{
    *out = *d;
    for (size_t i = 0; i < d->n; i++)
        if (d->entries[i].key.kind != VALUE_TEXT)
            return run_fail(r, ERR_UNSUPPORTED, "only mappings of strings can be sorted as JSON");
    out->entries = run_alloc(r, (d->n + 1) * sizeof *d->entries);
    if (!out->entries)
        return ERR_LIMIT;
    if (d->n) {
        memcpy(out->entries, d->entries, d->n * sizeof *d->entries);
        qsort(out->entries, d->n, sizeof *d->entries, compare_keys);
    }
    return run_steps(r, d->n);
}

static int export_dict(struct run *r, const struct dict *d, const struct json_style *style,
                       unsigned level)
{
    struct dict in_order;
    int rc = run_puts(r, "{");

    if (!rc && style->sort_keys) {
        rc = sorted(r, d, &in_order);
        d = &in_order;
    }
    for (size_t i = 0; !rc && i < d->n; i++) {
        rc = i ? put_text(r, style->item_separator) : 0;
        if (!rc)
            rc = new_line(r, style, level + 1);
        if (!rc)
            rc = export_key(r, d->entries[i].key, style);
        if (!rc)
            rc = put_text(r, style->key_separator);
        if (!rc)
            rc = export_value(r, d->entries[i].value, style, level + 1);
    }
    if (!rc && d->n)
        rc = new_line(r, style, level);
    return rc ? rc : run_puts(r, "}");
}

static int export_one(struct run *r, struct value v, const struct json_style *style, unsigned level)
{
    switch (v.kind) {
    case VALUE_NONE:
        return run_puts(r, "null");
    case VALUE_BOOL:
        return run_puts(r, v.u.b ? "true" : "false");
    case VALUE_INT:
        return show_put(r, v);
    case VALUE_FLOAT:
        return put_float(r, v.u.f);
    case VALUE_TEXT:
        return put_string(r, v, style->ascii);
    case VALUE_LIST:
    case VALUE_TUPLE:
        return export_list(r, v.u.list, style, level);
    case VALUE_DICT:
        return export_dict(r, v.u.dict, style, level);
    case VALUE_UNDEFINED:
        return ops_defined(r, v);
    default:
        return run_fail(r, ERR_INVALID, "%s cannot be written as JSON", value_kind_name(v));
    }
}

static int export_value(struct run *r, struct value v, const struct json_style *style,
                        unsigned level)
{
    int rc = run_steps(r, 1);

    if (!rc)
        rc = run_enter(r);
    if (rc)
        return rc;
    rc = export_one(r, v, style, level);
    r->depth--;
    return rc;
}

int json_export(struct run *r, struct value v, const struct json_style *style)
{
    return export_value(r, v, style, 0);
}
