/*
 * test_grammar_work.c - grammars and schemas made to take long. Some loop looked at each of many
 * things for each of many others, and a request of some ten kilobytes kept a worker's only reader
 * of requests busy for minutes or days. Each of these would run past the tests' time limit if it
 * came back.
 */
#include <jansson.h>

#include "grammar_rig.h"
#include "grammar/chars.h"
#include "grammar/compiled.h"

#define ASKED_EVERY 65536 /* steps, about */

/* Counts how often it is asked, which is once in so many steps; says yes at a given time. */
struct asked {
    unsigned n, yes_at;
};

static bool is_asked(void *arg)
{
    struct asked *a = arg;

    return ++a->n == a->yes_at;
}

/* The steps that reading takes, about; what becomes of it in *rc. */
static uint64_t read_schema(json_t *schema, struct grammar **g, struct err *err, int *rc)
{
    struct asked asked = {0};
    struct grammar_stop stop = {is_asked, &asked};

    assert_non_null(schema);
    *rc = grammar_from_schema(schema, &stop, g, err);
    json_decref(schema);
    return (uint64_t)asked.n * ASKED_EVERY;
}

static void check_schema(json_t *schema, int code, const char *beginning)
{
    struct grammar *g = NULL;
    struct err err = {0};
    int rc;

    read_schema(schema, &g, &err, &rc);
    if (rc != code || !str_starts(err.text, beginning))
        fail_msg("gave %d: %s", rc, err.text);
    grammar_free(g);
}

static void check_gbnf(const char *text, int code, const char *beginning)
{
    struct grammar *g = NULL;
    struct err err = {0};

    if (grammar_from_gbnf(text, strlen(text), NULL, &g, &err) != code ||
        !str_starts(err.text, beginning))
        fail_msg("gave %d: %s", (int)err.code, err.text);
    grammar_free(g);
}

/* Texts of a letter and a number, from 0 on. */
static json_t *numbered(char letter, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_sprintf("%c%zu", letter, i));
    return list;
}

/* Properties of such names, of which nothing is said. */
static json_t *properties(char letter, size_t n)
{
    json_t *all = json_object(), *names = numbered(letter, n), *name;
    size_t i;

    json_array_foreach(names, i, name)
        json_object_set_new(all, json_string_value(name), json_true());
    json_decref(names);
    return all;
}

/* A text, n times another, and a third; free(). */
static char *repeated(const char *before, const char *piece, size_t n, const char *behind)
{
    struct buf b;

    buf_init(&b, (size_t)2 << 20);
    buf_puts(&b, before);
    for (size_t i = 0; i < n; i++)
        buf_puts(&b, piece);
    buf_puts(&b, behind);
    return buf_take(&b);
}

/* ---- asking for an end ---- */

/* A client that leaves, or whose time is over, must not wait for its grammar to be read. */
static void test_work__ends_when_it_is_asked_to(void **state)
{
    char *text = repeated("root ::= \"a\"", "|x", 200000, "\nx ::= \"b\"\n");
    struct asked asked = {.yes_at = 2};
    struct grammar_stop stop = {is_asked, &asked};
    struct grammar *g = NULL;
    struct err err = {0};

    (void)state;
    assert_int_equal(grammar_from_gbnf(text, strlen(text), &stop, &g, &err), ERR_CANCELLED);
    assert_string_equal(err.text, "the reading of the grammar was given up");
    assert_null(g);
    assert_int_equal(asked.n, 2);
    free(text);
}

/* ---- schemas ---- */

/* Whether a name is required was asked for each property, by looking through all names that are,
 * for each two branches: 75 KB that would have taken days. */
static void test_work__of_branches_that_share_a_large_schema(void **state)
{
    json_t *branches = json_array();

    (void)state;
    for (size_t i = 0; i < 256; i++) {
        json_t *name = json_sprintf("k%zu", i);

        json_array_append_new(branches, json_pack("{s:{s:b}, s:[o], s:[{s:s}]}", "properties",
                                                  json_string_value(name), true, "required", name,
                                                  "allOf", "$ref", "#/$defs/g"));
    }
    check_schema(json_pack("{s:o, s:{s:{s:o, s:o}}}", "oneOf", branches, "$defs", "g", "properties",
                           properties('a', 3000), "required", numbered('b', 3000)),
                 ERR_LIMIT, "the grammar has more than 65536 rules");
}

/* Each value was compared with each: 20,000 in two branches took 17 seconds, and 100,000 in one
 * list, which has no branches at all, minutes. These are honest schemas, and cost a few steps a
 * value. */
