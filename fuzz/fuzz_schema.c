/*
 * fuzz_schema.c - JSON Schemas: bytes that choose tokens, a zero byte, and a schema as JSON. Any
 * schema must end in a grammar or an error. What masks allow is walked as the bytes say; where the
 * text may end it must be JSON.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "grammar/grammar.h"

#include "grammar_tokens.h"

#define MAX_SCHEMA 8192 /* so that one run stays fast */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const longer[N_LONGER] = {"\":", "\": \"", "},", "true", "\xc3\xa9\"", "\n  "};

/* The r-th token of a mask, counted round; N_TOKENS when it is empty. */
static uint32_t pick(const uint64_t *mask, uint32_t r)
{
    uint32_t n = 0, k = 0;

    for (uint32_t i = 0; i < N_TOKENS; i++)
        n += mask[i / 64] >> i % 64 & 1;
    for (uint32_t i = 0; i < N_TOKENS && n; i++) {
        if ((mask[i / 64] >> i % 64 & 1) && k++ == r % n)
            return i;
    }
    return N_TOKENS;
}

static void check_json(const struct buf *text)
{
    json_error_t e;
    json_t *value = json_loadb(buf_str(text), text->len, JSON_DECODE_ANY, &e);

    /* Texts chosen by the schema itself may hold what jansson does not read: a NUL. */
    BUG_ON(!value && json_error_code(&e) != json_error_null_character &&
           json_error_code(&e) != json_error_null_byte_in_key &&
           json_error_code(&e) != json_error_numeric_overflow);
    BUG_ON(!str_is_utf8(buf_str(text), text->len));
    json_decref(value);
}

static void walk(const struct grammar *g, struct grammar_vocab *v,
                 const struct grammar_token *tokens, const uint8_t *choices, size_t n)
{
    struct grammar_matcher *m;
    struct buf text;
    struct err err = {0};

    if (grammar_matcher_create(g, v, &m, &err))
        return;
    buf_init(&text, (size_t)1 << 20);
    for (size_t i = 0; i < n; i++) {
        const uint64_t *mask = grammar_matcher_mask(m);
        uint32_t token = mask ? pick(mask, choices[i]) : N_TOKENS;

        BUG_ON(mask && token == N_TOKENS && !grammar_matcher_must_end(m) &&
               text.len < GRAMMAR_MAX_DEPTH / 4);
        if (token == N_TOKENS)
            break;
        BUG_ON(grammar_matcher_put(m, tokens[token].bytes, tokens[token].n, &err));
        buf_put(&text, tokens[token].bytes, tokens[token].n);
        if (grammar_matcher_may_end(m))
            check_json(&text);
    }
    buf_done(&text);
    grammar_matcher_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct grammar_token tokens[N_TOKENS];
    static struct grammar_vocab *v;
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    struct grammar *g;
    struct err err = {0};
    json_t *schema;

    if (!v)
        v = make_vocab(longer, tokens);
    if (!zero || size > MAX_SCHEMA)
        return 0;
    schema = json_loadb((const char *)zero + 1, size - (size_t)(zero + 1 - data),
                        JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    if (!schema)
        return 0;
    if (grammar_from_schema(schema, NULL, &g, &err) == 0) {
        walk(g, v, tokens, data, (size_t)(zero - data));
        grammar_free(g);
    } else {
        BUG_ON(err.text[0] == '\0');
    }
    json_decref(schema);
    return 0;
}
