/*
 * test_sampler.c - the choice of the next token: each step by itself against what its paper says,
 * and the generator against its authors' published numbers.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/model/rng.h"
#include "engine/model/sampler.h"

#define N_DRAWS 20000

/* Everything off: draws from the plain softmax. */
static struct engine_sampling plain(void)
{
    return (struct engine_sampling){
        .temperature = 1.0f, .top_p = 1.0f, .repetition_penalty = 1.0f, .seed = 7};
}

static struct engine_sampler *create(uint32_t n_vocab, struct engine_sampling how)
{
    struct engine_sampler *s;
    struct err err = {0};

    if (sampler_create(n_vocab, &how, &s, &err))
        fail_msg("%s", err.text);
    return s;
}

static void count_draws(const float *logits, uint32_t n_vocab, struct engine_sampling how,
                        int *counts)
{
    struct engine_sampler *s = create(n_vocab, how);

    memset(counts, 0, n_vocab * sizeof *counts);
    for (int i = 0; i < N_DRAWS; i++) {
        int32_t id = engine_sampler_next(s, logits);

        assert_true(id >= 0 && (uint32_t)id < n_vocab);
        counts[id]++;
    }
    engine_sampler_free(s);
}

/* Six standard deviations of a binomial count around what the probability promises. */
static void assert_share(int count, double p)
{
    double allowed = 6 * sqrt(N_DRAWS * p * (1 - p)) + 1;

    if (fabs(count - N_DRAWS * p) > allowed)
        fail_msg("%d draws of %d where %g are expected", count, N_DRAWS, N_DRAWS * p);
}

/* e^logit: 8 4 2 1 1, so the probabilities are sixteenths */
static const float halving[5] = {2.0794415f, 1.3862944f, 0.6931472f, 0.0f, 0.0f};

static void test_sampler__greedy_takes_the_largest_and_the_lowest_id_among_equals(void **state)
{
    struct engine_sampling how = engine_sampling_default();
    const float logits[] = {-1.0f, 3.0f, 2.0f, 3.0f};
    struct engine_sampler *s;

    (void)state;
    how.temperature = 0.0f;
    s = create(4, how);
    for (int i = 0; i < 5; i++)
        assert_int_equal(engine_sampler_next(s, logits), 1);
    engine_sampler_free(s);
}

static void test_sampler__plain_draws_follow_the_softmax(void **state)
{
    static const double shares[] = {8 / 16.0, 4 / 16.0, 2 / 16.0, 1 / 16.0, 1 / 16.0};
    int counts[5];

    (void)state;
    count_draws(halving, 5, plain(), counts);
    for (int i = 0; i < 5; i++)
        assert_share(counts[i], shares[i]);
}

static void test_sampler__temperature_sharpens_and_flattens(void **state)
{
    struct engine_sampling how = plain();
    int counts[5];

    (void)state;
    how.temperature = 0.5f; /* weights squared: 64 16 4 1 1 */
    count_draws(halving, 5, how, counts);
    assert_share(counts[0], 64 / 86.0);
    assert_share(counts[1], 16 / 86.0);
    how.temperature = 2.0f; /* weights' roots: 2.83 2 1.41 1 1 */
    count_draws(halving, 5, how, counts);
    assert_share(counts[0], 2.8284 / 8.2426);
    assert_share(counts[4], 1.0 / 8.2426);
}

static void test_sampler__top_k_keeps_the_k_best_and_ties_by_id(void **state)
{
    struct engine_sampling how = plain();
    int counts[5];

    (void)state;
    how.top_k = 2;
    count_draws(halving, 5, how, counts);
    assert_share(counts[0], 2 / 3.0);
    assert_share(counts[1], 1 / 3.0);
    assert_int_equal(counts[2] + counts[3] + counts[4], 0);
    how.top_k = 4; /* ids 3 and 4 are equal: 3 stays */
    count_draws(halving, 5, how, counts);
    assert_share(counts[3], 1 / 15.0);
    assert_int_equal(counts[4], 0);
    how.top_k = 1;
    count_draws(halving, 5, how, counts);
    assert_int_equal(counts[0], N_DRAWS);
    how.top_k = 99;
    count_draws(halving, 5, how, counts);
    assert_share(counts[4], 1 / 16.0);
}