static void test_work__of_long_lists_of_values(void **state)
{
    struct grammar *g = NULL;
    struct err err = {0};
    json_t *both;
    uint64_t steps;
    int rc;

    (void)state;
    both = json_pack("[{s:o}, {s:o}]", "enum", numbered('a', 20000), "enum", numbered('b', 20000));
    steps = read_schema(json_pack("{s:O}", "oneOf", both), &g, &err, &rc);
    assert_int_equal(rc, 0);
    assert_true(steps < 4u << 20);
    assert_int_equal(rig_match(g, "\"a19999\""), 1);
    assert_int_equal(rig_match(g, "\"b0\""), 1);
    assert_int_equal(rig_match(g, "\"b20000\""), -1);
    grammar_free(g);
    json_array_append_new(json_object_get(json_array_get(both, 1), "enum"), json_string("a7"));
    check_schema(json_pack("{s:o}", "oneOf", both), ERR_UNSUPPORTED,
                 "the schema at #/oneOf: branches 0 and 1 of this oneOf may both hold");
    steps = read_schema(json_pack("{s:o}", "enum", numbered('a', 100000)), &g, &err, &rc);
    assert_int_equal(rc, 0);
    assert_true(steps < 8u << 20);
    grammar_free(g);
}

/* What is equal in another way of writing is not apart. */
static void test_work__of_values_that_are_equal(void **state)
{
    static const struct {
        const char *x, *y;
        bool apart;
    } cases[] = {
        {"[1, 2]", "[2.0]", false},
        {"[0.0]", "[-0.0]", false},
        {"[[0.0]]", "[[-0.0]]", false},
        {"[[1]]", "[[1.0]]", false},
        {"[{\"a\": 1, \"b\": [null]}]", "[3, {\"b\": [null], \"a\": 1}]", false},
        {"[{\"a\": 1, \"b\": 2}]", "[{\"a\": 2, \"b\": 1}]", true},
        {"[\"1\", null, true]", "[1, false, \"null\"]", true},
        {"[\"1\", null, true]", "[1, false, null]", false},
        {"[[], {}, \"\"]", "[0, null, false]", true},
        {"[[]]", "[{}, []]", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *x = json_loads(cases[i].x, 0, NULL), *y = json_loads(cases[i].y, 0, NULL);
        json_t *one = json_pack("{s:{s:o}}", "a", "enum", x);
        json_t *other = json_pack("{s:{s:o}}", "a", "enum", y);

        check_schema(json_pack("{s:[{s:O, s:[s]}, {s:O, s:[s]}]}", "oneOf", "properties", one,
                               "required", "a", "properties", other, "required", "a"),
                     cases[i].apart ? 0 : ERR_UNSUPPORTED,
                     cases[i].apart ? "" : "the schema at #/oneOf: branches 0 and 1");
        check_schema(json_pack("{s:[o, o]}", "oneOf", json_incref(json_object_get(one, "a")),
                               json_incref(json_object_get(other, "a"))),
                     cases[i].apart ? 0 : ERR_UNSUPPORTED,
                     cases[i].apart ? "" : "the schema at #/oneOf: branches 0 and 1");
        json_decref(one);
        json_decref(other);
    }
}

/* What a schema says was checked anew for each of the branches beside it. */
static void test_work__of_branches_beside_a_large_schema(void **state)
{
    json_t *branches = json_array();
    struct grammar *g = NULL;
    struct err err = {0};
    uint64_t steps;
    int rc;

    (void)state;
    for (int i = 0; i < 10000; i++)
        json_array_append_new(branches, json_pack("{s:s, s:i}", "type", "string", "minLength", i));
    steps =
        read_schema(json_pack("{s:o, s:o}", "properties", properties('a', 5000), "anyOf", branches),
                    &g, &err, &rc);
    assert_int_equal(rc, 0);
    assert_true(steps < 4u << 20);
    grammar_free(g);
}

/* The length of what is left of a pattern was measured for each of its characters. */
static void test_work__of_a_long_pattern(void **state)
{
    char *text = repeated("^", "[ab]", 100000, "$");
    struct grammar *g = NULL;
    struct err err = {0};
    uint64_t steps;
    int rc;

    (void)state;
    steps = read_schema(json_pack("{s:s}", "pattern", text), &g, &err, &rc);
    assert_int_equal(rc, 0);
    assert_true(steps < 8u << 20);
    grammar_free(g);
    free(text);
}

/* ---- GBNF ---- */

/* Behind each call the whole way was walked on which nothing is left to do. */
static void test_work__of_calls_before_a_long_way(void **state)
{
    char *calls = repeated("root ::= (x", "|x", 60000, ")");
    char *text = repeated(calls, "\"\"{1}", 25000, "\nx ::= \"a\"\n");

    (void)state;
    check_gbnf(text, 0, "");
    free(calls);
    free(text);
}

/* To name a rule on a circle as many steps were gone as there are rules, through all that its first
 * rule may begin with. */
static void test_work__of_a_rule_that_begins_with_itself(void **state)
{
    char *begin = repeated("root ::= root", "|b", 40000, "\nb ::= \"a\"\n");
    struct buf b;

    (void)state;
    buf_init(&b, (size_t)2 << 20);
    buf_puts(&b, begin);
    for (unsigned i = 0; i < 20000; i++)
        buf_printf(&b, "r%u::=b\n", i);
    check_gbnf(buf_str(&b), ERR_INVALID, "grammar line 1: rule 'root' begins with itself");
    buf_done(&b);
    free(begin);
}

/* How large a repetition's part is was found out anew for each repetition around it. */
static void test_work__of_repetitions_of_repetitions(void **state)
{
    struct buf b;
    struct grammar *g;

    (void)state;
    buf_init(&b, (size_t)2 << 20);
    for (unsigned i = 0; i < 250; i++)
        buf_puts(&b, i ? "(" : "root ::= (");
    buf_puts(&b, "\"a\"");
    for (unsigned i = 0; i < 250; i++)
        buf_puts(&b, "?{1}){1}");
    g = rig_gbnf(buf_str(&b));
    assert_int_equal(rig_match(g, "a"), 1);
    grammar_free(g);
    buf_done(&b);
}

/* Ranges were not counted: one pattern of 20 KB beside many branches became 800 MB of them. */
static void test_work__of_a_class_of_many_ranges_used_often(void **state)
{
    json_t *branches = json_array();
    struct buf b;

    (void)state;
    buf_init(&b, (size_t)2 << 20);
    buf_puts(&b, "^[");
    for (uint32_t c = 0; c < 10000; c++)
        buf_printf(&b, "\\u{%x}", 0x10000 + 2 * c);
    buf_puts(&b, "]$");
    for (size_t i = 0; i < 10000; i++)
        json_array_append_new(branches, json_pack("{s:i}", "minLength", 1));
    check_schema(json_pack("{s:s, s:o}", "pattern", buf_str(&b), "anyOf", branches), ERR_LIMIT,
                 "the grammar's ");
    buf_done(&b);
}

struct deep {
    char *text;
    int rc;
};

static void *read_deep(void *arg)
{
    struct deep *d = arg;
    struct grammar *g = NULL;

    d->rc = grammar_from_gbnf(d->text, strlen(d->text), NULL, &g, NULL);
    grammar_free(g);
    return NULL;
}

/* 256 repetitions might stand behind each of 256 brackets: what walks them went 65,000 deep, and a
 * thread with a stack of 2 MiB, as `ulimit -s unlimited` makes them, died of 66 KB. */
static void test_work__of_what_nests_in_a_small_stack(void **state)
{
    char *many = repeated("", "?", 255, "");
    struct {
        const char *behind;
        int code;
    } cases[] = {{many, ERR_LIMIT}, {"?", 0}, {"{2}{3}", 0}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *opening = repeated("root ::= ", "(", 255, "\"a\"");
        char *closing = repeated(")", cases[i].behind, 1, "");
        struct deep d = {.text = repeated(opening, closing, 255, "\n")};
        pthread_attr_t attr;
        pthread_t thread;

        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, (size_t)2 << 20);
        assert_int_equal(pthread_create(&thread, &attr, read_deep, &d), 0);
        pthread_join(thread, NULL);
        assert_int_equal(d.rc, cases[i].code);
        pthread_attr_destroy(&attr);
        free(d.text);
        free(opening);
        free(closing);
    }
    free(many);
}

