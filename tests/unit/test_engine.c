/*
 * test_engine.c - decoding: against an independent forward pass (reference.h), and bit for bit
 * against itself under every kernel set, number of threads, chunking and batch.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "random_model.h"
#include "reference.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define VOCAB    RANDOM_MODEL_VOCAB

/* ---- allocations ------------------------------------------------------------------------- */

/* The linker sends the engine's calls of malloc and its siblings here. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static _Thread_local unsigned long n_allocations;

void *__wrap_malloc(size_t n)
{
    n_allocations++;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    n_allocations++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    n_allocations++;
    return __real_realloc(p, n);
}

/* ---- models ------------------------------------------------------------------------------ */

static const enum tensor_type all_f32[] = {TYPE_F32};
static const enum tensor_type halves[] = {TYPE_F16, TYPE_BF16, TYPE_F32};
static const enum tensor_type simple[] = {TYPE_Q4_0, TYPE_Q4_1, TYPE_Q5_0,  TYPE_F16,
                                          TYPE_Q5_1, TYPE_Q8_0, TYPE_IQ4_NL};
static const enum tensor_type all_types[] = {
    TYPE_Q6_K, TYPE_Q4_K,   TYPE_Q5_K, TYPE_Q2_K, TYPE_Q3_K, TYPE_Q8_0, TYPE_IQ4_XS, TYPE_Q4_0,
    TYPE_F16,  TYPE_IQ4_NL, TYPE_Q4_1, TYPE_Q5_0, TYPE_Q5_1, TYPE_BF16, TYPE_F32};

/* Three heads of 14, of which 10 turn; nothing divides by 16 or 32. */
static const struct random_model odd_model = {.arch = "llama",
                                              .n_layers = 3,
                                              .n_embd = 44,
                                              .n_heads = 3,
                                              .n_kv_heads = 3,
                                              .head_dim = 14,
                                              .n_ff = 70,
                                              .n_ctx = 160,
                                              .n_rot = 10,
                                              .types = all_f32,
                                              .n_types = COUNT(all_f32),
                                              .divisors = true,
                                              .seed = 11};
static const struct random_model half_model = {.arch = "qwen2",
                                               .n_layers = 2,
                                               .n_embd = 60,
                                               .n_heads = 10,
                                               .n_kv_heads = 2,
                                               .head_dim = 6,
                                               .n_ff = 100,
                                               .n_ctx = 160,
                                               .types = halves,
                                               .n_types = COUNT(halves),
                                               .vector_type = TYPE_F16,
                                               .tied = true,
                                               .biases = true,
                                               .scaling = "linear",
                                               .factor = 2.0f,
                                               .seed = 12};
static const struct random_model simple_model = {.arch = "qwen2",
                                                 .n_layers = 2,
                                                 .n_embd = 96,
                                                 .n_heads = 3,
                                                 .n_kv_heads = 1,
                                                 .head_dim = 32,
                                                 .n_ff = 160,
                                                 .n_ctx = 160,
                                                 .types = simple,
                                                 .n_types = COUNT(simple),
                                                 .biases = true,
                                                 .seed = 13};
static const struct random_model k_model = {.arch = "llama",
                                            .n_layers = 2,
                                            .n_embd = 256,
                                            .n_heads = 8,
                                            .n_kv_heads = 2,
                                            .head_dim = 32,
                                            .n_ff = 256,
                                            .n_ctx = 160,
                                            .types = all_types,
                                            .n_types = COUNT(all_types),
                                            .tied = true,
                                            .seed = 14};

static const struct random_model *const models[] = {&odd_model, &half_model, &simple_model,
                                                    &k_model};

struct fixture {
    struct engine_model *m;
    struct engine *e;
};

static void open_with(struct fixture *f, const struct random_model *d,
                      const struct engine_params *p)
{
    struct err err = {0};

    if (random_model_open(d, &f->m, &err) || engine_create(f->m, p, &f->e, &err))
        fail_msg("%s", err.text);
}

