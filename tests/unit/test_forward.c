/*
 * test_forward.c - the forward pass: against an independent one (reference.h), and bit for bit
 * against itself under every kernel set, number of threads, chunking and batch.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_fixture.h"
#include "reference.h"

static const enum tensor_type all_types[] = {
    TYPE_Q6_K, TYPE_Q4_K,   TYPE_Q5_K, TYPE_Q2_K, TYPE_Q3_K, TYPE_Q8_0, TYPE_IQ4_XS, TYPE_Q4_0,
    TYPE_F16,  TYPE_IQ4_NL, TYPE_Q4_1, TYPE_Q5_0, TYPE_Q5_1, TYPE_BF16, TYPE_F32};

static float text_logits[N_TEXT * VOCAB], other_logits[N_TEXT * VOCAB];
static double true_logits[N_TEXT * VOCAB];

/* ---- against the independent pass -------------------------------------------------------- */

/* Differences from the reference, measured against the spread of the logits themselves. */
struct distance {
    double largest, mean_square;
};

static struct distance reference_distance_as(const struct random_model *d, enum engine_kv kv_type,
                                             size_t n)
{
    struct engine_params p = {.n_slots = 1, .n_batch = N_TEXT, .n_threads = 1, .kv_type = kv_type};
    struct fixture f;
    struct distance far = {0, 0};
    double square = 0;
    int32_t ids[N_TEXT];

    random_text(ids, d->seed);
    fixture_open(&f, d, &p);
    decode(f.e, open_seq(f.e), ids, n, n, text_logits);
    fixture_close(&f);
    reference_logits(d, kv_type, ids, n, true_logits);
    for (size_t i = 0; i < n * VOCAB; i++) {
        double difference = fabs(text_logits[i] - true_logits[i]);

        square += true_logits[i] * true_logits[i];
        far.mean_square += difference * difference;
        far.largest = fmax(far.largest, difference);
    }
    assert_true(square > 1e-3 * (double)(n * VOCAB));
    far.largest /= sqrt(square / (double)(n * VOCAB));
    far.mean_square /= square;
    return far;
}

static struct distance reference_distance(const struct random_model *d, size_t n)
{
    return reference_distance_as(d, ENGINE_KV_F16, n);
}

/* 24 bits here and 53 there, and a half float that rounds to the other side now and then. */
static void test_forward__float_models_match_the_reference(void **state)
{
    (void)state;
    assert_true(reference_distance(&odd_model, N_TEXT).largest < 1e-3);
    assert_true(reference_distance(&half_model, N_TEXT).largest < 1e-3);
}

/*
 * A llama with biases in its feed-forward (mlp_bias), or with one behind its output, ran without
 * them: whoever asked inspect heard that it was supported, and who asked it anything got words that
 * this model does not say.
 */
static void test_forward__biases_of_feed_forward_and_output_count(void **state)
{
    struct random_model d = odd_model;

    (void)state;
    d.more_biases = true;
    assert_true(reference_distance(&d, N_TEXT).largest < 1e-3);
    d.tied = true; /* the embedding has no bias, the output has */
    assert_true(reference_distance(&d, N_TEXT).largest < 1e-3);
}

/*
 * Once an 8-bit level has rounded to the other side, the levels after it differ here and there, and
 * the distance is that of two roundings: half a percent in the mean, several in the worst of
 * thousands.
 */
static void test_forward__quantised_models_match_the_reference(void **state)
{
    static const struct random_model *const quantised[] = {&simple_model, &k_model};

    (void)state;
    for (size_t i = 0; i < COUNT(quantised); i++) {
        struct distance far = reference_distance(quantised[i], N_TEXT);

        if (far.mean_square > 0.01 * 0.01 || far.largest > 0.15)
            fail_msg("model %zu: mean %g, largest %g", i, sqrt(far.mean_square), far.largest);
    }
}

/*
 * Keys, values and queries of 8 bits: levels on their way through the layers round to the other
 * side here, too, and nothing else is added.
 */
static void test_forward__q8_0_keys_and_values_match_the_reference(void **state)
{
    static const struct random_model *const fitting[] = {&simple_model, &k_model};

    (void)state;
    for (size_t i = 0; i < COUNT(fitting); i++) {
        struct random_model d = *fitting[i];
        struct distance far;

        far = reference_distance_as(&d, ENGINE_KV_Q8_0, N_TEXT);
        if (far.mean_square > 0.01 * 0.01 || far.largest > 0.15)
            fail_msg("model %zu: mean %g, largest %g", i, sqrt(far.mean_square), far.largest);
        d.types = &all_types[COUNT(all_types) - 1]; /* F32: only keys and values are rounded */
        d.n_types = 1;
        d.n_layers = 1;
        far = reference_distance_as(&d, ENGINE_KV_Q8_0, 2);
        if (far.largest > 1e-5)
            fail_msg("model %zu, F32: mean %g, largest %g", i, sqrt(far.mean_square), far.largest);
    }
}

/* The first two tokens through one layer: too few values for a level to round differently. */
static void test_forward__each_type_alone_matches_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(all_types); i++) {
        struct random_model d = k_model;
        struct distance far;

        d.n_layers = 1;
        d.types = &all_types[i];
        d.n_types = 1;
        far = reference_distance(&d, 2);
        if (far.largest > 1e-5)
            fail_msg("type %d: mean %g, largest %g", all_types[i], sqrt(far.mean_square),
                     far.largest);
    }
}