/* ---- masks ---- */

/* The places of a grammar behind its first mask: what was looked at, and what they take. */
struct cost {
    uint64_t work;
    size_t bytes;
};

/* The first mask, which there is not when `why` is given: its error. */
static struct cost first_mask(const struct grammar *g, const char *why)
{
    struct rig_vocab v;
    struct grammar_matcher *m;
    struct places *p;
    struct cost cost;
    struct err err = {0};

    rig_vocab_make(&v, 2000, 1);
    assert_int_equal(grammar_matcher_create(g, v.index, &m, &err), 0);
    assert_int_equal(compiled_places(g, v.index, &p, &err), 0);
    assert_int_equal(grammar_matcher_mask(m) != NULL, !why);
    if (why) {
        assert_int_equal(grammar_matcher_why(m, &err), ERR_LIMIT);
        assert_non_null(strstr(err.text, why));
    }
    cost = (struct cost){p->work, places_bytes(p)};
    grammar_matcher_free(m);
    rig_vocab_done(&v);
    return cost;
}

/* [...] with every other character from U+10000 on. */
static void put_class(struct buf *b, const char *beginning, uint32_t n)
{
    char c[UTF8_MAX_BYTES];

    buf_puts(b, beginning);
    for (uint32_t i = 0; i < n; i++)
        buf_put(b, c, utf8_encode(0x10000 + 2 * i, c));
    buf_puts(b, "]\n");
}

