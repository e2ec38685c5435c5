/*
 * parse_literal.c - numbers and strings. Source: the Jinja documentation, "Literals"; escapes as in
 * the Python Language Reference, section 2.4.1.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "jinja/parser.h"
#include "jinja/unicode.h"

#define NUMBER_MAX_BYTES 400

/* The token without its underscores, NUL-terminated. */
static int plain_number(struct parser *p, char dst[NUMBER_MAX_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < p->t->len; i++) {
        if (p->t->s[i] == '_')
            continue;
        if (n + 1 == NUMBER_MAX_BYTES)
            return parser_fail(p, ERR_LIMIT, "a number has too many digits");
        dst[n++] = p->t->s[i];
    }
    dst[n] = '\0';
    return 0;
}

/* Digits with "0x", "0o" or "0b" before them, or decimal ones without a leading zero. */
static int parse_int(struct parser *p, const char *digits, int64_t *out)
{
    char letter = digits[0] == '0' ? (char)(digits[1] | 0x20) : '\0';
    int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
    const char *from = base == 10 ? digits : digits + 2;
    bool bad = base == 10 && digits[0] == '0' && strspn(digits, "0") < strlen(digits);
    char *end;

    errno = 0;
    *out = strtoll(from, &end, base);
    if (errno == ERANGE)
        return parser_fail(p, ERR_UNSUPPORTED, "an integer has more than 64 bits");
    bad |= *end || end == from || from[strspn(from, "0123456789abcdefABCDEF")];
    return bad ? parser_fail(p, ERR_INVALID, "a number is malformed") : 0;
}

struct node *parse_number(struct parser *p)
{
    char digits[NUMBER_MAX_BYTES];
    struct node *n = parser_node(p, NODE_CONST);
    int64_t i;

    if (!n || plain_number(p, digits))
        return NULL;
    if (p->t->kind == TOKEN_FLOAT) {
        n->value = value_float(strtod(digits, NULL));
    } else {
        if (parse_int(p, digits, &i))
            return NULL;
        n->value = value_int(i);
    }
    p->t++;
    return n;
}

/* The character that n_digits hexadecimal digits name; *s moves behind them. */
static int hex_escape(struct parser *p, const char **s, const char *end, int n_digits,
                      uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < n_digits; i++) {
        int v = *s < end ? str_hex_digit(**s) : -1;

        if (v < 0)
            return parser_fail(p, ERR_INVALID, "an escape in a string lacks digits");
        *code = *code << 4 | (uint32_t)v;
        (*s)++;
    }
    return unicode_valid(*code) ? 0 : parser_fail(p, ERR_INVALID, "an escape is no character");
}

static uint32_t octal_escape(const char **s, const char *end)
{
    uint32_t code = 0;

    for (int i = 0; i < 3 && *s < end && **s >= '0' && **s <= '7'; i++)
        code = code << 3 | (uint32_t)(*(*s)++ - '0');
    return code;
}

/* One escape, behind its backslash; what it stands for goes to *dst. */
static int unescape(struct parser *p, const char **s, const char *end, char **dst)
{
    static const char letters[] = "abfnrtv\\'\"";
    static const char bytes[] = "\a\b\f\n\r\t\v\\'\"";
    char c = **s;
    const char *known = c ? strchr(letters, c) : NULL;
    uint32_t code;

    if (known) {
        *(*dst)++ = bytes[known - letters];
        (*s)++;
        return 0;
    }
    if (c == '\n') {
        (*s)++;
        return 0;
    }
    if (c >= '0' && c <= '7') {
        code = octal_escape(s, end);
    } else if (c == 'x' || c == 'u' || c == 'U') {
        (*s)++;
        if (hex_escape(p, s, end, c == 'x' ? 2 : c == 'u' ? 4 : 8, &code))
            return -1;
    } else {
        *(*dst)++ = '\\';
        return 0;
    }
    *dst += unicode_put(code, *dst);
    return 0;
}

/* The text of one string token, put to dst; escapes never get longer. */
static int put_string(struct parser *p, const struct token *t, char **dst)
{
    const char *s = t->s + 1, *end = t->s + t->len - 1;

    while (s < end) {
        if (*s != '\\') {
            *(*dst)++ = *s++;
            continue;
        }
        s++;
        if (unescape(p, &s, end, dst))
            return -1;
    }
    return 0;
}

struct node *parse_string(struct parser *p)
{
    struct node *n = parser_node(p, NODE_CONST);
    size_t room = 0;
    char *text, *end;

    if (!n)
        return NULL;
    for (const struct token *t = p->t; t->kind == TOKEN_STRING; t++)
        room += t->len;
    text = end = arena_text(&p->program->arena, room);
    if (!text) {
        parser_no_memory(p, room);
        return NULL;
    }
    for (; p->t->kind == TOKEN_STRING; p->t++)
        if (put_string(p, p->t, &end))
            return NULL;
    n->value = value_text(text, (size_t)(end - text));
    return n;
}
