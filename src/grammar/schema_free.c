/*
 * schema_free.c - the JSON that no schema says more of: any value, string, number (RFC 8259), with
 * the bounds that schema.h names; and texts of given values.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "grammar/grammar.h"
#include "grammar/schema_internal.h"

#define MAX_DIGITS 17 /* behind the first one: 18 digits fit in 64 bits */

static uint32_t class_of(struct schema *s, const char *pairs)
{
    struct rules_range ranges[8];
    uint32_t n = 0;

    for (; *pairs; pairs += 2)
        ranges[n++] = (struct rules_range){(unsigned char)pairs[0], (unsigned char)pairs[1]};
    return rules_class(s->r, ranges, n, false);
}

static uint32_t digits(struct schema *s, uint32_t min, uint32_t max)
{
    return rules_repeat(s->r, class_of(s, "09"), min, max);
}

static uint32_t hex(struct schema *s, uint32_t n)
{
    return rules_repeat(s->r, class_of(s, "09AFaf"), n, n);
}

static uint32_t either(struct schema *s, uint32_t a, uint32_t b)
{
    uint32_t alt = rules_alt(s->r);

    rules_add(s->r, alt, a);
    rules_add(s->r, alt, b);
    return alt;
}

static uint32_t maybe(struct schema *s, uint32_t node)
{
    return rules_repeat(s->r, node, 0, 1);
}

static uint32_t text(struct schema *s, const char *t)
{
    return rules_texts(s->r, t);
}

/* Nothing, a blank, or a line feed and an indent. */
static uint32_t blanks(struct schema *s)
{
    uint32_t indent = either(s, rules_repeat(s->r, text(s, " "), 0, SCHEMA_MAX_INDENT),
                             rules_repeat(s->r, text(s, "\t"), 1, SCHEMA_MAX_INDENT));

    return maybe(s, either(s, text(s, " "), schema_seq(s, text(s, "\n"), indent, 0)));
}

/* Four digits that are not all 0. */
static uint32_t not_nul(struct schema *s)
{
    uint32_t alt = rules_alt(s->r);

    rules_add(s->r, alt, schema_seq(s, class_of(s, "19ACEFacef"), hex(s, 3), 0));
    rules_add(s->r, alt, schema_seq(s, text(s, "0"), class_of(s, "19AFaf"), hex(s, 2), 0));
    rules_add(s->r, alt, schema_seq(s, text(s, "00"), class_of(s, "19AFaf"), hex(s, 1), 0));
    rules_add(s->r, alt, schema_seq(s, text(s, "000"), class_of(s, "19AFaf"), 0));
    return alt;
}

/* A character by its number: not U+0000, nor a surrogate, but a pair of them. */
static uint32_t numbered(struct schema *s)
{
    uint32_t low = schema_seq(s, class_of(s, "DDdd"), class_of(s, "07"), hex(s, 2), 0);
    uint32_t other = not_nul(s);
    uint32_t pair =
        schema_seq(s, class_of(s, "DDdd"), class_of(s, "89ABab"), hex(s, 2), text(s, "\\u"),
                   class_of(s, "DDdd"), class_of(s, "CFcf"), hex(s, 2), 0);

    return schema_seq(s, text(s, "u"), either(s, either(s, low, other), pair), 0);
}