static struct grammar *alternatives(const char *one, size_t n, const char *rules, uint32_t n_class)
{
    char *text = repeated("root ::= \"x\"", one, n, rules);
    struct grammar *g;
    struct buf b;

    buf_init(&b, (size_t)2 << 20);
    buf_puts(&b, text);
    put_class(&b, "c ::= [a-z ", n_class);
    g = rig_gbnf(buf_str(&b));
    buf_done(&b);
    free(text);
    return g;
}

/*
 * A class had an edge for each of its ranges, all for the same first byte, so that one byte led
 * each of many alternatives to thousands of frames, and nobody counted: 83 KB of text stopped the
 * engine, and all answers with it, for 41 s, and took 490 MB.
 */
static void test_work__of_a_mask_of_many_classes(void **state)
{
    struct grammar *g = alternatives("|c\"a\"", 500, "\n", 20000);
    struct cost cost = first_mask(g, NULL);

    (void)state;
    assert_true(cost.work < GRAMMAR_MAX_WORK / 4);
    assert_true(cost.bytes < (size_t)8 << 20);
    grammar_free(g);
}

/* Edges did not count, so that the limit of a mask's work was none where they are what costs. */
static void test_work__of_a_mask_that_is_too_much(void **state)
{
    struct grammar *g =
        alternatives("|d\"0\"", 4000, "\nd ::= c c c c c c c c c c c c c c c c\n", 8000);
    struct cost cost = first_mask(g, "to know which tokens may come next takes more than 16777216");

    (void)state;
    assert_true(cost.work < GRAMMAR_MAX_WORK + PLACES_MAX_EDGES + 64ull * PLACES_MAX_SEEN);
    assert_true(cost.bytes < 2 * PLACES_MAX_BYTES);
    grammar_free(g);
}

/*
 * That limit was the end of the answer: what it had found out stayed, so the same request was
 * refused twice, and answered when it came for the third time. Now whoever is held up by a mask
 * asks again, until it is there.
 */
static void test_work__of_a_mask_in_several_goes(void **state)
{
    struct grammar *g =
        alternatives("|d\"0\"", 4000, "\nd ::= c c c c c c c c c c c c c c c c\n", 8000);
    struct rig_vocab v;
    struct grammar_matcher *m;
    struct err err = {0};
    const uint64_t *mask;
    uint32_t n_goes = 1;

    (void)state;
    rig_vocab_make(&v, 2000, 1);
    assert_int_equal(grammar_matcher_create(g, v.index, &m, &err), 0);
    for (; !(mask = grammar_matcher_mask(m)); n_goes++)
        assert_true(grammar_matcher_goes_on(m));
    assert_false(grammar_matcher_goes_on(m));
    assert_true(n_goes > 1);
    for (uint32_t i = 0; i < v.n; i++) {
        bool in = mask[i / 64] >> i % 64 & 1;

        assert_int_equal(in, grammar_matcher_allows(m, i));
    }
    grammar_matcher_free(m);
    rig_vocab_done(&v);
    grammar_free(g);
}

/* What leads where was looked for past the limit: for each of many bytes, to find characters that
 * lead back. */
