/* gbnf.c - rules, alternatives and items of GBNF, by recursive descent. See gbnf.h. */
#include "grammar/gbnf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "grammar/gbnf_internal.h"
#include "grammar/grammar.h"
#include "grammar/chars.h"

static uint32_t read_alternatives(struct gbnf *g, bool nested);

uint32_t gbnf_fail(struct gbnf *g, enum err_code code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rules_fail(g->r, code, "grammar line %u: %s", g->line, text);
    return 0;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static void skip_comment(struct gbnf *g)
{
    while (g->at < g->n && g->text[g->at] != '\n' && g->text[g->at] != '\r')
        g->at++;
}

/* Blanks and comments; with `lines`, ends of lines too. */
static void skip_space(struct gbnf *g, bool lines)
{
    for (; g->at < g->n; g->at++) {
        if (g->text[g->at] == '#')
            skip_comment(g);
        switch (gbnf_peek(g, 0)) {
        case ' ':
        case '\t':
            break;
        case '\n':
        case '\r':
            if (!lines)
                return;
            g->line += g->text[g->at] == '\n';
            break;
        default:
            return;
        }
    }
}

static size_t name_length(const struct gbnf *g)
{
    size_t n = 0;

    while (is_name_char(gbnf_peek(g, n)))
        n++;
    return n;
}

static uint32_t read_call(struct gbnf *g)
{
    size_t n = name_length(g);
    uint32_t rule = rules_named(g->r, g->text + g->at, n, g->line);

    g->at += n;
    return rules_call(g->r, rule);
}

/* One more bracket or repetition around the item read last. What is made of a grammar is walked by
 * recursion, so that all of these together have a limit. */
static bool raise_height(struct gbnf *g)
{
    if (++g->height > GRAMMAR_MAX_HEIGHT)
        gbnf_fail(g, ERR_LIMIT, "more than %d parentheses and repetitions stand around one item",
                  GRAMMAR_MAX_HEIGHT);
    return !rules_failed(g->r);
}

static uint32_t read_group(struct gbnf *g)
{
    uint32_t node;

    if (++g->nesting > GRAMMAR_MAX_NESTING)
        return gbnf_fail(g, ERR_LIMIT, "more than %u parentheses stand inside each other",
                         GRAMMAR_MAX_NESTING);
    g->at++;
    skip_space(g, true);
    node = read_alternatives(g, true);
    g->nesting--;
    if (!raise_height(g))
        return 0;
    if (gbnf_peek(g, 0) != ')')
        return gbnf_fail(g, ERR_INVALID, "expected ')' but found '%c'",
                         gbnf_peek(g, 0) > ' ' ? gbnf_peek(g, 0) : ' ');
    g->at++;
    return node;
}

/* The item at the place, or 0 when none begins there (or one fails). */
static uint32_t read_item(struct gbnf *g)
{
    g->height = 0;
    switch (gbnf_peek(g, 0)) {
    case '"':
        return gbnf_literal(g);
    case '[':
        return gbnf_class(g);
    case '(':
        return read_group(g);
    case '.':
        g->at++;
        return rules_class(g->r, NULL, 0, true);
    case '<':
    case '!':
        return gbnf_fail(g, ERR_UNSUPPORTED,
                         "items that stand for one token of a model are not supported; write the "
                         "token's text");
    default:
        return name_length(g) ? read_call(g) : 0;
    }
}

static bool read_count(struct gbnf *g, uint32_t *out)
{
    uint64_t n = 0;
    size_t at = g->at;

    for (; gbnf_peek(g, 0) >= '0' && gbnf_peek(g, 0) <= '9'; g->at++)
        n = n > GRAMMAR_MAX_REPEAT ? n : n * 10 + (uint64_t)(gbnf_peek(g, 0) - '0');
    if (g->at == at)
        gbnf_fail(g, ERR_INVALID, "expected a number in a repetition");
    else if (n > GRAMMAR_MAX_REPEAT)
        gbnf_fail(g, ERR_LIMIT, "a repetition is over the most possible, %u", GRAMMAR_MAX_REPEAT);
    *out = (uint32_t)n;
    skip_space(g, true);
    return !rules_failed(g->r);
}

/* Behind '{'. */
static bool read_counts(struct gbnf *g, uint32_t *min, uint32_t *max)
{
    skip_space(g, true);
    if (!read_count(g, min))
        return false;
    *max = *min;
    if (gbnf_peek(g, 0) == ',') {
        g->at++;
        skip_space(g, true);
        *max = RULES_NO_MAX;
        if (gbnf_peek(g, 0) != '}' && !read_count(g, max))
            return false;
    }
    if (gbnf_peek(g, 0) != '}')
        gbnf_fail(g, ERR_INVALID, "a repetition has no '}'");
    else if (*max < *min)
        gbnf_fail(g, ERR_INVALID, "a repetition goes from %u down to %u", *min, *max);
    return !rules_failed(g->r);
}

/* The item with the repetitions that stand behind it. */
static uint32_t read_repeats(struct gbnf *g, uint32_t item, bool nested)
{
    uint32_t depth = 0;

    for (;; g->at++) {
        uint32_t min = 0, max = RULES_NO_MAX;

        skip_space(g, nested);
        switch (gbnf_peek(g, 0)) {
        case '*':
            break;
        case '+':
            min = 1;
            break;
        case '?':
            max = 1;
            break;
        case '{':
            g->at++;
            if (!read_counts(g, &min, &max))
                return 0;
            break;
        default:
            return item;
        }
        if (++depth > GRAMMAR_MAX_NESTING)
            return gbnf_fail(g, ERR_LIMIT, "more than %u repetitions of one item",
                             GRAMMAR_MAX_NESTING);
        if (!raise_height(g))
            return 0;
        item = rules_repeat(g->r, item, min, max);
    }
}

static uint32_t read_sequence(struct gbnf *g, bool nested)
{
    uint32_t seq = rules_seq(g->r), item, highest = 0;

    while (!rules_failed(g->r) && (item = read_item(g)) != 0) {
        rules_add(g->r, seq, read_repeats(g, item, nested));
        highest = g->height > highest ? g->height : highest;
    }
    g->height = highest;
    return rules_failed(g->r) ? 0 : seq;
}

/* A '|' may stand at the beginning of the next line: no rule begins with one. */
static bool another(struct gbnf *g)
{
    size_t at = g->at;
    uint32_t line = g->line;

    skip_space(g, true);
    if (gbnf_peek(g, 0) == '|')
        return true;
    g->at = at;
    g->line = line;
    return false;
}

static uint32_t read_alternatives(struct gbnf *g, bool nested)
{
    uint32_t alt = rules_alt(g->r), highest;

    rules_add(g->r, alt, read_sequence(g, nested));
    highest = g->height;
    while (!rules_failed(g->r) && another(g)) {
        g->at++;
        skip_space(g, true);
        rules_add(g->r, alt, read_sequence(g, nested));
        highest = g->height > highest ? g->height : highest;
    }
    g->height = highest;
    return alt;
}

static void end_rule(struct gbnf *g)
{
    skip_space(g, false);
    if (g->at < g->n && gbnf_peek(g, 0) != '\n' && gbnf_peek(g, 0) != '\r')
        gbnf_fail(g, ERR_INVALID, "expected the end of the rule but found '%c'",
                  gbnf_peek(g, 0) > ' ' ? gbnf_peek(g, 0) : ' ');
    skip_space(g, true);
}

static void read_rule(struct gbnf *g)
{
    size_t n = name_length(g);
    uint32_t rule, line = g->line;

    if (!n) {
        gbnf_fail(g, ERR_INVALID, "expected the name of a rule");
        return;
    }
    rule = rules_named(g->r, g->text + g->at, n, line);
    g->at += n;
    skip_space(g, false);
    if (rules_failed(g->r))
        return;
    if (g->n - g->at < 3 || memcmp(g->text + g->at, "::=", 3) != 0) {
        gbnf_fail(g, ERR_INVALID, "expected '::=' behind the rule's name '%s'",
                  g->r->rules[rule].name);
        return;
    }
    if (g->r->rules[rule].body) {
        gbnf_fail(g, ERR_INVALID, "rule '%s' is defined in line %u already", g->r->rules[rule].name,
                  g->r->rules[rule].line);
        return;
    }
    g->at += 3;
    skip_space(g, true);
    rules_define(g->r, rule, read_alternatives(g, false));
    if (rules_failed(g->r))
        return;
    g->r->rules[rule].line = line;
    end_rule(g);
}

/* The first rules_named of "root" may come after all definitions, and then it has no body. */
static uint32_t root_of(struct rules *r)
{
    return rules_named(r, "root", 4, 0);
}

int gbnf_read(struct rules *r, const char *text, size_t n_bytes, uint32_t *root, struct err *err)
{
    struct gbnf g = {.r = r, .text = text, .n = n_bytes, .line = 1};

    if (n_bytes > GRAMMAR_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "the grammar has %zu bytes; the most is %u", n_bytes,
                       GRAMMAR_MAX_BYTES);
    if (!str_is_utf8(text, n_bytes))
        return err_set(err, ERR_INVALID, "grammar line 1: the text is not well-formed UTF-8");
    skip_space(&g, true);
    while (g.at < g.n && !rules_failed(r))
        read_rule(&g);
    *root = root_of(r);
    free(g.ranges);
    return rules_failed(r) ? err_set(err, r->err.code, "%s", r->err.text) : 0;
}
