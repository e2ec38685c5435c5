/* text.c - see text.h. */
#include "jinja/text.h"

#include "jinja/unicode.h"

/* ---- case ------------------------------------------------------------------------------------ */

static int put_upper(struct run *r, uint32_t code)
{
    return code == 0xdf ? run_puts(r, "SS") : run_put_char(r, unicode_upper(code));
}

static bool cased(uint32_t code)
{
    return unicode_is_upper(code) || unicode_is_lower(code);
}

/* Does the character become large? `first` of the text, `inside` a run of letters. */
static bool becomes_upper(enum text_case to, uint32_t code, bool first, bool inside)
{
    switch (to) {
    case TEXT_UPPER:
        return true;
    case TEXT_LOWER:
        return false;
    case TEXT_CAPITALIZE:
        return first;
    case TEXT_TITLE:
        return !inside;
    case TEXT_SWAP:
        break;
    }
    return unicode_is_lower(code);
}

int text_recase(struct run *r, struct value v, enum text_case to, struct value *out)
{
    size_t mark = run_mark(r);
    bool inside = false;
    int rc = run_chars(r, v.len);

    for (size_t at = 0, n; !rc && at < v.len; at += n) {
        uint32_t code = unicode_at(v.u.s + at, &n);

        if (becomes_upper(to, code, at == 0, inside))
            rc = put_upper(r, code);
        else
            rc = run_put_char(r, unicode_lower(code));
        inside = cased(code);
    }
    if (!rc)
        rc = run_take(r, mark, out);
    out->markup = v.markup;
    return rc;
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* Is the character at s one of `chars`? */
static int has_char(struct run *r, struct value chars, const char *s, size_t n, bool *out)
{
    *out = memmem(chars.u.s, chars.len, s, n) != NULL;
    return run_steps(r, 1 + chars.len / 16);
}

/* The last character's first byte. */
static size_t last_char(struct value v, size_t end)
{
    do
        end--;
    while (end > 0 && ((unsigned char)v.u.s[end] & 0xc0) == 0x80);
    return end;
}

static int strip_chars(struct run *r, struct value v, struct value chars, int sides, size_t *from,
                       size_t *to)
{
    bool has = (sides & TEXT_LEFT) != 0;
    size_t n, at;
    int rc = 0;

    while (!rc && has && *from < *to) {
        unicode_at(v.u.s + *from, &n);
        rc = has_char(r, chars, v.u.s + *from, n, &has);
        *from += has ? n : 0;
    }
    has = (sides & TEXT_RIGHT) != 0;
    while (!rc && has && *from < *to) {
        at = last_char(v, *to);
        rc = has_char(r, chars, v.u.s + at, *to - at, &has);
        *to = has ? at : *to;
    }
    return rc;
}

int text_strip(struct run *r, struct value v, const struct value *chars, int sides,
               struct value *out)
{
    size_t from = 0, to = v.len;
    int rc = 0;

    if (chars) {
        rc = strip_chars(r, v, *chars, sides, &from, &to);
    } else {
        if (sides & TEXT_LEFT)
            from = unicode_leading_space(v.u.s, v.len);
        if (sides & TEXT_RIGHT)
            to -= unicode_trailing_space(v.u.s + from, v.len - from);
        rc = run_steps(r, from + v.len - to);
    }
    *out = text_part(v, from, to);
    return rc;
}

int text_starts(struct run *r, struct value v, struct value with, bool *out)
{
    int rc = with.len <= v.len ? run_bytes(r, with.len) : 0;

    *out = !rc && with.len <= v.len && memcmp(v.u.s, with.u.s, with.len) == 0;
    return rc;
}

int text_ends(struct run *r, struct value v, struct value with, bool *out)
{
    int rc = with.len <= v.len ? run_bytes(r, with.len) : 0;

    *out = !rc && with.len <= v.len && memcmp(v.u.s + v.len - with.len, with.u.s, with.len) == 0;
    return rc;
}

/* ---- finding --------------------------------------------------------------------------------- */

int text_find(struct run *r, struct value v, struct value what, size_t at, size_t *found)
{
    const char *p;

    *found = TEXT_NOWHERE;
    if (at > v.len || what.len > v.len - at)
        return 0;
    p = what.len ? memmem(v.u.s + at, v.len - at, what.u.s, what.len) : v.u.s + at;
    if (p)
        *found = (size_t)(p - v.u.s);
    return run_bytes(r, (p ? *found : v.len) - at + what.len);
}

int text_find_last(struct run *r, struct value v, struct value what, size_t n, size_t *found)
{
    size_t end = what.len <= n ? n - what.len + 1 : 0, at = end;
    int rc = 0;

    *found = TEXT_NOWHERE;
    while (!rc && at > 0 && *found == TEXT_NOWHERE) {
        at--;
        if (what.len && v.u.s[at] != what.u.s[0])
            continue;
        rc = run_bytes(r, what.len);
        if (!rc && memcmp(v.u.s + at, what.u.s, what.len) == 0)
            *found = at;
    }
    return rc ? rc : run_bytes(r, end - at);
}

/* `to` before every character and at the end. */
static int spread(struct run *r, struct value v, struct value to, int64_t count)
{
    size_t at = 0, n;
    int rc = 0;

    for (; !rc && at < v.len && count != 0; at += n, count--) {
        unicode_at(v.u.s + at, &n);
        rc = run_put(r, to.u.s, to.len) || run_put(r, v.u.s + at, n) ? ERR_LIMIT : 0;
    }
    if (!rc && count != 0)
        rc = run_put(r, to.u.s, to.len);
    return rc ? rc : run_put(r, v.u.s + at, v.len - at);
}

int text_replace(struct run *r, struct value v, struct value from, struct value to, int64_t count,
                 struct value *out)
{
    size_t mark = run_mark(r), at = 0, next;
    int rc = run_bytes(r, v.len);

    if (count < 0)
        count = -1; /* all: below it there is no end to count down to */
    if (!rc && from.len == 0) {
        rc = spread(r, v, to, count);
        return rc ? rc : run_take(r, mark, out);
    }
    if (!rc)
        rc = text_find(r, v, from, 0, &next);
    if (rc || next == TEXT_NOWHERE || count == 0) {
        *out = v;
        return rc;
    }
    while (!rc && count-- != 0) {
        rc = text_find(r, v, from, at, &next);
        if (rc || next == TEXT_NOWHERE)
            break;
        rc = run_put(r, v.u.s + at, next - at) || run_put(r, to.u.s, to.len) || run_steps(r, 1)
                 ? ERR_LIMIT
                 : 0;
        at = next + from.len;
    }
    if (!rc)
        rc = run_put(r, v.u.s + at, v.len - at);
    return rc ? rc : run_take(r, mark, out);
}