static void test_work__of_looking_for_loops(void **state)
{
    struct buf b;
    struct grammar *g;
    struct cost cost;

    (void)state;
    buf_init(&b, (size_t)2 << 20);
    buf_puts(&b, "root ::= (");
    for (unsigned i = 0; i < 4000; i++)
        buf_printf(&b, "%s[^\\u%04x]*", i ? "|" : "", 0x100 + 3 * i);
    buf_puts(&b, ") \".\"\n");
    g = rig_gbnf(buf_str(&b));
    cost = first_mask(g, "to know which tokens may come next takes more than 16777216 steps");
    assert_true(cost.work < GRAMMAR_MAX_WORK + PLACES_MAX_EDGES + 64ull * PLACES_MAX_SEEN);
    grammar_free(g);
    buf_done(&b);
}

/* Frames that wait to be looked at were not counted: 8 million from 4000 calls with 2000 empty
 * ways. */
static void test_work__of_empty_ways(void **state)
{
    char *ways = repeated("y ::= ((\"\"", "|z", 2000, "))\nz ::= \"a\"|\"b\"\n");
    char *text = repeated("root ::= \"q\" (y", "|y \"c\"", 4000, ")\n");
    struct grammar *g;
    struct grammar_matcher *m;
    struct places *p;
    struct err err = {0};
    struct buf b;

    (void)state;
    buf_init(&b, (size_t)2 << 20);
    buf_printf(&b, "%s%s", text, ways);
    g = rig_gbnf(buf_str(&b));
    assert_int_equal(grammar_matcher_create(g, NULL, &m, &err), 0);
    assert_int_equal(grammar_matcher_put(m, "q", 1, &err), ERR_LIMIT);
    assert_int_equal(compiled_places(g, NULL, &p, &err), 0);
    assert_true(places_bytes(p) < (size_t)32 << 20);
    grammar_matcher_free(m);
    grammar_free(g);
    buf_done(&b);
    free(text);
    free(ways);
}

/* A class as a tree of bytes holds the same characters: those at the ends of its ranges are in it,
 * their neighbours are not. */
static void test_work__of_classes_as_trees(void **state)
{
    uint64_t seed = 5;
    struct buf b;

    (void)state;
    for (int round = 0; round < 20; round++) {
        uint32_t at = rig_below(&seed, 0x80), n = 0, ends[2 * 300],
                 span = 1u << rig_below(&seed, 14);
        struct grammar *g;

        buf_init(&b, (size_t)1 << 20);
        buf_puts(&b, "root ::= [");
        for (at += 1; n < 600 && at < UTF8_MAX_CHAR - 4 * span; at++) {
            ends[n++] = at += 1 + rig_below(&seed, span);
            ends[n++] = at += rig_below(&seed, span);
            buf_printf(&b, "\\U%08x-\\U%08x", utf8_is_char(ends[n - 2]) ? ends[n - 2] : 0xE000,
                       utf8_is_char(at) ? at : 0xE000);
        }
        buf_puts(&b, "]\n");
        g = rig_gbnf(buf_str(&b));
        for (uint32_t i = 0; i < n; i++) {
            char in[UTF8_MAX_BYTES], out[UTF8_MAX_BYTES];
            uint32_t beside = i % 2 ? ends[i] + 1 : ends[i] - 1;

            if (!utf8_is_char(ends[i]) || !utf8_is_char(beside) || beside == 0xE000)
                continue;
            assert_int_equal(rig_match_bytes(g, in, utf8_encode(ends[i], in)), 1);
            assert_int_equal(rig_match_bytes(g, out, utf8_encode(beside, out)), -1);
        }
        grammar_free(g);
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work__ends_when_it_is_asked_to),
        cmocka_unit_test(test_work__of_branches_that_share_a_large_schema),
        cmocka_unit_test(test_work__of_long_lists_of_values),
        cmocka_unit_test(test_work__of_values_that_are_equal),
        cmocka_unit_test(test_work__of_branches_beside_a_large_schema),
        cmocka_unit_test(test_work__of_a_long_pattern),
        cmocka_unit_test(test_work__of_a_class_of_many_ranges_used_often),
        cmocka_unit_test(test_work__of_calls_before_a_long_way),
        cmocka_unit_test(test_work__of_a_rule_that_begins_with_itself),
        cmocka_unit_test(test_work__of_repetitions_of_repetitions),
        cmocka_unit_test(test_work__of_what_nests_in_a_small_stack),
        cmocka_unit_test(test_work__of_a_mask_of_many_classes),
        cmocka_unit_test(test_work__of_a_mask_that_is_too_much),
        cmocka_unit_test(test_work__of_a_mask_in_several_goes),
        cmocka_unit_test(test_work__of_looking_for_loops),
        cmocka_unit_test(test_work__of_empty_ways),
        cmocka_unit_test(test_work__of_classes_as_trees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
