/*
 * test_draw.c - the draw against the plain way of sampler_reference.c, in all bits: the token, how
 * many candidates were kept, and what they weigh. And the sort that it rests on.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/model/draw.h"
#include "engine/model/rank.h"
#include "engine/model/sampler.h"
#include "sampler_reference.h"

#define MOST 50000

/* What both ways are tried on. */
static float logits[MOST];
static uint64_t mask[MOST / 64 + 1];
static struct reference_candidate room[MOST];
static struct rng dice;

static uint32_t roll(uint32_t n)
{
    return (uint32_t)(rng_next(&dice) % n);
}

/* ---- logits of several kinds ---------------------------------------------------------------- */

static float bell(void)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += rng_unit(&dice);
    return (float)sum;
}

static float any_float(void)
{
    uint32_t bits = (uint32_t)rng_next(&dice);
    float f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

enum kind { BELL, PEAKS, TIES, EQUAL, RISING, FALLING, WILD, HOLES, N_KINDS };

static float make_logit(enum kind kind, uint32_t i)
{
    switch (kind) {
    case BELL:
        return 2.5f * bell();
    case PEAKS:
        return roll(500) ? 2.0f * bell() : 10 + 5 * bell();
    case TIES:
        return (float)roll(7) - 3; /* zeros of both signs among them */
    case EQUAL:
        return 1.5f;
    case RISING:
        return (float)i * 1e-3f;
    case FALLING:
        return (float)i * -1e-3f;
    case WILD:
        return any_float();
    default:
        return roll(3) ? bell() : roll(4) ? -INFINITY : roll(40) ? NAN : -0.0f;
    }
}

static void make_logits(enum kind kind, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        logits[i] = make_logit(kind, i);
}

/* Full, empty and mixed words, and one token at least. */
static void make_mask(uint32_t n)
{
    for (uint32_t i = 0; i <= n / 64; i++) {
        uint32_t what = roll(4);

        mask[i] = what == 0 ? UINT64_MAX : what == 1 ? 0 : rng_next(&dice) & rng_next(&dice);
    }
    mask[n / 2 / 64] |= UINT64_C(1) << n / 2 % 64;
}

/* ---- one way against the other -------------------------------------------------------------- */

static struct engine_sampling make_how(uint32_t n)
{
    static const float temperatures[] = {0.8f, 1.0f, 2.0f, 0.3f, 1e-30f};
    static const float top_ps[] = {1.0f, 0.95f, 0.5f, 0.9999f, 0.999f, 0.0f, 0.25f};
    static const float min_ps[] = {0.0f, 0.0f, 0.05f, 1e-6f, 1.0f};
    const uint32_t top_ks[] = {0, 40, DRAW_FEW, DRAW_FEW + 1, n - 1, n / 2, 1 + roll(n)};

    return (struct engine_sampling){
        .temperature = temperatures[roll(5)],
        .top_p = top_ps[roll(7)],
        .min_p = min_ps[roll(5)],
        .top_k = roll(2) ? 0 : top_ks[roll(7)],
        .seed = rng_next(&dice),
    };
}

static void check_same(const struct engine_sampling *how, uint32_t n, const uint64_t *m, int kind)
{
    struct draw ours, plain;
    struct err err = {0};

    if (draw_init(&ours, n, how, &err))
        fail_msg("%s", err.text);
    plain = ours;
    for (int i = 0; i < 4; i++) {
        struct drawn a = draw_next(&ours, logits, m);
        struct drawn b = reference_draw(&plain, room, logits, m);

        if (a.id != b.id || a.n != b.n || memcmp(&a.sum, &b.sum, sizeof a.sum) != 0)
            fail_msg("kind %d, %u tokens, temperature %g, top_p %g, min_p %g, top_k %u, seed %llu: "
                     "token %d of %u of %a, not %d of %u of %a",
                     kind, n, (double)how->temperature, (double)how->top_p, (double)how->min_p,
                     how->top_k, (unsigned long long)how->seed, a.id, a.n, a.sum, b.id, b.n, b.sum);
    }
    draw_done(&ours);
}

static void check_rounds(uint32_t n, int rounds)
{
    for (int i = 0; i < rounds; i++)
        for (int kind = 0; kind < N_KINDS; kind++) {
            struct engine_sampling how = make_how(n);

            make_logits((enum kind)kind, n);
            make_mask(n);
            check_same(&how, n, roll(3) ? NULL : mask, kind);
        }
}

static void test_draw__small_vocabularies_as_in_the_plain_way(void **state)
{
    (void)state;
    rng_seed(&dice, 1);
    for (uint32_t n = 1; n <= 70; n++)
        check_rounds(n, 6);
}

static void test_draw__vocabularies_about_as_large_as_few_as_in_the_plain_way(void **state)
{
    (void)state;
    rng_seed(&dice, 2);
    for (uint32_t n = DRAW_FEW - 1; n <= DRAW_FEW + 2; n++)
        check_rounds(n, 12);
}

static void test_draw__large_vocabularies_as_in_the_plain_way(void **state)
{
    (void)state;
    rng_seed(&dice, 3);
    check_rounds(3000, 30);
    check_rounds(20000, 4);
    check_rounds(MOST, 2);
}

/* Where enough is just what some tokens weigh, a bound cannot tell whether one more is kept. */
static void test_draw__where_the_sum_is_just_enough_as_in_the_plain_way(void **state)
{
    struct engine_sampling how = {.temperature = 1.0f, .top_p = 0.5f};

    (void)state;
    for (uint32_t n = 2000; n < 2010; n++) {
        make_logits(EQUAL, n);
        for (how.top_k = 0; how.top_k <= n; how.top_k += 1500)
            check_same(&how, n, NULL, EQUAL);
    }
}

/* top_p as near as a float can be to what some of the best weigh. */
static void test_draw__at_the_edge_of_the_nucleus_as_in_the_plain_way(void **state)
{
    const uint32_t n = 5000;
    struct engine_sampling how = {.temperature = 1.0f};
    struct draw all;

    (void)state;
    rng_seed(&dice, 4);
    for (int i = 0; i < 100; i++) {
        double total, sum;

        make_logits(i % 2 ? BELL : PEAKS, n);
        how.top_p = 1.0f;
        assert_int_equal(draw_init(&all, n, &how, NULL), 0);
        total = reference_draw(&all, room, logits, NULL).sum;
        draw_done(&all);
        how.top_p = (float)rng_unit(&dice);
        assert_int_equal(draw_init(&all, n, &how, NULL), 0);
        sum = reference_draw(&all, room, logits, NULL).sum;
        draw_done(&all);
        how.top_p = (float)(sum / total);
        check_same(&how, n, NULL, BELL);
        how.top_p = nextafterf(how.top_p, 0.0f);
        check_same(&how, n, NULL, BELL);
    }
}

/* ---- with all that changes logits ----------------------------------------------------------- */

#define N_BIAS 3
#define WINDOW 5

/* What the sampler draws from behind n tokens; see engine.h. */
static void change_logits(const struct engine_sampling *how, const int32_t *before, int n,
                          uint32_t n_vocab, float *out)
{
    memcpy(out, logits, n_vocab * sizeof *out);
    for (int i = n > WINDOW ? n - WINDOW : 0; i < n; i++) {
        float l = logits[before[i]], p = how->repetition_penalty;

        out[before[i]] = l > 0.0f ? l / p : l * p;
    }
    for (int i = 0; i < n; i++) {
        float count = 0;
        bool again = false;

        for (int k = 0; k < n; k++) {
            count += before[k] == before[i];
            again = again || (k < i && before[k] == before[i]);
        }
        if (!again)
            out[before[i]] -= count * how->frequency_penalty + how->presence_penalty;
    }
    for (uint32_t i = 0; i < how->n_bias; i++)
        out[how->bias[i].id] += how->bias[i].bias;
}

static void check_answer(const struct engine_sampling *how, uint32_t n)
{
    static float changed[MOST];
    int32_t before[60];
    struct engine_sampler *s;
    struct draw plain;

    assert_int_equal(sampler_create(n, how, &s, NULL), 0);
    assert_int_equal(draw_init(&plain, n, how, NULL), 0);
    for (int i = 0; i < 60; i++) {
        const uint64_t *m = i % 3 ? NULL : mask;
        int32_t id;

        change_logits(how, before, i, n, changed);
        id = reference_draw(&plain, room, changed, m).id;
        before[i] = engine_sampler_next_masked(s, logits, m);
        assert_int_equal(before[i], id);
    }
    draw_done(&plain);
    engine_sampler_free(s);
}

static void test_draw__penalties_and_biases_as_in_the_plain_way(void **state)
{
    static const uint32_t sizes[] = {50, 1500, 9000};

    (void)state;
    rng_seed(&dice, 6);
    for (int round = 0; round < 18; round++) {
        uint32_t n = sizes[round % 3];
        struct engine_sampling how = make_how(n);
        struct engine_bias bias[N_BIAS] = {{0, 3.5f}, {(int32_t)n - 1, -2.0f}, {(int32_t)n / 2, 8}};

        how.repetition_penalty = 1.3f;
        how.repeat_last_n = WINDOW;
        how.frequency_penalty = 0.4f;
        how.presence_penalty = round % 2 ? 0.7f : -0.2f;
        how.bias = bias;
        how.n_bias = N_BIAS;
        how.masked = true;
        make_logits(round % 2 ? PEAKS : BELL, n);
        make_mask(n);
        check_answer(&how, n);
    }
}

/* ---- ranks ---------------------------------------------------------------------------------- */

static void test_rank__orders_by_logit_and_then_by_id(void **state)
{
    const float rising[] = {-INFINITY, -3e38f, -1.0f, -1e-45f, 0.0f, 1e-45f, 1.0f, INFINITY};

    (void)state;
    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++) {
        uint64_t r = rank_of(rising[i], 5);

        assert_true(rank_logit(r) == rising[i]);
        assert_int_equal(rank_id(r), 5);
        assert_true(r < rank_of(rising[i], 4));
        assert_true(i == 0 || r > rank_of(rising[i - 1], 0));
    }
    assert_true(rank_of(-0.0f, 3) == rank_of(0.0f, 3));
    assert_true(rank_of(NAN, 3) == rank_of(-INFINITY, 3));
    assert_int_equal(rank_id(rank_of(1, INT32_MAX)), INT32_MAX);
}