static void open_plain(struct fixture *f, const struct random_model *d)
{
    open_with(f, d, &(struct engine_params){.n_slots = 4, .n_batch = 160, .n_threads = 2});
}

static void close_fixture(struct fixture *f)
{
    engine_free(f->e);
    engine_model_close(f->m);
}

#define N_TEXT 75 /* over two pages of KV and a bit */

static void random_text(int32_t ids[N_TEXT], uint64_t seed)
{
    for (int i = 0; i < N_TEXT; i++)
        ids[i] = (int32_t)(random_u32(&seed) % VOCAB);
}

static int open_seq(struct engine *e)
{
    int seq = engine_seq_open(e, NULL);

    assert_true(seq >= 0);
    return seq;
}

/* Puts ids behind `seq` in chunks of at most `chunk`; every row's logits go to out (n, VOCAB). */
static void decode(struct engine *e, int seq, const int32_t *ids, size_t n, size_t chunk,
                   float *out)
{
    struct engine_row rows[N_TEXT];
    struct err err = {0};

    for (size_t begin = 0; begin < n; begin += chunk) {
        size_t len = n - begin < chunk ? n - begin : chunk;

        for (size_t i = 0; i < len; i++)
            rows[i] = (struct engine_row){.token = ids[begin + i], .seq = seq, .want_logits = true};
        if (engine_decode(e, rows, (uint32_t)len, &err))
            fail_msg("%s", err.text);
        for (size_t i = 0; i < len; i++)
            memcpy(out + (begin + i) * VOCAB, engine_logits(e, (uint32_t)i), VOCAB * sizeof(float));
    }
}

/* What everything is held against: the reference kernels, one thread, one chunk, alone. */
static void plain_logits(const struct random_model *d, const int32_t *ids, size_t n, float *out)
{
    struct engine_params p = {.n_slots = 1, .n_batch = N_TEXT, .n_threads = 1, .kernels = "ref"};
    struct fixture f;

    open_with(&f, d, &p);
    decode(f.e, open_seq(f.e), ids, n, n, out);
    close_fixture(&f);
}

static float text_logits[N_TEXT * VOCAB], other_logits[N_TEXT * VOCAB];
static double true_logits[N_TEXT * VOCAB];

/* ---- against the independent pass -------------------------------------------------------- */

/* Differences from the reference, measured against the spread of the logits themselves. */
struct distance {
    double largest, mean_square;
};

static struct distance reference_distance(const struct random_model *d, size_t n)
{
    struct distance far = {0, 0};
    double square = 0;
    int32_t ids[N_TEXT];

    random_text(ids, d->seed);
    plain_logits(d, ids, n, text_logits);
    reference_logits(d, ids, n, true_logits);
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

/* 24 bits here and 53 there, and a half float that rounds to the other side now and then. */
static void test_engine__float_models_match_the_reference(void **state)
{
    (void)state;
    assert_true(reference_distance(&odd_model, N_TEXT).largest < 1e-3);
    assert_true(reference_distance(&half_model, N_TEXT).largest < 1e-3);
}

/*
 * Once an 8-bit level has rounded to the other side, the levels after it differ here and there, and
 * the distance is that of two roundings: half a percent in the mean, several in the worst of
 * thousands.
 */
static void test_engine__quantised_models_match_the_reference(void **state)
{
    static const struct random_model *const quantised[] = {&simple_model, &k_model};

    (void)state;
    for (size_t i = 0; i < COUNT(quantised); i++) {
        struct distance far = reference_distance(quantised[i], N_TEXT);

        if (far.mean_square > 0.01 * 0.01 || far.largest > 0.15)
            fail_msg("model %zu: mean %g, largest %g", i, sqrt(far.mean_square), far.largest);
    }
}

/* The first two tokens through one layer: too few values for a level to round differently. */
static void test_engine__each_type_alone_matches_the_reference(void **state)
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

static void assert_same_bits(const float *a, const float *b, size_t n_rows)
{
    assert_memory_equal(a, b, n_rows * VOCAB * sizeof *a);
}

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
    open_with(&f, d, &p);
    for (size_t i = 0; i < n_chunks; i++) {
        int seq = open_seq(f.e);

        memset(other_logits, 0, sizeof other_logits);
        decode(f.e, seq, ids, N_TEXT, chunks[i], other_logits);
        assert_same_bits(text_logits, other_logits, N_TEXT);
        engine_seq_close(f.e, seq);
    }
    close_fixture(&f);
}