static void test_sampler__top_p_keeps_the_smallest_set_that_reaches_p(void **state)
{
    struct engine_sampling how = plain();
    int counts[5];

    (void)state;
    how.top_p = 0.7f; /* 8/16 is not enough, 12/16 is */
    count_draws(halving, 5, how, counts);
    assert_share(counts[0], 2 / 3.0);
    assert_share(counts[1], 1 / 3.0);
    assert_int_equal(counts[2] + counts[3] + counts[4], 0);
    how.top_p = 0.0f; /* never none */
    count_draws(halving, 5, how, counts);
    assert_int_equal(counts[0], N_DRAWS);
    how.top_p = 0.8f; /* of what top_k left, 8/14 + 4/14 = 0.857 */
    how.top_k = 3;
    count_draws(halving, 5, how, counts);
    assert_share(counts[1], 1 / 3.0);
    assert_int_equal(counts[2], 0);
}

static void test_sampler__min_p_drops_what_is_far_below_the_best(void **state)
{
    struct engine_sampling how = plain();
    int counts[5];

    (void)state;
    how.min_p = 0.2f; /* 8 4 2 stay, 1 and 1 are below 8 * 0.2 */
    count_draws(halving, 5, how, counts);
    assert_share(counts[2], 2 / 14.0);
    assert_int_equal(counts[3] + counts[4], 0);
    how.min_p = 1.0f;
    count_draws(halving, 5, how, counts);
    assert_int_equal(counts[0], N_DRAWS);
}

static void test_sampler__penalty_counts_each_token_of_the_window_once(void **state)
{
    struct engine_sampling how = plain();
    const float logits[] = {2.0f, 1.5f, -1.0f, 0.8f};
    struct engine_sampler *s;

    (void)state;
    how.temperature = 0.0f;
    how.repetition_penalty = 2.0f;
    how.repeat_last_n = 3;
    s = create(4, how);
    for (int i = 0; i < 9; i++)
        engine_sampler_accept(s, 0);                     /* 2.0 -> 1.0, not less */
    assert_int_equal(engine_sampler_next(s, logits), 1); /* window 0 0 1 */
    assert_int_equal(engine_sampler_next(s, logits), 0); /* 1.0 0.75 -1 0.8; window 0 1 0 */
    assert_int_equal(engine_sampler_next(s, logits), 0); /* the same; window 1 0 0 */
    assert_int_equal(engine_sampler_next(s, logits), 0); /* the same; window 0 0 0 */
    assert_int_equal(engine_sampler_next(s, logits), 1); /* 1 has left the window */
    engine_sampler_free(s);
}

static void test_sampler__penalty_makes_negative_logits_more_negative(void **state)
{
    struct engine_sampling how = plain();
    const float logits[] = {-1.0f, -1.5f};
    struct engine_sampler *s;

    (void)state;
    how.temperature = 0.0f;
    how.repetition_penalty = 1.6f;
    how.repeat_last_n = 1;
    s = create(2, how);
    assert_int_equal(engine_sampler_next(s, logits), 0);
    assert_int_equal(engine_sampler_next(s, logits), 1); /* -1.6 against -1.5 */
    assert_int_equal(engine_sampler_next(s, logits), 0);
    engine_sampler_free(s);
}