static int falling(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

static void check_sort(const uint64_t *from, uint64_t *r, const uint64_t *sorted, uint32_t n)
{
    struct rank_sorter s;

    memcpy(r, from, n * sizeof *r);
    rank_sort_begin(&s, r, n);
    for (uint32_t upto = 0; upto < n;) {
        upto += 1 + roll(n - upto);
        rank_sort_more(&s, upto);
        assert_in_range(s.done, upto, n);
        assert_memory_equal(r, sorted, s.done * sizeof *r);
    }
}

static void check_select(const uint64_t *from, uint64_t *r, const uint64_t *sorted, uint32_t n)
{
    uint32_t k = 1 + roll(n);

    memcpy(r, from, n * sizeof *r);
    rank_select(r, n, k);
    qsort(r, k, sizeof *r, falling);
    qsort(r + k, n - k, sizeof *r, falling);
    assert_memory_equal(r, sorted, n * sizeof *r);
}

static void test_rank__sorts_and_selects_as_qsort(void **state)
{
    static uint64_t from[4000], sorted[4000], r[4000];

    (void)state;
    rng_seed(&dice, 5);
    for (int round = 0; round < 160; round++) {
        uint32_t n = 1 + roll(round % 2 ? 100 : 4000);

        make_logits((enum kind)(round % N_KINDS), n);
        for (uint32_t i = 0; i < n; i++)
            sorted[i] = from[i] = rank_of(logits[i], (int32_t)i);
        qsort(sorted, n, sizeof *sorted, falling);
        for (int i = 0; i < 3; i++) {
            check_sort(from, r, sorted, n);
            check_select(from, r, sorted, n);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draw__small_vocabularies_as_in_the_plain_way),
        cmocka_unit_test(test_draw__vocabularies_about_as_large_as_few_as_in_the_plain_way),
        cmocka_unit_test(test_draw__large_vocabularies_as_in_the_plain_way),
        cmocka_unit_test(test_draw__where_the_sum_is_just_enough_as_in_the_plain_way),
        cmocka_unit_test(test_draw__at_the_edge_of_the_nucleus_as_in_the_plain_way),
        cmocka_unit_test(test_draw__penalties_and_biases_as_in_the_plain_way),
        cmocka_unit_test(test_rank__orders_by_logit_and_then_by_id),
        cmocka_unit_test(test_rank__sorts_and_selects_as_qsort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
