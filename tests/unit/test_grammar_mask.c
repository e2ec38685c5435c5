/*
 * Masks of tokens: on random walks through grammars each one is what asking for every token's bytes
 * on its own gives, whatever is kept and thrown away on the way.
 */
#include "grammar_rig.h"

#include "grammar/compiled.h"

#define N_TOKENS 3000

static const char *const grammars[] = {
    "root ::= object\n"
    "value ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n"
    "object ::= \"{\" ws (pair (\",\" ws pair)*)? ws \"}\"\n"
    "pair ::= string \":\" ws value\n"
    "array ::= \"[\" ws (value (\",\" ws value)*)? ws \"]\"\n"
    "string ::= \"\\\"\" ([^\"\\\\\\x00-\\x1f] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" [0-9a-f]{4}))* "
    "\"\\\"\"\n"
    "number ::= \"-\"? (\"0\" | [1-9] [0-9]*) (\".\" [0-9]+)? ([eE] [-+]? [0-9]+)?\n"
    "ws ::= [ \\t\\n]*",
    "root ::= \"\\\"\" [^\"\\\\\\x00-\\x1f]{3,400} \"\\\"\"",
    "root ::= \"\\\"\" [^\"]{50,60} \"\\\"\" | [a-z]{100} \"!\"",
    "root ::= ([a-z]+ \" \"?)* (\"[\" .{0,80} \"]\")?",
    "root ::= (\"a\" | \"aa\" | \"ab\"){1,100} | [^a]+ \"b\"",
    "root ::= [\\u00e9\\u20ac\\U0001F600]* \"a\" [^\\u20ac]*",
    "root ::= ([0-9]{0,3} \",\"){60,} \"x\"",
};

/* The number of tokens allowed, having compared all of them; the r-th of them in *chosen. */
static uint32_t compare_masks(struct grammar_matcher *m, const struct rig_vocab *v, uint64_t r,
                              uint32_t *chosen)
{
    const uint64_t *mask = grammar_matcher_mask(m);
    uint64_t words[(N_TOKENS + 63) / 64];
    uint32_t n = 0, k = 0;

    assert_non_null(mask);
    memcpy(words, mask, sizeof words);
    for (uint32_t i = 0; i < N_TOKENS; i++) {
        bool allowed = grammar_matcher_allows(m, i);

        if (allowed != (words[i / 64] >> i % 64 & 1))
            fail_msg("token %u '%.*s': allowed %d, but not in the mask", i, (int)v->tokens[i].n,
                     v->tokens[i].bytes, allowed);
        n += allowed;
    }
    assert_int_equal(words[N_TOKENS / 64] >> N_TOKENS % 64, 0);
    for (uint32_t i = 0; i < N_TOKENS && n; i++) {
        if ((words[i / 64] >> i % 64 & 1) && k++ == r % n)
            *chosen = i;
    }
    return n;
}

/* Walks up to n_steps tokens; the matcher `bytes`, which knows no tokens, goes along. */
static void walk(const struct grammar *g, const struct rig_vocab *v, uint64_t *seed, int n_steps)
{
    struct grammar_matcher *m, *bytes;
    struct err err = {0};
    uint32_t token = 0;

    assert_int_equal(grammar_matcher_create(g, v->index, &m, &err), 0);
    assert_int_equal(grammar_matcher_create(g, NULL, &bytes, &err), 0);
    for (int i = 0; i < n_steps; i++) {
        if (!compare_masks(m, v, rig_random(seed), &token)) {
            assert_true(grammar_matcher_must_end(m));
            break;
        }
        assert_int_equal(grammar_matcher_put(m, v->tokens[token].bytes, v->tokens[token].n, &err),
                         0);
        assert_int_equal(
            grammar_matcher_put(bytes, v->tokens[token].bytes, v->tokens[token].n, &err), 0);
        assert_int_equal(grammar_matcher_may_end(m), grammar_matcher_may_end(bytes));
    }
    grammar_matcher_free(m);
    grammar_matcher_free(bytes);
}

