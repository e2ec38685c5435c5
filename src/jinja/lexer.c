/*
 * lexer.c - see lexer.h. Source: the Jinja documentation, "Whitespace Control" and "Literals";
 * where it is silent, what Jinja 3.1 does. No recursion; time is linear in the text.
 */
#include "jinja/lexer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "jinja/jinja.h"
#include "jinja/unicode.h"

struct lexer {
    const char *s; /* the whole text, line ends normalised */
    size_t n, at;
    uint32_t line;                /* of `at` */
    size_t line_at;               /* up to where lines were counted */
    char open[JINJA_MAX_NESTING]; /* brackets that are open inside a tag */
    size_t n_open;
    struct tokens *out;
    struct err *err;
};

void tokens_done(struct tokens *t)
{
    free(t->items);
    *t = (struct tokens){0};
}

/* The line of a place at or behind the last one asked for. */
static uint32_t line_of(struct lexer *x, size_t at)
{
    for (; x->line_at < at; x->line_at++)
        x->line += x->s[x->line_at] == '\n';
    return x->line;
}

static int push(struct lexer *x, enum token_kind kind, size_t from, size_t to)
{
    struct tokens *t = x->out;

    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        struct token *items = realloc(t->items, cap * sizeof *items);

        if (!items)
            return err_no_memory(x->err, cap * sizeof *items, "the template's tokens");
        t->items = items;
        t->cap = cap;
    }
    t->items[t->n++] = (struct token){.kind = (uint8_t)kind,
                                      .line = line_of(x, from),
                                      .len = (uint32_t)(to - from),
                                      .s = x->s + from};
    return 0;
}

/* Counts afresh: what is wrong may have begun long before `line_at`. */
static int fail(struct lexer *x, size_t at, const char *what)
{
    unsigned line = 1;

    for (size_t i = 0; i < at; i++)
        line += x->s[i] == '\n';
    return err_set(x->err, ERR_INVALID, "template line %u: %s", line, what);
}

static char peek(const struct lexer *x, size_t at)
{
    return at < x->n ? x->s[at] : '\0';
}

static bool looking_at(const struct lexer *x, size_t at, const char *what)
{
    size_t len = strlen(what);

    return len <= x->n - at && memcmp(x->s + at, what, len) == 0;
}

static size_t skip_space(const struct lexer *x, size_t at)
{
    return at + unicode_leading_space(x->s + at, x->n - at);
}

static bool name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool name_char(char c)
{
    return name_start(c) || digit(c);
}

/* The next "{{", "{%" or "{#", or the end. */
static size_t find_tag(const struct lexer *x, size_t at)
{
    while (at < x->n) {
        const char *brace = memchr(x->s + at, '{', x->n - at);

        if (!brace)
            return x->n;
        at = (size_t)(brace - x->s);
        if (at + 1 < x->n && strchr("{%#", x->s[at + 1]) && x->s[at + 1])
            return at;
        at++;
    }
    return x->n;
}

/* Where text that lies before a tag ends, after the tag's sign and lstrip_blocks had their say. */
static size_t stripped_end(const struct lexer *x, size_t from, size_t tag, bool is_print)
{
    char sign = peek(x, tag + 2);
    size_t start = tag;

    if (sign == '-')
        return tag - unicode_trailing_space(x->s + from, tag - from);
    if (sign == '+' || is_print)
        return tag;
    while (start > from && x->s[start - 1] != '\n')
        start--;
    if (start == from && from > 0 && x->s[from - 1] != '\n')
        return tag;
    return skip_space(x, start) >= tag ? start : tag;
}

static int push_text(struct lexer *x, size_t from, size_t to)
{
    return to > from ? push(x, TOKEN_TEXT, from, to) : 0;
}

/* Behind the end of a block or comment whose two-character mark is at `at`, its sign before it. */
static size_t after_end(const struct lexer *x, size_t at, char sign)
{
    if (sign == '-')
        return skip_space(x, at + 2);
    if (sign != '+' && peek(x, at + 2) == '\n')
        return at + 3;
    return at + 2;
}