/* ---- bit for bit ------------------------------------------------------------------------- */

#ifdef __SANITIZE_THREAD__ /* it is slow, and one thread races with nobody */
#define LEAST_THREADS 2
#define MOST_THREADS  2
#define MOST_CHUNKS   2
#else
#define LEAST_THREADS 1
#define MOST_THREADS  4
#define MOST_CHUNKS   5
#endif

/* The first n_chunks ways to cut the text. */
static void check_chunks(const struct random_model *d, const char *kernels, unsigned n_threads,
                         size_t n_chunks)
{
    static const size_t chunks[] = {7, N_TEXT, 1, 3, 32};
    struct engine_params p = {
        .n_slots = 2, .n_batch = N_TEXT, .n_threads = n_threads, .kernels = kernels};
    struct fixture f;
    int32_t ids[N_TEXT];

    random_text(ids, d->seed);
    fixture_open(&f, d, &p);
    for (size_t i = 0; i < n_chunks; i++) {
        int seq = open_seq(f.e);

        memset(other_logits, 0, sizeof other_logits);
        decode(f.e, seq, ids, N_TEXT, chunks[i], other_logits);
        assert_same_bits(text_logits, other_logits, N_TEXT);
        engine_seq_close(f.e, seq);
    }
    fixture_close(&f);
}

static void test_forward__bits_do_not_depend_on_kernels_threads_or_chunks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fixture_models); i++) {
        int32_t ids[N_TEXT];

        random_text(ids, fixture_models[i]->seed);
        plain_logits(fixture_models[i], ids, N_TEXT, text_logits);
        for (const char *const *k = fixture_kernel_sets(); *k; k++)
            for (unsigned n = LEAST_THREADS; n <= MOST_THREADS; n++)
                check_chunks(fixture_models[i], *k, n, n == 2 ? MOST_CHUNKS : 1);
    }
}

/* Four sequences with texts of their own; each batch takes a few rows of each, never the same. */
static void check_mixed_batches(const struct random_model *d)
{
    enum { N_SEQS = 4 };
    static float got[N_SEQS][N_TEXT * VOCAB];
    int32_t ids[N_SEQS][N_TEXT];
    size_t done[N_SEQS] = {0}, n_rows;
    struct fixture f;
    uint64_t random = 99;

    fixture_open_plain(&f, d);
    for (int s = 0; s < N_SEQS; s++) {
        random_text(ids[s], (uint64_t)s + 1);
        assert_int_equal(open_seq(f.e), s);
    }
    do {
        struct engine_row rows[N_SEQS * 9];
        size_t from[N_SEQS * 9];

        n_rows = 0;
        for (int s = N_SEQS - 1; s >= 0; s--) {
            size_t take = random_u32(&random) % 9;

            for (; take > 0 && done[s] < N_TEXT; take--) {
                from[n_rows] = done[s];
                rows[n_rows++] = (struct engine_row){ids[s][done[s]++], s, true};
            }
        }
        if (n_rows == 0)
            continue;
        assert_int_equal(engine_decode(f.e, rows, (uint32_t)n_rows, NULL), 0);
        for (size_t i = 0; i < n_rows; i++)
            memcpy(got[rows[i].seq] + from[i] * VOCAB, engine_logits(f.e, (uint32_t)i),
                   VOCAB * sizeof(float));
    } while (n_rows > 0 || done[0] < N_TEXT || done[1] < N_TEXT || done[2] < N_TEXT ||
             done[3] < N_TEXT);
    for (int s = 0; s < N_SEQS; s++) {
        plain_logits(d, ids[s], N_TEXT, text_logits);
        assert_same_bits(text_logits, got[s], N_TEXT);
    }
    fixture_close(&f);
}

static void test_forward__bits_do_not_depend_on_what_shares_the_batch(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fixture_models); i++)
        check_mixed_batches(fixture_models[i]);
}

static void test_forward__bits_do_not_depend_on_whose_logits_are_asked_for(void **state)
{
    struct engine_row rows[N_TEXT];
    int32_t ids[N_TEXT];
    struct fixture f;

    (void)state;
    random_text(ids, 5);
    plain_logits(&k_model, ids, N_TEXT, text_logits);
    fixture_open_plain(&f, &k_model);
    for (int i = 0, seq = open_seq(f.e); i < N_TEXT; i++)
        rows[i] = (struct engine_row){ids[i], seq, i % 5 == 3};
    assert_int_equal(engine_decode(f.e, rows, N_TEXT, NULL), 0);
    for (uint32_t i = 0; i < N_TEXT; i++)
        if (i % 5 == 3)
            assert_same_bits(text_logits + i * VOCAB, engine_logits(f.e, i), 1);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward__float_models_match_the_reference),
        cmocka_unit_test(test_forward__biases_of_feed_forward_and_output_count),
        cmocka_unit_test(test_forward__quantised_models_match_the_reference),
        cmocka_unit_test(test_forward__q8_0_keys_and_values_match_the_reference),
        cmocka_unit_test(test_forward__each_type_alone_matches_the_reference),
        cmocka_unit_test(test_forward__bits_do_not_depend_on_kernels_threads_or_chunks),
        cmocka_unit_test(test_forward__bits_do_not_depend_on_what_shares_the_batch),
        cmocka_unit_test(test_forward__bits_do_not_depend_on_whose_logits_are_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