static void test_sampler__survives_nan_and_infinities(void **state)
{
    const float odd[][4] = {{NAN, 1.0f, NAN, 1.0f},
                            {NAN, NAN, NAN, NAN},
                            {-INFINITY, -INFINITY, -INFINITY, -INFINITY},
                            {0.0f, INFINITY, 5.0f, INFINITY},
                            {-INFINITY, 0.0f, NAN, INFINITY},
                            {3e38f, -3e38f, 3e38f, NAN}};
    struct engine_sampling how = engine_sampling_default();
    int counts[4];

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        for (uint32_t k = 0; k < 4; k++) {
            how.top_k = k;
            how.temperature = 1e-30f;
            count_draws(odd[i], 4, how, counts);
            how.temperature = 0.8f;
            count_draws(odd[i], 4, how, counts);
            if (i == 0)
                assert_int_equal(counts[1] + counts[3], N_DRAWS);
            if (i == 3)
                assert_int_equal(counts[1] + counts[3], N_DRAWS);
            if (i == 4)
                assert_int_equal(counts[3], N_DRAWS);
        }
        how.temperature = 0.0f;
        count_draws(odd[i], 4, how, counts);
    }
}

/* The heap's choice against a full sort of the same. */
struct numbered {
    float logit;
    int id;
};

static int by_logit(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;

    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id - y->id;
}

static void test_sampler__top_k_of_a_large_vocabulary_is_the_sorted_one(void **state)
{
    enum { N = 15000, K = 50 };
    static float logits[N];
    static struct numbered sorted[N];
    static int counts[N];
    struct engine_sampling how = plain();
    int kept = 0;

    (void)state;
    srandom(3);
    for (int i = 0; i < N; i++) {
        logits[i] = (float)(random() % 5000) * 1e-3f; /* many ties */
        sorted[i] = (struct numbered){logits[i], i};
    }
    qsort(sorted, N, sizeof sorted[0], by_logit);
    how.top_k = K;
    how.temperature = 2.0f;
    count_draws(logits, N, how, counts);
    for (int i = 0; i < K; i++)
        kept += counts[sorted[i].id];
    assert_int_equal(kept, N_DRAWS);
    assert_true(counts[sorted[K - 1].id] > 0);
}

static void test_sampler__a_seed_fixes_the_row_of_tokens(void **state)
{
    struct engine_sampling how = plain();
    struct engine_sampler *a = create(5, how), *b = create(5, how), *c;
    int differ = 0;

    (void)state;
    how.seed = 8;
    c = create(5, how);
    for (int i = 0; i < 200; i++) {
        int32_t id = engine_sampler_next(a, halving);

        assert_int_equal(id, engine_sampler_next(b, halving));
        differ += id != engine_sampler_next(c, halving);
    }
    assert_true(differ > 50);
    engine_sampler_free(a);
    engine_sampler_free(b);
    engine_sampler_free(c);
}

static void check_refused(struct engine_sampling how, const char *words)
{
    struct engine_sampler *s;
    struct err err = {0};

    assert_int_equal(sampler_create(5, &how, &s, &err), ERR_INVALID);
    if (!strstr(err.text, words))
        fail_msg("'%s' lacks '%s'", err.text, words);
}

static void test_sampler__refuses_what_is_out_of_range(void **state)
{
    struct engine_sampling how = plain();

    (void)state;
    how.temperature = 2.5f;
    check_refused(how, "temperature is 2.5, but must be from 0 to 2");
    how.temperature = NAN;
    check_refused(how, "temperature");
    how = plain();
    how.top_p = -0.1f;
    check_refused(how, "top_p is -0.1");
    how = plain();
    how.min_p = 1.1f;
    check_refused(how, "min_p is 1.1");
    how = plain();
    how.repetition_penalty = 3.0f;
    check_refused(how, "repetition_penalty is 3");
    how = plain();
    how.repeat_last_n = UINT32_MAX;
    check_refused(how, "repeat_last_n is 4294967295");
}

