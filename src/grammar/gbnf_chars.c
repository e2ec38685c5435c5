/* gbnf_chars.c - texts and classes of GBNF. See gbnf.h. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/str.h"
#include "grammar/gbnf_internal.h"
#include "grammar/grammar.h"
#include "grammar/chars.h"
#include "grammar/vec.h"

/* Behind \x, \u or \U: n digits. */
static bool read_hex(struct gbnf *g, unsigned n, uint32_t *out)
{
    uint32_t c = 0;

    for (unsigned i = 0; i < n; i++) {
        int digit = str_hex_digit(gbnf_peek(g, i));

        if (digit < 0) {
            gbnf_fail(g, ERR_INVALID, "an escape needs %u hexadecimal digits but has %u", n, i);
            return false;
        }
        c = c << 4 | (uint32_t)digit;
    }
    if (!utf8_is_char(c)) {
        gbnf_fail(g, ERR_INVALID, "the escape of U+%04X is no character", c);
        return false;
    }
    g->at += n;
    *out = c;
    return true;
}

static bool read_escape(struct gbnf *g, uint32_t *out)
{
    char c = gbnf_peek(g, 1);

    g->at += g->n - g->at < 2 ? 1 : 2;
    switch (c) {
    case 'x':
        return read_hex(g, 2, out);
    case 'u':
        return read_hex(g, 4, out);
    case 'U':
        return read_hex(g, 8, out);
    case 't':
        return *out = '\t', true;
    case 'r':
        return *out = '\r', true;
    case 'n':
        return *out = '\n', true;
    case '\\':
    case '"':
    case '[':
    case ']':
        return *out = (uint32_t)c, true;
    default:
        gbnf_fail(g, ERR_INVALID, "there is no escape '\\%c'", c >= ' ' && c < 0x7F ? c : '?');
        return false;
    }
}

/* One character of a text or class, which may be an escape; `closing` ends it. */
static bool read_char(struct gbnf *g, const char *what, uint32_t *out)
{
    if (g->at >= g->n) {
        gbnf_fail(g, ERR_INVALID, "a %s has no end", what);
        return false;
    }
    if (gbnf_peek(g, 0) == '\\')
        return read_escape(g, out);
    if (gbnf_peek(g, 0) == '\n')
        g->line++;
    g->at += utf8_decode(g->text + g->at, g->n - g->at, out);
    return true;
}

uint32_t gbnf_literal(struct gbnf *g)
{
    struct buf text;
    uint32_t c, node = 0;
    char bytes[UTF8_MAX_BYTES];
    bool good = true;

    buf_init(&text, GRAMMAR_MAX_BYTES);
    g->at++;
    while (good && gbnf_peek(g, 0) != '"') {
        good = read_char(g, "text", &c);
        if (good && buf_put(&text, bytes, utf8_encode(c, bytes))) {
            gbnf_fail(g, ERR_NO_MEMORY, "there is no memory for a text");
            good = false;
        }
    }
    g->at++;
    if (good)
        node = rules_text(g->r, buf_str(&text), text.len);
    buf_done(&text);
    return node;
}

/* "a" or "a-z". */
static bool read_range(struct gbnf *g, struct rules_range *out)
{
    if (!read_char(g, "class", &out->lo))
        return false;
    out->hi = out->lo;
    if (gbnf_peek(g, 0) != '-' || gbnf_peek(g, 1) == ']')
        return true;
    g->at++;
    if (!read_char(g, "class", &out->hi))
        return false;
    if (out->hi < out->lo) {
        gbnf_fail(g, ERR_INVALID, "a range of characters goes from U+%04X down to U+%04X", out->lo,
                  out->hi);
        return false;
    }
    return true;
}

uint32_t gbnf_class(struct gbnf *g)
{
    uint32_t n = 0;
    bool negated = gbnf_peek(g, 1) == '^';

    g->at += negated ? 2 : 1;
    while (gbnf_peek(g, 0) != ']') {
        if (vec_room(&g->ranges, &g->cap_ranges, n + 1, sizeof *g->ranges))
            return gbnf_fail(g, ERR_NO_MEMORY, "there is no memory for a class");
        if (!read_range(g, &g->ranges[n++]))
            return 0;
    }
    g->at++;
    if (!n)
        return gbnf_fail(g, ERR_INVALID, "a class has no characters");
    return rules_class(g->r, g->ranges, n, negated);
}