static int lex_comment(struct lexer *x, size_t tag)
{
    size_t from = tag + 2 + (peek(x, tag + 2) == '-' || peek(x, tag + 2) == '+');

    for (size_t at = from; at + 1 < x->n; at++) {
        if (x->s[at] != '#' || x->s[at + 1] != '}')
            continue;
        x->at = after_end(x, at, at > from ? x->s[at - 1] : '\0');
        return 0;
    }
    return fail(x, tag, "the comment that begins here has no end");
}

/* "<word>%}" with blanks and signs at `at`: where its "%}" is, or 0. */
static size_t match_raw(const struct lexer *x, size_t at, const char *word, char *sign)
{
    at = skip_space(x, at);
    if (!looking_at(x, at, word))
        return 0;
    at = skip_space(x, at + strlen(word));
    *sign = peek(x, at);
    if (*sign == '-' || *sign == '+')
        at++;
    return at < x->n && looking_at(x, at, "%}") ? at : 0;
}

static size_t after_sign(const struct lexer *x, size_t tag)
{
    return tag + 2 + (peek(x, tag + 2) == '-' || peek(x, tag + 2) == '+');
}

/* If the block at `tag` is {% raw %}, lexes it to its end; *was says so. */
static int lex_raw(struct lexer *x, size_t tag, bool *was)
{
    char sign;
    size_t end = match_raw(x, after_sign(x, tag), "raw", &sign);
    size_t from;

    *was = end != 0 && sign != '+';
    if (!*was)
        return 0;
    from = sign == '-' ? skip_space(x, end + 2) : end + 2;
    for (size_t at = from; at + 1 < x->n; at++) {
        if (x->s[at] != '{' || x->s[at + 1] != '%')
            continue;
        end = match_raw(x, after_sign(x, at), "endraw", &sign);
        if (end) {
            x->at = after_end(x, end, sign);
            return push_text(x, from, stripped_end(x, from, at, false));
        }
    }
    return fail(x, tag, "the raw block that begins here has no end");
}

/* ---- inside a tag ---------------------------------------------------------------------------- */

static size_t skip_digits(const struct lexer *x, size_t at)
{
    while (digit(peek(x, at)) || (peek(x, at) == '_' && digit(peek(x, at + 1))))
        at++;
    return at;
}

static int lex_number(struct lexer *x)
{
    size_t from = x->at, at = from, exponent;
    bool after_dot = from > 0 && x->s[from - 1] == '.';
    char base = (char)(peek(x, from + 1) | 0x20);
    bool is_float = false;

    if (x->s[from] == '0' && (base == 'x' || base == 'o' || base == 'b')) {
        at += 2;
        while (name_char(peek(x, at)))
            at++;
        x->at = at;
        return push(x, TOKEN_INT, from, at);
    }
    at = skip_digits(x, at);
    if (!after_dot && peek(x, at) == '.' && digit(peek(x, at + 1))) {
        at = skip_digits(x, at + 1);
        is_float = true;
    }
    exponent = at + 1 + (peek(x, at + 1) == '+' || peek(x, at + 1) == '-');
    if (!after_dot && (peek(x, at) | 0x20) == 'e' && digit(peek(x, exponent))) {
        at = skip_digits(x, exponent);
        is_float = true;
    }
    x->at = at;
    return push(x, is_float ? TOKEN_FLOAT : TOKEN_INT, from, at);
}

static int lex_string(struct lexer *x)
{
    size_t from = x->at, at = from + 1;
    char quote = x->s[from];

    while (at < x->n && x->s[at] != quote)
        at += x->s[at] == '\\' ? 2 : 1;
    if (at >= x->n)
        return fail(x, from, "the string that begins here has no end");
    x->at = at + 1;
    return push(x, TOKEN_STRING, from, at + 1);
}

static int bracket(struct lexer *x, char c)
{
    static const char pairs[] = "()[]{}";
    const char *p = strchr(pairs, c);

    if (!p)
        return 0;
    if ((p - pairs) % 2 == 0) {
        if (x->n_open == JINJA_MAX_NESTING)
            return err_set(x->err, ERR_LIMIT,
                           "template line %u: more than %d brackets inside each other",
                           (unsigned)line_of(x, x->at), JINJA_MAX_NESTING);
        x->open[x->n_open++] = p[1];
        return 0;
    }
    if (x->n_open == 0 || x->open[x->n_open - 1] != c)
        return fail(x, x->at, "a closing bracket here has no opening one");
    x->n_open--;
    return 0;
}

