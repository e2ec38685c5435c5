/*
 * Random schemas, and random texts that masks alone led to: each text is JSON, and valid by a
 * validator that knows nothing of grammars.
 */
#include "grammar_rig.h"

#include <jansson.h>
#include <locale.h>

#include "schema_check.h"

#define N_SCHEMAS 200
#define N_TEXTS   4 /* of each schema */
#define N_TOKENS  2000
#define PATIENCE  40 /* tokens after which a text looks for its end */
#define MAX_STEPS 1500

static json_t *random_schema(uint64_t *seed, int depth);

static void set(json_t *o, const char *key, json_t *value)
{
    assert_int_equal(json_object_set_new(o, key, value), 0);
}

static json_t *string_schema(uint64_t *seed)
{
    static const char *const patterns[] = {"^[a-f]{2,5}$", "[aeo]0*", "^(ab|c)*d?$",
                                           "[0-9]$",       "^a.c",    "^-?[0-9]+(\\.[0-9])?$"};
    static const char *const formats[] = {"date", "ipv4", "ipv6", "uuid"};
    json_t *o = json_pack("{s:s}", "type", "string");
    int min = (int)rig_below(seed, 4);

    switch (rig_below(seed, 4)) {
    case 0:
        set(o, "pattern", json_string(patterns[rig_below(seed, 6)]));
        break;
    case 1:
        set(o, "format", json_string(formats[rig_below(seed, 4)]));
        break;
    case 2:
        set(o, "minLength", json_integer(min));
        set(o, "maxLength", json_integer(min + (int)rig_below(seed, 60)));
        break;
    default:
        break;
    }
    return o;
}

static json_t *random_bound(uint64_t *seed, int base)
{
    if (rig_below(seed, 2))
        return json_integer(base + (int)rig_below(seed, 2000));
    return json_real((double)(base * 1000 + (int)rig_below(seed, 100000)) / 1000.0);
}

static json_t *number_schema(uint64_t *seed)
{
    json_t *o = json_pack("{s:s}", "type", rig_below(seed, 2) ? "integer" : "number");
    int base = (int)rig_below(seed, 300) - 200;

    if (rig_below(seed, 2))
        set(o, rig_below(seed, 2) ? "minimum" : "exclusiveMinimum", random_bound(seed, base));
    if (rig_below(seed, 2))
        set(o, rig_below(seed, 2) ? "maximum" : "exclusiveMaximum", random_bound(seed, base + 110));
    return o;
}

static json_t *object_schema(uint64_t *seed, int depth)
{
    static const char *const names[] = {"a", "ab", "name", "x y", "\xc3\xa9", "q\"", "abc"};
    json_t *o = json_pack("{s:s}", "type", "object"), *properties = json_object();
    json_t *required = json_array();

    for (size_t i = 0; i < 7; i++) {
        if (rig_below(seed, 3))
            continue;
        set(properties, names[i], random_schema(seed, depth - 1));
        if (rig_below(seed, 2))
            json_array_append_new(required, json_string(names[i]));
    }
    set(o, "properties", properties);
    set(o, "required", required);
    if (rig_below(seed, 3) == 0)
        set(o, "additionalProperties", random_schema(seed, depth - 1));
    return o;
}

static json_t *array_schema(uint64_t *seed, int depth)
{
    json_t *o = json_pack("{s:s}", "type", "array");
    int min = (int)rig_below(seed, 3);

    if (rig_below(seed, 2))
        set(o, "items", random_schema(seed, depth - 1));
    if (rig_below(seed, 3) == 0)
        set(o, "prefixItems",
            json_pack("[o,o]", random_schema(seed, depth - 1), random_schema(seed, depth - 1)));
    if (rig_below(seed, 2)) {
        set(o, "minItems", json_integer(min));
        set(o, "maxItems", json_integer(min + (int)rig_below(seed, 5)));
    }
    return o;
}

static json_t *chosen_schema(uint64_t *seed)
{
    if (rig_below(seed, 2))
        return json_pack("{s:[s,i,n,{s:[f]}]}", "enum", "caf\xc3\xa9 \"\n", -7, "k", 0.25);
    return json_pack("{s:s}", "const", "fixed");
}

/* Objects told apart by a constant; or values by their types. */
static json_t *oneof_schema(uint64_t *seed, int depth)
{
    if (rig_below(seed, 2))
        return json_pack("{s:[o,{s:s},{s:b}]}", "oneOf", object_schema(seed, depth - 1), "type",
                         "null", "const", 1);
    return json_pack("{s:[{s:{s:{s:s},s:o},s:[s]},{s:{s:{s:s},s:o},s:[s]}]}", "oneOf", "properties",
                     "kind", "const", "one", "v", random_schema(seed, depth - 1), "required",
                     "kind", "properties", "kind", "const", "two", "w",
                     random_schema(seed, depth - 1), "required", "kind");
}

static json_t *allof_schema(uint64_t *seed, int depth)
{
    switch (rig_below(seed, 3)) {
    case 0:
        return json_pack("{s:[o,o]}", "allOf", number_schema(seed), number_schema(seed));
    case 1:
        return json_pack("{s:[o,o]}", "allOf", object_schema(seed, depth - 1),
                         object_schema(seed, depth - 1));
    default:
        return json_pack("{s:i,s:[o,o]}", "minItems", 1, "allOf", array_schema(seed, depth - 1),
                         array_schema(seed, depth - 1));
    }
}