static void walk_all(size_t max_bytes, int n_walks)
{
    struct rig_vocab v;
    uint64_t seed = 1;
    struct err err = {0};

    rig_vocab_make(&v, N_TOKENS, 7);
    for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++) {
        struct grammar *g = rig_gbnf(grammars[i]);
        struct places *p;

        assert_int_equal(compiled_places(g, v.index, &p, &err), 0);
        if (max_bytes)
            p->max_bytes = p->limit_bytes = max_bytes;
        for (int k = 0; k < n_walks; k++)
            walk(g, &v, &seed, 25);
        grammar_free(g);
    }
    rig_vocab_done(&v);
}

static void test_mask__is_what_every_token_gives_on_its_own(void **state)
{
    (void)state;
    walk_all(0, 6);
}

/* With hardly any memory places are thrown away in the middle of a walk over the tokens. */
static void test_mask__is_the_same_when_places_are_thrown_away(void **state)
{
    (void)state;
    walk_all(1, 1);
}

/* Asks for every token with a matcher of bytes, which has no masks and no tokens. */
static void test_mask__agrees_with_a_matcher_of_bytes(void **state)
{
    struct rig_vocab v;
    struct grammar *g = rig_gbnf(grammars[0]);
    struct grammar_matcher *m, *bytes;
    const uint64_t *mask;
    struct err err = {0};

    (void)state;
    rig_vocab_make(&v, N_TOKENS, 3);
    assert_int_equal(grammar_matcher_create(g, v.index, &m, &err), 0);
    assert_int_equal(grammar_matcher_put(m, "{\"a\xe2", 4, &err), 0);
    mask = grammar_matcher_mask(m);
    assert_non_null(mask);
    for (uint32_t i = 0; i < N_TOKENS; i++) {
        bool allowed;

        assert_int_equal(grammar_matcher_create(g, NULL, &bytes, &err), 0);
        assert_int_equal(grammar_matcher_put(bytes, "{\"a\xe2", 4, &err), 0);
        allowed = v.tokens[i].bytes && v.tokens[i].n &&
                  grammar_matcher_put(bytes, v.tokens[i].bytes, v.tokens[i].n, &err) == 0;
        assert_int_equal(allowed, mask[i / 64] >> i % 64 & 1);
        grammar_matcher_free(bytes);
    }
    grammar_matcher_free(m);
    grammar_free(g);
    rig_vocab_done(&v);
}

/* Two matchers share a grammar's masks; one's mask lives while the other moves on and all is thrown
 * away. */
static void test_mask__lives_until_the_next_call(void **state)
{
    struct rig_vocab v;
    struct grammar *g = rig_gbnf(grammars[0]);
    struct grammar_matcher *m, *other;
    struct places *p;
    const uint64_t *mask;
    uint64_t copy[(N_TOKENS + 63) / 64];
    struct err err = {0};

    (void)state;
    rig_vocab_make(&v, N_TOKENS, 7);
    assert_int_equal(compiled_places(g, v.index, &p, &err), 0);
    assert_int_equal(grammar_matcher_create(g, v.index, &m, &err), 0);
    assert_int_equal(grammar_matcher_create(g, v.index, &other, &err), 0);
    mask = grammar_matcher_mask(m);
    assert_ptr_equal(mask, grammar_matcher_mask(other));
    memcpy(copy, mask, sizeof copy);
    p->max_bytes = p->limit_bytes = 1;
    assert_int_equal(grammar_matcher_put(other, "{\"a\": [1, 2", 11, &err), 0);
    assert_non_null(grammar_matcher_mask(other));
    assert_memory_equal(mask, copy, sizeof copy);
    assert_int_equal(grammar_matcher_put(m, "{", 1, &err), 0);
    grammar_matcher_free(m);
    grammar_matcher_free(other);
    rig_vocab_done(&v);
    grammar_free(g);
}

