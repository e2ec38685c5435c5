/* text.c - see text.h. */
#include "jinja/text.h"

#include "jinja/unicode.h"

#define NOWHERE ((size_t)-1)

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
    int rc = 0;

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

static bool has_char(struct value chars, const char *s, size_t n)
{
    return memmem(chars.u.s, chars.len, s, n) != NULL;
}

/* The last character's first byte. */
static size_t last_char(struct value v, size_t end)
{
    do
        end--;
    while (end > 0 && ((unsigned char)v.u.s[end] & 0xc0) == 0x80);
    return end;
}

static void strip_chars(struct value v, struct value chars, int sides, size_t *from, size_t *to)
{
    size_t n, at;

    while ((sides & TEXT_LEFT) && *from < *to) {
        unicode_at(v.u.s + *from, &n);
        if (!has_char(chars, v.u.s + *from, n))
            break;
        *from += n;
    }
    while ((sides & TEXT_RIGHT) && *from < *to) {
        at = last_char(v, *to);
        if (!has_char(chars, v.u.s + at, *to - at))
            break;
        *to = at;
    }
}

int text_strip(struct run *r, struct value v, const struct value *chars, int sides,
               struct value *out)
{
    size_t from = 0, to = v.len;

    if (chars) {
        strip_chars(v, *chars, sides, &from, &to);
    } else {
        if (sides & TEXT_LEFT)
            from = unicode_leading_space(v.u.s, v.len);
        if (sides & TEXT_RIGHT)
            to -= unicode_trailing_space(v.u.s + from, v.len - from);
    }
    *out = text_part(v, from, to);
    return run_steps(r, (v.len - out->len) * (chars ? 1 + chars->len / 64 : 1));
}

bool text_starts(struct value v, struct value with)
{
    return with.len <= v.len && memcmp(v.u.s, with.u.s, with.len) == 0;
}

bool text_ends(struct value v, struct value with)
{
    return with.len <= v.len && memcmp(v.u.s + v.len - with.len, with.u.s, with.len) == 0;
}

/* ---- finding --------------------------------------------------------------------------------- */

size_t text_find(struct value v, struct value what, size_t at)
{
    const char *p;

    if (at > v.len || what.len > v.len - at)
        return NOWHERE;
    if (what.len == 0)
        return at;
    p = memmem(v.u.s + at, v.len - at, what.u.s, what.len);
    return p ? (size_t)(p - v.u.s) : NOWHERE;
}

size_t text_find_last(struct value v, struct value what, size_t n)
{
    if (what.len > n)
        return NOWHERE;
    for (size_t at = n - what.len + 1; at-- > 0;)
        if (what.len == 0 ||
            (v.u.s[at] == what.u.s[0] && memcmp(v.u.s + at, what.u.s, what.len) == 0))
            return at;
    return NOWHERE;
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

    if (!rc && from.len == 0) {
        rc = spread(r, v, to, count);
        return rc ? rc : run_take(r, mark, out);
    }
    if (text_find(v, from, 0) == NOWHERE || count == 0) {
        *out = v;
        return rc;
    }
    while (!rc && count-- != 0 && (next = text_find(v, from, at)) != NOWHERE) {
        rc = run_put(r, v.u.s + at, next - at) || run_put(r, to.u.s, to.len) || run_steps(r, 1)
                 ? ERR_LIMIT
                 : 0;
        at = next + from.len;
    }
    if (!rc)
        rc = run_put(r, v.u.s + at, v.len - at);
    return rc ? rc : run_take(r, mark, out);
}
