/* filter_wrap.c - filters on the lines and words of a text. Source: as filter_text.c. */
#include "jinja/builtins.h"
#include "jinja/text.h"
#include "jinja/unicode.h"

/* ---- indent ---------------------------------------------------------------------------------- */

/* The width as blanks, or as the text itself; *mark is where it was put. */
static int indentation(struct run *r, struct call *c, struct value *out)
{
    size_t mark = run_mark(r);
    int64_t width;
    int rc;

    if (c->args[0].kind == VALUE_TEXT) {
        *out = c->args[0];
        return 0;
    }
    rc = arg_int(r, c, 0, 4, &width);
    for (int64_t i = 0; !rc && i < width; i++)
        rc = run_puts(r, " ");
    return rc ? rc : run_take(r, mark, out);
}

static int filter_indent(struct run *r, struct call *c, struct value *out)
{
    bool first = arg_truth(c, 1, false), blank = arg_truth(c, 2, false);
    struct value v, by;
    size_t mark, end;
    int rc = arg_self_text(r, c, &v);

    if (!rc)
        rc = indentation(r, c, &by);
    mark = run_mark(r);
    for (size_t at = 0; !rc && at <= v.len; at = end + 1) {
        const char *stop = memchr(v.u.s + at, '\n', v.len - at);
        bool wanted = at ? true : first;

        end = stop ? (size_t)(stop - v.u.s) : v.len;
        if (wanted && (at == 0 || blank || end > at))
            rc = run_put(r, by.u.s, by.len);
        if (!rc)
            rc = run_put(r, v.u.s + at, end - at + (stop != NULL));
    }
    return rc ? rc : run_take(r, mark, out);
}

/* ---- truncate, wordwrap ---------------------------------------------------------------------- */

static int filter_truncate(struct run *r, struct call *c, struct value *out)
{
    size_t mark = run_mark(r), n, cut;
    struct value v, end;
    int64_t length, leeway;
    const char *blank;

    if (arg_self_text(r, c, &v) || arg_int(r, c, 0, 255, &length) ||
        arg_text(r, c, 2, "...", &end) || arg_int(r, c, 3, 5, &leeway))
        return ERR_INVALID;
    if (run_bytes(r, v.len + end.len))
        return ERR_LIMIT;
    n = unicode_count(end.u.s, end.len);
    if (length < (int64_t)n || leeway < 0 || leeway > INT32_MAX || length > INT32_MAX)
        return run_fail(r, ERR_INVALID, "'truncate' to %lld characters", (long long)length);
    if ((int64_t)unicode_count(v.u.s, v.len) <= length + leeway) {
        *out = v;
        return 0;
    }
    cut = unicode_offset(v.u.s, v.len, (size_t)length - n);
    if (!arg_truth(c, 1, false)) {
        blank = memrchr(v.u.s, ' ', cut);
        cut = blank ? (size_t)(blank - v.u.s) : cut;
    }
    if (run_put(r, v.u.s, cut) || run_put(r, end.u.s, end.len))
        return ERR_LIMIT;
    return run_take(r, mark, out);
}

/* ---- striptags ------------------------------------------------------------------------------- */

/* *n: bytes of the tag or comment that begins at byte `at` with a "<"; 0 for none. */
static int tag_at(struct run *r, struct value v, size_t at, size_t *n)
{
    struct value rest = text_part(v, at, v.len);
    size_t end = TEXT_NOWHERE;
    bool comment;
    int rc = text_starts(r, rest, value_text("<!--", 4), &comment);

    if (!rc)
        rc = text_find(r, rest, comment ? value_text("-->", 3) : value_text(">", 1), 0, &end);
    *n = end == TEXT_NOWHERE ? 0 : end + (comment ? 3 : 1);
    return rc;
}

/* Without <...> and comments, white space as single blanks. */
static int filter_striptags(struct run *r, struct call *c, struct value *out)
{
    size_t mark = run_mark(r), start = mark;
    bool blank = false;
    struct value v;
    int rc = arg_self_text(r, c, &v);

    if (!rc)
        rc = run_chars(r, v.len);
    for (size_t at = 0, n; !rc && at < v.len; at += n) {
        uint32_t code = unicode_at(v.u.s + at, &n);
        size_t tag = 0;

        if (code == '<')
            rc = tag_at(r, v, at, &tag);
        if (rc)
            break;
        if (tag) {
            n = tag;
            continue;
        }
        if (unicode_space(code)) {
            blank = run_mark(r) > start;
            continue;
        }
        rc = (blank && run_puts(r, " ")) || run_put(r, v.u.s + at, n) ? ERR_LIMIT : 0;
        blank = false;
    }
    return rc ? rc : run_take(r, mark, out);
}

const struct builtin builtins_filter_wrap[] = {
    {"indent", "width? first? blank?", filter_indent},
    {"truncate", "length? killwords? end? leeway?", filter_truncate},
    {"striptags", "", filter_striptags},
    {0},
};
