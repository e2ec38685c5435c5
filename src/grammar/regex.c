/* regex.c - alternatives, groups and repetitions of regular expressions. See regex.h. */
#include "grammar/regex.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grammar/grammar.h"
#include "grammar/regex_internal.h"

/* A part of a pattern, and how many characters it has. */
struct piece {
    uint32_t node;
    uint64_t min, max;
    bool counted;  /* a repetition of one character: its numbers may be changed */
    bool adjusted; /* a sequence in which one item is counted and no other is of more than one
                      length */
    uint32_t item; /* that one */
    uint64_t rest; /* characters of the others */
};

#define NO_MAX UINT64_MAX

static struct piece read_alternatives(struct regex *x, bool top);

uint32_t regex_fail(struct regex *x, enum err_code code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    schema_fail(x->s, code, x->where, x->key, "in the pattern '%.128s', %zu bytes into it: %s",
                x->pattern, (size_t)(x->at - x->pattern), text);
    return 0;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a == NO_MAX || b == NO_MAX || a + b < a ? NO_MAX : a + b;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;

    if (!a || !b)
        return 0;
    return a == NO_MAX || b == NO_MAX || __builtin_mul_overflow(a, b, &product) ? NO_MAX : product;
}

static bool skip_name(struct regex *x)
{
    const char *end = strchr(x->at, '>');

    if (!end || end == x->at)
        return regex_fail(x, ERR_INVALID, "a group's name has no end");
    x->at = end + 1;
    return true;
}

/* Behind '(': what kind of group. */
static bool read_kind(struct regex *x)
{
    if (*x->at != '?')
        return true;
    if (x->at[1] == ':') {
        x->at += 2;
        return true;
    }
    if (x->at[1] == '<' && x->at[2] != '=' && x->at[2] != '!') {
        x->at += 2;
        return skip_name(x);
    }
    return regex_fail(x, ERR_UNSUPPORTED, "look-around and groups like it are not supported");
}

static struct piece read_group(struct regex *x)
{
    struct piece p = {0};

    if (++x->nesting > GRAMMAR_MAX_NESTING) {
        regex_fail(x, ERR_LIMIT, "more than %d parentheses stand inside each other",
                   GRAMMAR_MAX_NESTING);
        return p;
    }
    x->at++;
    if (!read_kind(x))
        return p;
    p = read_alternatives(x, false);
    x->nesting--;
    p.counted = p.adjusted = false;
    if (!rules_failed(x->s->r) && *x->at++ != ')') {
        x->at--;
        regex_fail(x, ERR_INVALID, "a group has no ')'");
    }
    return p;
}

static bool read_number(struct regex *x, uint32_t *out)
{
    uint64_t n = 0;

    if (*x->at < '0' || *x->at > '9')
        return regex_fail(x, ERR_INVALID, "expected a number in a repetition");
    for (; *x->at >= '0' && *x->at <= '9'; x->at++)
        n = n > GRAMMAR_MAX_REPEAT ? n : n * 10 + (uint64_t)(*x->at - '0');
    if (n > GRAMMAR_MAX_REPEAT)
        return regex_fail(x, ERR_LIMIT, "a repetition is over the most possible, %u",
                          GRAMMAR_MAX_REPEAT);
    *out = (uint32_t)n;
    return true;
}

/* Behind '{'. */
static bool read_counts(struct regex *x, uint32_t *min, uint32_t *max)
{
    if (!read_number(x, min))
        return false;
    *max = *min;
    if (*x->at == ',') {
        x->at++;
        *max = RULES_NO_MAX;
        if (*x->at != '}' && !read_number(x, max))
            return false;
    }
    if (*x->at++ != '}' || *max < *min) {
        x->at--;
        return regex_fail(x, ERR_INVALID, "a repetition is malformed");
    }
    return true;
}

/* At a quantifier, or not: false then. */
static bool read_quantifier(struct regex *x, uint32_t *min, uint32_t *max)
{
    *min = *x->at == '+';
    *max = *x->at == '?' ? 1 : RULES_NO_MAX;
    if (!*x->at || !strchr("*+?{", *x->at))
        return false;
    if (*x->at++ == '{' && !read_counts(x, min, max))
        return false;
    if (*x->at == '?')
        x->at++;
    if (*x->at && strchr("*+?{", *x->at))
        regex_fail(x, ERR_INVALID, "a repetition stands behind a repetition");
    return true;
}

static struct piece read_item(struct regex *x)
{
    struct piece p = {.min = 1, .max = 1};
    uint32_t min, max;
    bool one = *x->at != '(';