static int lex_sign(struct lexer *x)
{
    static const char *const pairs[] = {"//", "**", "==", "!=", ">=", "<="};
    size_t from = x->at, len = 1;
    int rc;

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (looking_at(x, from, pairs[i]))
            len = 2;
    if (len == 1 && (x->s[from] == '\0' || !strchr("+-/*%~[](){}<>=.:|,;", x->s[from])))
        return fail(x, from, "there is a character here that no expression has");
    rc = bracket(x, x->s[from]);
    if (rc)
        return rc;
    x->at = from + len;
    return push(x, TOKEN_SIGN, from, from + len);
}

/* If the tag ends at `at`, moves behind it. */
static bool tag_ends(struct lexer *x, bool is_print)
{
    size_t at = x->at;
    char sign = x->s[at];
    bool has_sign = sign == '-' || (sign == '+' && !is_print);

    if (x->n_open || !looking_at(x, at + has_sign, is_print ? "}}" : "%}"))
        return false;
    at += has_sign;
    if (is_print)
        x->at = has_sign ? skip_space(x, at + 2) : at + 2;
    else
        x->at = after_end(x, at, has_sign ? sign : '\0');
    return true;
}

static int lex_one(struct lexer *x)
{
    char c = x->s[x->at];
    size_t from = x->at;

    if (c == '\'' || c == '"')
        return lex_string(x);
    if (digit(c))
        return lex_number(x);
    if (!name_start(c))
        return lex_sign(x);
    while (name_char(peek(x, x->at)))
        x->at++;
    return push(x, TOKEN_NAME, from, x->at);
}

static int lex_tag(struct lexer *x, size_t tag, bool is_print)
{
    int rc = push(x, is_print ? TOKEN_PRINT_BEGIN : TOKEN_BLOCK_BEGIN, tag, tag + 2);

    x->at = after_sign(x, tag);
    x->n_open = 0;
    while (!rc) {
        size_t from = x->at = skip_space(x, x->at);

        if (from >= x->n)
            return fail(x, tag, "the tag that begins here has no end");
        if (tag_ends(x, is_print))
            return push(x, is_print ? TOKEN_PRINT_END : TOKEN_BLOCK_END, from, from + 2);
        rc = lex_one(x);
    }
    return rc;
}

static int lex_all(struct lexer *x)
{
    int rc = 0;

    while (!rc && x->at < x->n) {
        size_t from = x->at, tag = find_tag(x, from);
        char mark = peek(x, tag + 1);
        bool raw = false;

        if (tag == x->n) {
            x->at = x->n;
            rc = push_text(x, from, tag);
            break;
        }
        rc = push_text(x, from, stripped_end(x, from, tag, mark == '{'));
        if (!rc && mark == '%')
            rc = lex_raw(x, tag, &raw);
        if (rc || raw)
            continue;
        rc = mark == '#' ? lex_comment(x, tag) : lex_tag(x, tag, mark == '{');
    }
    return rc ? rc : push(x, TOKEN_END, x->n, x->n);
}

/* A copy with "\n" for every line end, without the last one. */
static char *normalise(struct arena *arena, const char *text, size_t *n_bytes)
{
    size_t n = *n_bytes, k = 0;
    char *copy = arena_text(arena, n + 1);

    if (!copy)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
            continue;
        copy[k++] = text[i] == '\r' ? '\n' : text[i];
    }
    if (k && copy[k - 1] == '\n')
        k--;
    *n_bytes = k;
    return copy;
}

int lexer_run(const char *text, size_t n_bytes, struct arena *arena, struct tokens *out,
              struct err *err)
{
    struct lexer x = {.n = n_bytes, .line = 1, .out = out, .err = err};

    *out = (struct tokens){0};
    x.s = normalise(arena, text, &x.n);
    if (!x.s)
        return err_no_memory(err, n_bytes, "the template's text");
    return lex_all(&x);
}