/* The first numbers of the authors' C code for the state 1, 2, 3, 4. */
/* OpenAI's definition: a token that came c > 0 times loses c * frequency + presence. */
static void test_sampler__penalties_on_the_answer(void **state)
{
    const float logits[] = {3.0f, 2.0f, 1.1f};
    static const int32_t by_frequency[] = {0, 0, 1, 2, 0, 1, 2}; /* 3 2 1.1, less 1 each time */
    static const int32_t by_presence[] = {0, 1, 0, 0, 0};        /* once seen, 1.5 less */
    struct engine_sampling how = plain();
    struct engine_sampler *s;

    (void)state;
    how.temperature = 0;
    how.frequency_penalty = 1.0f;
    s = create(3, how);
    engine_sampler_accept(s, 0); /* a prompt's token does not count */
    for (int i = 0; i < 7; i++)
        assert_int_equal(engine_sampler_next(s, logits), by_frequency[i]);
    engine_sampler_free(s);
    how.frequency_penalty = 0;
    how.presence_penalty = 1.5f;
    s = create(3, how);
    for (int i = 0; i < 5; i++)
        assert_int_equal(engine_sampler_next(s, logits), by_presence[i]);
    engine_sampler_free(s);
}

static void test_sampler__bias_is_added(void **state)
{
    const float logits[] = {3.0f, 2.0f, 1.0f, 0.0f};
    struct engine_bias bias[] = {{3, 3.5f}, {0, -100.0f}};
    struct engine_sampling how = plain();
    struct engine_sampler *s;

    (void)state;
    how.temperature = 0;
    how.bias = bias;
    how.n_bias = 2;
    s = create(4, how);
    memset(bias, 0, sizeof bias); /* it has its own */
    assert_int_equal(engine_sampler_next(s, logits), 3);
    engine_sampler_free(s);
    how.bias = &(struct engine_bias){0, -1.5f};
    how.n_bias = 1;
    s = create(4, how);
    assert_int_equal(engine_sampler_next(s, logits), 1);
    engine_sampler_free(s);
}

static void test_sampler__a_mask_leaves_its_own(void **state)
{
    /* e^logit: 8 4 2 1 1; without the first two the others are 1/2, 1/4, 1/4 */
    const float logits[] = {2.0794415f, 1.3862944f, 0.6931472f, 0.0f, 0.0f};
    const uint64_t mask = 1u << 2 | 1u << 3 | 1u << 4;
    struct engine_sampling how = plain();
    struct engine_sampler *s;
    int counts[5] = {0};

    (void)state;
    how.masked = true;
    s = create(5, how);
    for (int i = 0; i < N_DRAWS; i++)
        counts[engine_sampler_next_masked(s, logits, &mask)]++;
    assert_int_equal(counts[0] + counts[1], 0);
    assert_share(counts[2], 0.5);
    assert_share(counts[3], 0.25);
    assert_share(counts[4], 0.25);
    engine_sampler_free(s);
}

/* Also where it is minus infinity, and whatever the other steps keep. */
static void test_sampler__the_only_token_of_a_mask_is_taken(void **state)
{
    const float logits[] = {5.0f, -INFINITY, 1.0f, NAN};
    struct engine_sampling how = engine_sampling_default();

    (void)state;
    how.masked = true;
    for (int greedy = 0; greedy < 2; greedy++) {
        how.temperature = greedy ? 0.0f : 2.0f;
        for (uint32_t k = 0; k < 4; k++) {
            struct engine_sampler *s = create(4, how);
            const uint64_t mask = UINT64_C(1) << k;

            for (int i = 0; i < 50; i++)
                assert_int_equal(engine_sampler_next_masked(s, logits, &mask), k);
            engine_sampler_free(s);
        }
    }
}

static void test_sampler__a_full_mask_changes_nothing(void **state)
{
    struct engine_sampling how = engine_sampling_default();
    float logits[100];
    uint64_t mask[2] = {UINT64_MAX, (UINT64_C(1) << 36) - 1};
    struct engine_sampler *plainly, *masked;

    (void)state;
    for (int i = 0; i < 100; i++)
        logits[i] = (float)((i * 37) % 100) / 20;
    plainly = create(100, how);
    how.masked = true;
    masked = create(100, how);
    for (int i = 0; i < 500; i++)
        assert_int_equal(engine_sampler_next(plainly, logits),
                         engine_sampler_next_masked(masked, logits, mask));
    engine_sampler_free(plainly);
    engine_sampler_free(masked);
}