static void test_engine__bits_do_not_depend_on_kernels_threads_or_chunks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i++) {
        int32_t ids[N_TEXT];

        random_text(ids, models[i]->seed);
        plain_logits(models[i], ids, N_TEXT, text_logits);
        for (const char *const *k = engine_kernel_sets(); *k; k++)
            for (unsigned n_threads = 1; n_threads <= 4; n_threads++)
                check_chunks(models[i], *k, n_threads, n_threads == 2 ? 5 : 1);
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

    open_plain(&f, d);
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
    close_fixture(&f);
}

static void test_engine__bits_do_not_depend_on_what_shares_the_batch(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i++)
        check_mixed_batches(models[i]);
}

static void test_engine__bits_do_not_depend_on_whose_logits_are_asked_for(void **state)
{
    struct engine_row rows[N_TEXT];
    int32_t ids[N_TEXT];
    struct fixture f;

    (void)state;
    random_text(ids, 5);
    plain_logits(&k_model, ids, N_TEXT, text_logits);
    open_plain(&f, &k_model);
    for (int i = 0, seq = open_seq(f.e); i < N_TEXT; i++)
        rows[i] = (struct engine_row){ids[i], seq, i % 5 == 3};
    assert_int_equal(engine_decode(f.e, rows, N_TEXT, NULL), 0);
    for (uint32_t i = 0; i < N_TEXT; i++)
        if (i % 5 == 3)
            assert_same_bits(text_logits + i * VOCAB, engine_logits(f.e, i), 1);
    close_fixture(&f);
}

/* The parent decodes all; the child begins at `shared` and goes on with a text of its own. */
static void check_fork(const struct random_model *d, uint32_t shared)
{
    int32_t ids[N_TEXT], branch[N_TEXT];
    struct fixture f;
    int parent, child;

    random_text(ids, 21);
    random_text(branch, 22);
    memcpy(branch, ids, shared * sizeof *ids);
    open_plain(&f, d);
    parent = open_seq(f.e);
    decode(f.e, parent, ids, 60, 60, other_logits);
    child = engine_seq_fork(f.e, parent, shared, NULL);
    assert_true(child >= 0 && child != parent);
    assert_int_equal(engine_seq_len(f.e, child), shared);
    decode(f.e, child, branch + shared, N_TEXT - shared, 4, other_logits + shared * VOCAB);
    plain_logits(d, branch, N_TEXT, text_logits);
    assert_same_bits(text_logits, other_logits, shared); /* the parent's, so far */
    assert_same_bits(text_logits + shared * VOCAB, other_logits + shared * VOCAB, N_TEXT - shared);
    /* and the parent has not noticed */
    decode(f.e, parent, ids + 60, N_TEXT - 60, 5, other_logits + 60 * VOCAB);
    plain_logits(d, ids, N_TEXT, text_logits);
    assert_same_bits(text_logits + 60 * VOCAB, other_logits + 60 * VOCAB, N_TEXT - 60);
    close_fixture(&f);
}

static void test_engine__a_fork_is_as_good_as_decoding_the_beginning_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i++) {
        check_fork(models[i], 32);
        check_fork(models[i], 41);
    }
}