/* Places stay within what they may use, however long the walk is. */
static void test_places__stay_in_their_memory(void **state)
{
    struct rig_vocab v;
    struct grammar *g = rig_gbnf("root ::= ([a-z]{0,4000} \"[\" root? \"]\")");
    struct grammar_matcher *m;
    struct places *p;
    struct err err = {0};
    uint64_t seed = 5;

    (void)state;
    rig_vocab_make(&v, N_TOKENS, 7);
    assert_int_equal(compiled_places(g, v.index, &p, &err), 0);
    p->max_bytes = p->limit_bytes = (size_t)1 << 20;
    assert_int_equal(grammar_matcher_create(g, v.index, &m, &err), 0);
    for (int i = 0; i < 1500; i++) {
        assert_int_equal(grammar_matcher_put(m, "abc[", rig_below(&seed, 4) ? 3 : 4, &err), 0);
        if (i % 20 == 0)
            assert_non_null(grammar_matcher_mask(m));
        assert_true(places_bytes(p) < (size_t)3 << 20);
    }
    grammar_matcher_free(m);
    grammar_free(g);
    rig_vocab_done(&v);
}

#define N_THREADS 4
#define N_STEPS   60

struct walker {
    const struct grammar *g;
    const struct rig_vocab *v;
    pthread_t thread;
    uint64_t sum; /* of all masks on the way */
    bool good;
};

/* A walk whose choices depend on the masks alone, so that all walkers go the same way. */
static void *walk_alone(void *arg)
{
    struct walker *w = arg;
    struct grammar_matcher *m;
    struct err err;

    if (grammar_matcher_create(w->g, w->v->index, &m, &err))
        return NULL;
    w->good = true;
    for (int step = 0; step < N_STEPS && w->good && !grammar_matcher_must_end(m); step++) {
        const uint64_t *mask = grammar_matcher_mask(m);
        uint32_t token = (uint32_t)(step * 131) % N_TOKENS;

        w->good = mask != NULL;
        for (uint32_t i = 0; mask && i < (N_TOKENS + 63) / 64; i++)
            w->sum = (w->sum ^ mask[i]) * 0x9E3779B97F4A7C15u;
        for (uint32_t i = 0; mask && i < N_TOKENS && !(mask[token / 64] >> token % 64 & 1); i++)
            token = (token + 1) % N_TOKENS;
        if (w->good)
            w->good =
                grammar_matcher_allows(m, token) &&
                !grammar_matcher_put(m, w->v->tokens[token].bytes, w->v->tokens[token].n, &err);
    }
    grammar_matcher_free(m);
    return NULL;
}

/* Threads that share a grammar and its vocabulary, with hardly any memory, all see the same masks.
 */