    if (strchr("*+?{^$", *x->at)) {
        regex_fail(x, strchr("^$", *x->at) ? ERR_UNSUPPORTED : ERR_INVALID,
                   "a '%c' is not supported here", *x->at);
        return p;
    }
    if (one)
        p.node = regex_one(x);
    else
        p = read_group(x);
    if (rules_failed(x->s->r) || !read_quantifier(x, &min, &max))
        return p;
    p.node = rules_repeat(x->s->r, p.node, min, max);
    p.min = times(p.min, min);
    p.max = times(p.max, max == RULES_NO_MAX ? NO_MAX : max);
    p.counted = one;
    return p;
}

static bool at_end(const struct regex *x)
{
    return !*x->at || *x->at == '|' || *x->at == ')';
}

/* Where a whole alternative ends; within a group '$' is none of ours. */
static bool at_end_anchor(const struct regex *x)
{
    return !x->nesting && x->at[0] == '$' && (!x->at[1] || x->at[1] == '|');
}

static struct piece read_sequence(struct regex *x)
{
    struct piece all = {.node = rules_seq(x->s->r), .adjusted = true};

    while (!at_end(x) && !at_end_anchor(x) && !rules_failed(x->s->r)) {
        struct piece p = read_item(x);

        rules_add(x->s->r, all.node, p.node);
        all.min = plus(all.min, p.min);
        all.max = plus(all.max, p.max);
        if (p.min == p.max) {
            all.rest = plus(all.rest, p.min);
        } else {
            all.adjusted = all.adjusted && p.counted && !all.item;
            all.item = p.node;
        }
    }
    all.adjusted = all.adjusted && all.item;
    return all;
}

/* Text of any kind. */
static void add_anything(struct regex *x, uint32_t seq)
{
    rules_add(x->s->r, seq,
              rules_repeat(x->s->r, schema_shared(x->s, SHARED_CHAR), 0, RULES_NO_MAX));
}

/* A whole alternative: what has no anchor goes on with any text. */
static struct piece read_whole(struct regex *x)
{
    uint32_t seq = rules_seq(x->s->r);
    bool from = *x->at == '^', to;
    struct piece p;

    x->at += from;
    p = read_sequence(x);
    to = *x->at == '$';
    x->at += to;
    if (!from)
        add_anything(x, seq);
    rules_add(x->s->r, seq, p.node);
    if (!to)
        add_anything(x, seq);
    p.node = seq;
    if (!from || !to) {
        p.max = NO_MAX;
        p.adjusted = false;
    }
    return p;
}

static struct piece read_alternatives(struct regex *x, bool top)
{
    struct piece all = top ? read_whole(x) : read_sequence(x), p;
    uint32_t alt = rules_alt(x->s->r);

    rules_add(x->s->r, alt, all.node);
    all.node = alt;
    while (!rules_failed(x->s->r) && *x->at == '|') {
        x->at++;
        p = top ? read_whole(x) : read_sequence(x);
        rules_add(x->s->r, alt, p.node);
        all.min = p.min < all.min ? p.min : all.min;
        all.max = p.max > all.max ? p.max : all.max;
        all.adjusted = false;
    }
    return all;
}

/* Makes the lengths be within min and max, or says that they are not. */
static void fit(struct regex *x, const struct piece *p, uint32_t min, uint32_t max)
{
    struct rules_node *n;
    uint64_t most = max == RULES_NO_MAX ? NO_MAX : max;

    if (rules_failed(x->s->r) || (p->min >= min && p->max <= most))
        return;
    if (!p->adjusted || most < p->rest) {
        schema_fail(x->s, ERR_UNSUPPORTED, x->where, x->key,
                    "the pattern '%.128s' beside minLength or maxLength is not supported: it has "
                    "texts of other lengths",
                    x->pattern);
        return;
    }
    n = &x->s->r->nodes[p->item];
    if (min > p->rest && min - p->rest > n->a)
        n->a = (uint32_t)(min - p->rest);
    if (most != NO_MAX && most - p->rest < n->b)
        n->b = (uint32_t)(most - p->rest);
    if (n->b < n->a)
        schema_fail(
            x->s, ERR_INVALID, x->where, x->key,
            "no text of the pattern '%.128s' has a length that minLength and maxLength allow",
            x->pattern);
}

uint32_t regex_read(struct schema *s, const json_t *where, const char *key, const char *pattern,
                    uint32_t min, uint32_t max)
{
    struct regex x = {.s = s, .where = where, .key = key, .pattern = pattern, .at = pattern};
    struct piece p = read_alternatives(&x, true);

    if (!rules_failed(s->r) && *x.at)
        regex_fail(&x, *x.at == ')' ? ERR_INVALID : ERR_UNSUPPORTED, "a '%c' is not supported here",
                   *x.at);
    fit(&x, &p, min, max);
    free(x.ranges);
    return rules_failed(s->r) ? 0 : p.node;
}