/* A shared page must be copied before a truncated sequence writes into it. */
static void test_engine__truncating_into_a_shared_page_leaves_the_other_alone(void **state)
{
    int32_t ids[N_TEXT], branch[N_TEXT];
    struct fixture f;
    int parent, child;

    (void)state;
    random_text(ids, 31);
    random_text(branch, 32);
    memcpy(branch, ids, 40 * sizeof *ids);
    open_plain(&f, &simple_model);
    parent = open_seq(f.e);
    decode(f.e, parent, ids, 64, 64, other_logits);
    child = engine_seq_fork(f.e, parent, 64, NULL);
    assert_true(child >= 0);
    engine_seq_truncate(f.e, child, 40);
    decode(f.e, child, branch + 40, N_TEXT - 40, 35, other_logits);
    plain_logits(&simple_model, branch, N_TEXT, text_logits);
    assert_same_bits(text_logits + 40 * VOCAB, other_logits, N_TEXT - 40);
    decode(f.e, parent, ids + 64, N_TEXT - 64, 1, other_logits);
    plain_logits(&simple_model, ids, N_TEXT, text_logits);
    assert_same_bits(text_logits + 64 * VOCAB, other_logits, N_TEXT - 64);
    close_fixture(&f);
}

static void test_engine__truncated_and_decoded_again_gives_the_same_bits(void **state)
{
    int32_t ids[N_TEXT], wrong[N_TEXT];
    struct fixture f;
    int seq;

    (void)state;
    random_text(ids, 41);
    random_text(wrong, 42);
    plain_logits(&half_model, ids, N_TEXT, text_logits);
    open_plain(&f, &half_model);
    seq = open_seq(f.e);
    decode(f.e, seq, ids, 37, 37, other_logits);
    decode(f.e, seq, wrong, 38, 38, other_logits + 37 * VOCAB);
    engine_seq_truncate(f.e, seq, 37);
    assert_int_equal(engine_seq_len(f.e, seq), 37);
    decode(f.e, seq, ids + 37, N_TEXT - 37, 19, other_logits + 37 * VOCAB);
    assert_same_bits(text_logits, other_logits, N_TEXT);
    close_fixture(&f);
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void check_refused(struct engine *e, const struct engine_row *rows, uint32_t n,
                          enum err_code code, const char *words)
{
    struct err err = {0};

    assert_int_equal(engine_decode(e, rows, n, &err), code);
    if (!strstr(err.text, words))
        fail_msg("'%s' lacks '%s'", err.text, words);
}

static void test_engine__refuses_bad_batches_and_changes_nothing(void **state)
{
    struct engine_row rows[161];
    struct fixture f;
    int a, b;

    (void)state;
    open_plain(&f, &odd_model);
    a = open_seq(f.e);
    b = open_seq(f.e);
    rows[0] = rows[2] = (struct engine_row){5, a, true};
    rows[1] = (struct engine_row){5, b, true};
    check_refused(f.e, rows, 0, ERR_INVALID, "0 rows");
    check_refused(f.e, rows, 161, ERR_INVALID, "161 rows; 1 to 160");
    check_refused(f.e, rows, 3, ERR_INVALID, "do not follow each other");
    rows[1].token = VOCAB;
    check_refused(f.e, rows, 2, ERR_INVALID, "is 288, but the vocabulary has 288");
    rows[1].token = -1;
    check_refused(f.e, rows, 2, ERR_INVALID, "is -1");
    rows[1] = (struct engine_row){5, 3, true};
    check_refused(f.e, rows, 2, ERR_INVALID, "sequence 3, which is not open");
    rows[1].seq = -1;
    check_refused(f.e, rows, 2, ERR_INVALID, "sequence -1");
    rows[1].seq = 4;
    check_refused(f.e, rows, 2, ERR_INVALID, "sequence 4");
    assert_int_equal(engine_seq_len(f.e, a), 0);
    assert_int_equal(engine_seq_len(f.e, b), 0);
    close_fixture(&f);
}

static void test_engine__a_full_context_is_refused_and_the_rest_stays_right(void **state)
{
    struct engine_params p = {.n_slots = 2, .n_ctx = 40, .n_batch = 64, .n_threads = 1};
    struct engine_row rows[42];
    int32_t ids[N_TEXT];
    struct fixture f;
    int seq, other;

    (void)state;
    random_text(ids, 51);
    plain_logits(&odd_model, ids, 40, text_logits);
    open_with(&f, &odd_model, &p);
    other = open_seq(f.e);
    seq = open_seq(f.e);
    decode(f.e, seq, ids, 39, 39, other_logits);
    rows[0] = (struct engine_row){7, other, true};
    rows[1] = rows[2] = (struct engine_row){ids[39], seq, true};
    check_refused(f.e, rows, 3, ERR_LIMIT, "holds 39 tokens and would pass its context of 40");
    assert_int_equal(engine_seq_len(f.e, seq), 39);
    assert_int_equal(engine_seq_len(f.e, other), 0);
    decode(f.e, seq, ids + 39, 1, 1, other_logits + 39 * VOCAB);
    assert_same_bits(text_logits, other_logits, 40);
    check_refused(f.e, rows + 1, 1, ERR_LIMIT, "holds 40 tokens and would pass its context of 40");
    close_fixture(&f);
}

static void test_engine__sequences_run_out_and_come_back(void **state)
{
    struct err err = {0};
    struct fixture f;

    (void)state;
    open_plain(&f, &odd_model);
    for (int i = 0; i < 4; i++)
        assert_int_equal(engine_seq_open(f.e, &err), i);
    assert_int_equal(engine_seq_open(f.e, &err), ERR_BUSY);
    assert_non_null(strstr(err.text, "all 4 sequences"));
    assert_int_equal(engine_seq_fork(f.e, 0, 0, &err), ERR_BUSY);
    engine_seq_close(f.e, 2);
    assert_int_equal(engine_seq_fork(f.e, 2, 0, &err), ERR_INVALID);
    assert_int_equal(engine_seq_fork(f.e, 0, 1, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "1 tokens of sequence 0 were asked for, but it has 0"));
    assert_int_equal(engine_seq_fork(f.e, 0, 0, &err), 2);
    close_fixture(&f);
}

static void check_params(struct engine_model *m, struct engine_params p, enum err_code code,
                         const char *words)
{
    struct engine *e;
    struct err err = {0};

    assert_int_equal(engine_create(m, &p, &e, &err), code);
    if (!strstr(err.text, words))
        fail_msg("'%s' lacks '%s'", err.text, words);
}

static void test_engine__refuses_bad_parameters(void **state)
{
    struct engine_model *m;

    (void)state;
    assert_int_equal(random_model_open(&odd_model, &m, NULL), 0);
    check_params(m, (struct engine_params){.n_slots = 0}, ERR_INVALID, "0 sequences");
    check_params(m, (struct engine_params){.n_slots = 257}, ERR_INVALID, "257 sequences");
    check_params(m, (struct engine_params){.n_slots = 1, .n_ctx = 161}, ERR_INVALID,
                 "161 tokens was asked for, but the model was made for 160");
    check_params(m, (struct engine_params){.n_slots = 1, .n_batch = 1u << 30}, ERR_INVALID,
                 "1073741824");
    check_params(m, (struct engine_params){.n_slots = 1, .n_threads = 100000}, ERR_INVALID,
                 "100000");
    check_params(m, (struct engine_params){.n_slots = 1, .kernels = "abacus"}, ERR_UNSUPPORTED,
                 "'abacus' is not available here; there are:");
    engine_model_close(m);
}

/* ---- stopping, counting, allocating ------------------------------------------------------ */

static void test_engine__a_stop_asked_for_before_ends_the_next_batch_only(void **state)
{
    int32_t ids[N_TEXT];
    struct engine_row row = {.token = 9, .seq = 0, .want_logits = true};
    struct fixture f;
    uint64_t steps;
    int seq;

    (void)state;
    random_text(ids, 61);
    plain_logits(&simple_model, ids, N_TEXT, text_logits);
    open_plain(&f, &simple_model);
    seq = open_seq(f.e);
    decode(f.e, seq, ids, 32, 32, other_logits);
    steps = engine_steps(f.e);
    assert_int_equal(steps, simple_model.n_layers);
    engine_stop(f.e);
    check_refused(f.e, &row, 1, ERR_CANCELLED, "stopped");
    assert_int_equal(engine_seq_len(f.e, seq), 32);
    assert_int_equal(engine_steps(f.e), steps);
    decode(f.e, seq, ids + 32, N_TEXT - 32, 43, other_logits + 32 * VOCAB);
    assert_same_bits(text_logits, other_logits, N_TEXT);
    close_fixture(&f);
}

struct stopping {
    struct engine *e;
    uint64_t steps; /* before the batch */
};

/* Stops the engine once it is seen at work. */
static void *stop_soon(void *arg)
{
    struct stopping *s = arg;

    while (engine_steps(s->e) == s->steps)
        ;
    engine_stop(s->e);
    return NULL;
}

static void test_engine__a_stop_from_another_thread_ends_a_running_batch(void **state)
{
    struct random_model d = k_model;
    struct engine_params p = {.n_slots = 1, .n_batch = 160, .n_threads = 2, .kernels = "ref"};
    struct engine_row rows[160];
    struct fixture f;
    int rc, seq;

    (void)state;
    d.n_layers = 24;
    open_with(&f, &d, &p);
    seq = open_seq(f.e);
    for (int i = 0; i < 160; i++)
        rows[i] = (struct engine_row){i, seq, false};
    for (int tries = 0; tries < 20; tries++) { /* the other thread may come too late */
        struct stopping s = {f.e, engine_steps(f.e)};
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, stop_soon, &s), 0);
        rc = engine_decode(f.e, rows, 160, NULL);
        pthread_join(thread, NULL);
        if (rc == ERR_CANCELLED)
            break;
        engine_seq_truncate(f.e, seq, 0);
        engine_decode(f.e, rows, 1, NULL); /* takes the stop that came too late */
        engine_seq_truncate(f.e, seq, 0);
    }
    assert_int_equal(rc, ERR_CANCELLED);
    assert_int_equal(engine_seq_len(f.e, seq), 0);
    close_fixture(&f);
}