static void test_mask__is_shared_by_threads(void **state)
{
    struct rig_vocab v;
    struct grammar *g = rig_gbnf(grammars[0]);
    struct walker walkers[N_THREADS];
    struct places *p;
    struct err err = {0};

    (void)state;
    rig_vocab_make(&v, N_TOKENS, 7);
    assert_int_equal(compiled_places(g, v.index, &p, &err), 0);
    p->max_bytes = p->limit_bytes = 1;
    for (int i = 0; i < N_THREADS; i++) {
        walkers[i] = (struct walker){.g = g, .v = &v};
        assert_int_equal(pthread_create(&walkers[i].thread, NULL, walk_alone, &walkers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(walkers[i].thread, NULL);
    for (int i = 0; i < N_THREADS; i++) {
        assert_true(walkers[i].good);
        assert_int_equal(walkers[i].sum, walkers[0].sum);
    }
    grammar_free(g);
    rig_vocab_done(&v);
}

/* Puts a text n times, or as often as it goes; then the mask must be empty, though nothing ended.
 */
static void walk_into(const char *gbnf, const char *text, int n, enum err_code code,
                      const char *reason)
{
    struct grammar *g = rig_gbnf(gbnf);
    struct grammar_matcher *m;
    struct rig_vocab v;
    const uint64_t *mask;
    struct err err = {0};
    uint64_t any = 0;

    rig_vocab_make(&v, N_TOKENS, 7);
    assert_int_equal(grammar_matcher_create(g, v.index, &m, &err), 0);
    while (n-- && grammar_matcher_put(m, text, strlen(text), &err) == 0)
        ;
    mask = grammar_matcher_mask(m);
    for (uint32_t i = 0; mask && i < (N_TOKENS + 63) / 64; i++)
        any |= mask[i];
    assert_int_equal(any, 0);
    assert_false(grammar_matcher_may_end(m));
    assert_int_equal(grammar_matcher_why(m, &err), code);
    if (!strstr(err.text, reason))
        fail_msg("'%s' does not say '%s'", err.text, reason);
    grammar_matcher_free(m);
    grammar_free(g);
    rig_vocab_done(&v);
}

/* Inside the last brackets that may be, both ways on need one rule more. */
static void test_why__names_the_limit_of_depth(void **state)
{
    (void)state;
    walk_into("root ::= \"a\" (root \"b\" | \"c\" deep \"e\")\ndeep ::= \"d\"", "a", -1, ERR_LIMIT,
              "deeper than 1024 rules");
}

/* Runs of one letter whose ends nothing shows: each letter opens more ways to have got there. */
static void test_why__names_the_limit_of_alternatives(void **state)
{
    (void)state;
    walk_into("root ::= (((((\"a\"{1,9}){1,9}){1,9}){1,9}){1,9}){16} \"b\"", "a", -1, ERR_LIMIT,
              "more than 4096 alternatives");
}

/* A long token of the grammar that no token of the model begins with, as in a vocabulary without
 * bytes. */
static void test_why__names_a_vocabulary_without_the_token(void **state)
{
    struct grammar_token token = {"a", 1};
    struct grammar *g = rig_gbnf("root ::= \"ab\"");
    struct grammar_matcher *m;
    struct grammar_vocab *v;
    struct err err = {0};

    (void)state;
    assert_int_equal(grammar_vocab_create(&token, 1, &v, &err), 0);
    assert_int_equal(grammar_matcher_create(g, v, &m, &err), 0);
    assert_int_equal(grammar_matcher_mask(m)[0], 1);
    assert_int_equal(grammar_matcher_put(m, "a", 1, &err), 0);
    assert_int_equal(grammar_matcher_mask(m)[0], 0);
    assert_int_equal(grammar_matcher_why(m, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "vocabulary has no token"));
    grammar_matcher_free(m);
    grammar_free(g);
    grammar_vocab_free(v);
}

/* An index takes 16 bytes and more for each byte of a token. A file of 79 MB with 20,000 tokens of
 * 4096 bytes took 1.4 GB with the first schema that was asked for, behind the back of every plan.
 */
static void test_vocab__has_limits(void **state)
{
    static char bytes[65536];
    struct grammar_token token = {bytes, sizeof bytes}, many[129];
    struct grammar_vocab *v;
    struct err err = {0};

    (void)state;
    assert_int_equal(grammar_vocab_create(&token, 1, &v, &err), ERR_LIMIT);
    assert_string_equal(err.text, "token 0 has 65536 bytes; the most is 65535");
    for (size_t i = 0; i < 129; i++)
        many[i] = (struct grammar_token){bytes, 65535};
    assert_int_equal(grammar_vocab_create(many, 129, &v, &err), ERR_LIMIT);
    assert_string_equal(err.text,
                        "the vocabulary's tokens have 8454015 bytes together; the most for "
                        "answers that must have a form is 8388608");
    assert_int_equal(grammar_vocab_create(&token, 0, &v, &err), 0);
    grammar_vocab_free(v);
    grammar_vocab_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mask__is_what_every_token_gives_on_its_own),
        cmocka_unit_test(test_mask__is_the_same_when_places_are_thrown_away),
        cmocka_unit_test(test_mask__agrees_with_a_matcher_of_bytes),
        cmocka_unit_test(test_mask__lives_until_the_next_call),
        cmocka_unit_test(test_places__stay_in_their_memory),
        cmocka_unit_test(test_mask__is_shared_by_threads),
        cmocka_unit_test(test_why__names_the_limit_of_depth),
        cmocka_unit_test(test_why__names_the_limit_of_alternatives),
        cmocka_unit_test(test_why__names_a_vocabulary_without_the_token),
        cmocka_unit_test(test_vocab__has_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