static json_t *random_schema(uint64_t *seed, int depth)
{
    switch (rig_below(seed, depth > 0 ? 12 : 5)) {
    case 0:
    case 1:
        return string_schema(seed);
    case 2:
        return number_schema(seed);
    case 3:
        return chosen_schema(seed);
    case 4:
        return rig_below(seed, 4) ? json_pack("{s:[s,s]}", "type", "boolean", "null") : json_true();
    case 5:
    case 6:
    case 7:
        return object_schema(seed, depth);
    case 8:
        return array_schema(seed, depth);
    case 9:
        return json_pack("{s:[o,o]}", "anyOf", random_schema(seed, depth - 1),
                         random_schema(seed, depth - 1));
    case 10:
        return rig_below(seed, 2) ? oneof_schema(seed, depth) : allof_schema(seed, depth);
    default:
        return json_pack("{s:s}", "$ref", rig_below(seed, 2) ? "#" : "#/$defs/d");
    }
}

static json_t *whole_schema(uint64_t *seed)
{
    json_t *o = object_schema(seed, 2);

    set(o, "$defs", json_pack("{s:o}", "d", random_schema(seed, 1)));
    return o;
}

/* The token that is one byte, by the byte. */
static uint32_t token_of(const struct rig_vocab *v, char c)
{
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->tokens[i].bytes && v->tokens[i].n == 1 && v->tokens[i].bytes[0] == c)
            return i;
    }
    fail_msg("no token for %d", c);
    return 0;
}

static bool is_set(const uint64_t *mask, uint32_t i)
{
    return mask[i / 64] >> i % 64 & 1;
}

/* A random token that is allowed; after a while one that brings the end nearer, if there is one. */
static uint32_t choose(const struct rig_vocab *v, const uint64_t *mask, uint64_t *seed, int step)
{
    uint32_t i;
    bool in_string = is_set(mask, token_of(v, '"')) && is_set(mask, token_of(v, '%'));

    for (const char *c = step <= PATIENCE ? "" : in_string ? "\"" : "}]\"0n"; *c; c++) {
        i = token_of(v, *c);
        if (is_set(mask, i) && rig_below(seed, 4))
            return i;
    }
    for (int k = 0; k < 200; k++) {
        i = rig_below(seed, v->n);
        if (is_set(mask, i))
            return i;
    }
    i = rig_below(seed, v->n);
    for (uint32_t k = 0; k < v->n; k++, i = (i + 1) % v->n) {
        if (is_set(mask, i))
            return i;
    }
    fail_msg("a dead end");
    return 0;
}

/* False when chance did not find the end in time, as where one object needs two more of its kind.
 */
static bool generate(const struct grammar *g, const struct rig_vocab *v, uint64_t *seed,
                     struct buf *out)
{
    struct grammar_matcher *m;
    struct err err = {0};
    bool ended;

    buf_clear(out);
    assert_int_equal(grammar_matcher_create(g, v->index, &m, &err), 0);
    for (int step = 0; step < MAX_STEPS && !grammar_matcher_must_end(m); step++) {
        const uint64_t *mask;
        uint32_t token;

        if (grammar_matcher_may_end(m) && (step > PATIENCE || rig_below(seed, 4) == 0))
            break;
        mask = grammar_matcher_mask(m);
        assert_non_null(mask);
        token = choose(v, mask, seed, step);
        buf_put(out, v->tokens[token].bytes, v->tokens[token].n);
        assert_int_equal(grammar_matcher_put(m, v->tokens[token].bytes, v->tokens[token].n, &err),
                         0);
    }
    ended = grammar_matcher_may_end(m);
    grammar_matcher_free(m);
    return ended;
}

static void check_text(const json_t *schema, const struct buf *text)
{
    json_error_t e;
    json_t *value = json_loadb(text->data, text->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    char *shown;

    if (value && check_valid(schema, schema, value)) {
        json_decref(value);
        return;
    }
    shown = json_dumps(schema, 0);
    fail_msg("%s: %s\n  by %s", value ? "not valid" : e.text, text->data, shown);
}

/* The number of texts that were checked: 0 for a schema that has none. */
static int try_schema(const json_t *schema, const struct rig_vocab *v, uint64_t *seed,
                      struct buf *text)
{
    struct grammar *g;
    struct err err = {0};
    int rc = grammar_from_schema(schema, NULL, &g, &err), n = 0;

    if (rc) { /* no value at all, or bounds and patterns that cannot be joined */
        assert_true(rc == ERR_UNSUPPORTED || (rc == ERR_INVALID && strstr(err.text, "schema")));
        return 0;
    }
    for (int i = 0; i < N_TEXTS; i++) {
        if (!generate(g, v, seed, text))
            continue;
        check_text(schema, text);
        n++;
    }
    grammar_free(g);
    return n;
}

static void test_schema__random_texts_are_valid(void **state)
{
    struct rig_vocab v;
    struct buf text;
    uint64_t seed = 42;
    int n_texts = 0;

    (void)state;
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8")); /* for the C library's patterns */
    rig_vocab_make(&v, N_TOKENS, 11);
    buf_init(&text, (size_t)1 << 20);
    for (int i = 0; i < N_SCHEMAS; i++) {
        json_t *schema = whole_schema(&seed);

        n_texts += try_schema(schema, &v, &seed, &text);
        json_decref(schema);
    }
    assert_true(n_texts >= N_SCHEMAS * N_TEXTS / 2);
    buf_done(&text);
    rig_vocab_done(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema__random_texts_are_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