static void test_engine__decoding_allocates_nothing(void **state)
{
    int32_t ids[N_TEXT];
    struct fixture f;
    unsigned long before;

    (void)state;
    random_text(ids, 71);
    open_plain(&f, &k_model);
    assert_true(n_allocations > 0); /* opening did, so the count is alive */
    before = n_allocations;
    decode(f.e, open_seq(f.e), ids, N_TEXT, 7, other_logits);
    assert_int_equal(n_allocations, before);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine__float_models_match_the_reference),
        cmocka_unit_test(test_engine__quantised_models_match_the_reference),
        cmocka_unit_test(test_engine__each_type_alone_matches_the_reference),
        cmocka_unit_test(test_engine__bits_do_not_depend_on_kernels_threads_or_chunks),
        cmocka_unit_test(test_engine__bits_do_not_depend_on_what_shares_the_batch),
        cmocka_unit_test(test_engine__bits_do_not_depend_on_whose_logits_are_asked_for),
        cmocka_unit_test(test_engine__a_fork_is_as_good_as_decoding_the_beginning_again),
        cmocka_unit_test(test_engine__truncating_into_a_shared_page_leaves_the_other_alone),
        cmocka_unit_test(test_engine__truncated_and_decoded_again_gives_the_same_bits),
        cmocka_unit_test(test_engine__refuses_bad_batches_and_changes_nothing),
        cmocka_unit_test(test_engine__a_full_context_is_refused_and_the_rest_stays_right),
        cmocka_unit_test(test_engine__sequences_run_out_and_come_back),
        cmocka_unit_test(test_engine__refuses_bad_parameters),
        cmocka_unit_test(test_engine__a_stop_asked_for_before_ends_the_next_batch_only),
        cmocka_unit_test(test_engine__a_stop_from_another_thread_ends_a_running_batch),
        cmocka_unit_test(test_engine__decoding_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