static uint32_t character(struct schema *s)
{
    static const struct rules_range not_plain[] = {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
    uint32_t escape = either(s, class_of(s, "\"\"\\\\//bbffnnrrtt"), numbered(s));

    return either(s, rules_class(s->r, not_plain, 3, true),
                  schema_seq(s, text(s, "\\"), escape, 0));
}

static uint32_t string(struct schema *s)
{
    uint32_t chars = rules_repeat(s->r, schema_shared(s, SHARED_CHAR), 0, RULES_NO_MAX);

    return schema_seq(s, text(s, "\""), chars, text(s, "\""), 0);
}

static uint32_t integer(struct schema *s)
{
    uint32_t counted = schema_seq(s, class_of(s, "19"), digits(s, 0, MAX_DIGITS), 0);

    return schema_seq(s, maybe(s, text(s, "-")), either(s, text(s, "0"), counted), 0);
}

static uint32_t number(struct schema *s)
{
    uint32_t fraction = schema_seq(s, text(s, "."), digits(s, 1, SCHEMA_MAX_FRACTION), 0);
    uint32_t sign = maybe(s, class_of(s, "++--"));
    uint32_t exponent = schema_seq(s, class_of(s, "EEee"), sign, digits(s, 1, 2), 0);

    return schema_seq(s, schema_shared(s, SHARED_INTEGER), maybe(s, fraction), maybe(s, exponent),
                      0);
}

/* (item ("," blanks item)*)? between brackets; each child of a node of its own. */
static uint32_t bracketed(struct schema *s, const char *opening, const char *closing,
                          uint32_t (*item)(struct schema *s))
{
    uint32_t more = schema_seq(s, text(s, ","), schema_shared(s, SHARED_BLANKS), item(s), 0);
    uint32_t all = schema_seq(s, item(s), rules_repeat(s->r, more, 0, RULES_NO_MAX), 0);

    return schema_seq(s, text(s, opening), schema_shared(s, SHARED_BLANKS), maybe(s, all),
                      schema_shared(s, SHARED_BLANKS), text(s, closing), 0);
}

static uint32_t item(struct schema *s)
{
    return schema_shared(s, SHARED_VALUE);
}

static uint32_t member(struct schema *s)
{
    return schema_seq(s, schema_shared(s, SHARED_STRING), text(s, ":"), maybe(s, text(s, " ")),
                      schema_shared(s, SHARED_VALUE), 0);
}

static uint32_t value(struct schema *s)
{
    static const enum schema_shared kinds[] = {SHARED_OBJECT, SHARED_ARRAY, SHARED_STRING,
                                               SHARED_NUMBER};
    static const char *const words[] = {"true", "false", "null"};
    uint32_t alt = rules_alt(s->r);

    for (size_t i = 0; i < 4; i++)
        rules_add(s->r, alt, schema_shared(s, kinds[i]));
    for (size_t i = 0; i < 3; i++)
        rules_add(s->r, alt, text(s, words[i]));
    return alt;
}

static uint32_t body_of(struct schema *s, enum schema_shared which)
{
    switch (which) {
    case SHARED_BLANKS:
        return blanks(s);
    case SHARED_VALUE:
        return value(s);
    case SHARED_STRING:
        return string(s);
    case SHARED_CHAR:
        return character(s);
    case SHARED_NUMBER:
        return number(s);
    case SHARED_INTEGER:
        return integer(s);
    case SHARED_OBJECT:
        return bracketed(s, "{", "}", member);
    case SHARED_ARRAY:
        return bracketed(s, "[", "]", item);
    case SHARED_N:
        break;
    }
    BUG("shared rule %d", (int)which);
}

uint32_t schema_shared(struct schema *s, enum schema_shared which)
{
    if (s->shared[which] == RULES_NONE && !rules_failed(s->r)) {
        s->shared[which] = rules_new(s->r);
        rules_define(s->r, s->shared[which], body_of(s, which));
    }
    return rules_call(s->r, s->shared[which]);
}

/* The shortest digits that give the same number again. */
static void put_real(struct buf *b, double x)
{
    char shown[64];
    double back;

    for (int n = 1; n <= 17; n++) {
        snprintf(shown, sizeof shown, "%.*g", n, x);
        if (str_to_f64(shown, &back) == 0 && back == x)
            break;
    }
    buf_puts(b, shown);
}

uint32_t schema_scalar(struct schema *s, const json_t *value_)
{
    struct buf b;
    char *dumped = NULL;
    uint32_t node;

    buf_init(&b, GRAMMAR_MAX_BYTES);
    if (json_is_real(value_)) {
        put_real(&b, json_real_value(value_));
    } else {
        dumped = schema_text(value_);
        if (dumped)
            buf_puts(&b, dumped);
        else
            buf_lose(&b);
    }
    if (buf_failed(&b) || !b.len)
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for a value of a schema");
    node = rules_text(s->r, buf_str(&b), b.len);
    free(dumped);
    buf_done(&b);
    return node;
}

uint32_t schema_name(struct schema *s, const char *name, size_t n)
{
    json_t *value_ = json_stringn(name, n);
    uint32_t node;

    if (!value_) {
        rules_fail(s->r, ERR_NO_MEMORY, "there is no memory for a name");
        return 0;
    }
    node = schema_seq(s, schema_scalar(s, value_), rules_texts(s->r, ":"),
                      rules_repeat(s->r, rules_texts(s->r, " "), 0, 1), 0);
    json_decref(value_);
    return node;
}