/* Masks go by 64 tokens at a time: with words full, empty and mixed, and with and without a bias
 * (which goes another way), the greedy token is the best of those that are allowed. */
static void test_sampler__masks_of_any_words_leave_the_best_allowed(void **state)
{
    enum { N = 200 };
    const uint64_t words[] = {0, UINT64_MAX, 0x8000000000000001u, 0x00FF00F0F0F0AAAAu};
    struct engine_bias bias = {.id = 150, .bias = 0.25f};
    float logits[N];

    (void)state;
    for (int i = 0; i < N; i++)
        logits[i] = (float)((i * 89) % N) / 8; /* each its own */
    for (uint32_t k = 0; k < 512; k++) {
        uint64_t mask[4] = {words[k % 4], words[k / 4 % 4], words[k / 16 % 4],
                            words[k / 64 % 4] & 0xFF};
        struct engine_sampling how = engine_sampling_default();
        int32_t best = -1;
        bool biased = k >= 256;
        struct engine_sampler *s;

        for (int32_t i = 0; i < N; i++) {
            float own = logits[i] + (biased && i == 150 ? 0.25f : 0);

            if ((mask[i / 64] >> i % 64 & 1) &&
                (best < 0 || own > logits[best] + (biased && best == 150 ? 0.25f : 0)))
                best = i;
        }
        if (best < 0)
            continue;
        how.temperature = 0;
        how.masked = true;
        how.bias = biased ? &bias : NULL;
        how.n_bias = biased;
        s = create(N, how);
        assert_int_equal(engine_sampler_next_masked(s, logits, mask), best);
        engine_sampler_free(s);
    }
}

static void test_rng__gives_the_published_numbers(void **state)
{
    static const uint64_t expected[] = {11520u,
                                        0u,
                                        1509978240u,
                                        1215971899390074240u,
                                        1216172134540287360u,
                                        607988272756665600u,
                                        16172922978634559625u,
                                        8476171486693032832u,
                                        10595114339597558777u,
                                        2904607092377533576u};
    struct rng r = {{1, 2, 3, 4}};

    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_true(rng_next(&r) == expected[i]);
    rng_seed(&r, 0); /* splitmix64 of 0 */
    assert_true(r.s[0] == 0xe220a8397b1dcdafu);
    for (int i = 0; i < 1000; i++) {
        double u = rng_unit(&r);

        assert_true(u >= 0 && u < 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sampler__greedy_takes_the_largest_and_the_lowest_id_among_equals),
        cmocka_unit_test(test_sampler__plain_draws_follow_the_softmax),
        cmocka_unit_test(test_sampler__temperature_sharpens_and_flattens),
        cmocka_unit_test(test_sampler__top_k_keeps_the_k_best_and_ties_by_id),
        cmocka_unit_test(test_sampler__top_p_keeps_the_smallest_set_that_reaches_p),
        cmocka_unit_test(test_sampler__min_p_drops_what_is_far_below_the_best),
        cmocka_unit_test(test_sampler__penalty_counts_each_token_of_the_window_once),
        cmocka_unit_test(test_sampler__penalty_makes_negative_logits_more_negative),
        cmocka_unit_test(test_sampler__survives_nan_and_infinities),
        cmocka_unit_test(test_sampler__top_k_of_a_large_vocabulary_is_the_sorted_one),
        cmocka_unit_test(test_sampler__penalties_on_the_answer),
        cmocka_unit_test(test_sampler__bias_is_added),
        cmocka_unit_test(test_sampler__a_mask_leaves_its_own),
        cmocka_unit_test(test_sampler__the_only_token_of_a_mask_is_taken),
        cmocka_unit_test(test_sampler__a_full_mask_changes_nothing),
        cmocka_unit_test(test_sampler__masks_of_any_words_leave_the_best_allowed),
        cmocka_unit_test(test_sampler__a_seed_fixes_the_row_of_tokens),
        cmocka_unit_test(test_sampler__refuses_what_is_out_of_range),
        cmocka_unit_test(test_rng__gives_the_published_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
