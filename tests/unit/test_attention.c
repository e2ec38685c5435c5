/*
 * test_attention.c - contexts of several attention blocks: the same bits with every kernel set,
 * number of threads (and so with and without cutting by blocks), chunking, batch and fork.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_fixture.h"

#define N_LONG 540 /* two blocks of 256 positions and a bit */
#define EVERY  23  /* rows whose logits are looked at: each 23rd, and the last */
#define N_SEEN (N_LONG / EVERY + 1)

static int32_t text[N_LONG];
static float seen[N_SEEN * VOCAB];

static float truths[5][N_SEEN * VOCAB]; /* of each model; see find_truths */

/* One KV head for three query heads; two for eight; each its own, and nothing divides. */
static const struct {
    const struct random_model *d;
    enum engine_kv kv_type;
} models[] = {{&simple_model, ENGINE_KV_F16},
              {&k_model, ENGINE_KV_F16},
              {&odd_model, ENGINE_KV_F16},
              {&simple_model, ENGINE_KV_Q8_0},
              {&k_model, ENGINE_KV_Q8_0}};

#ifdef __SANITIZE_THREAD__
#define STEP 3 /* it is slow: one of each type of KV */
#else
#define STEP 1
#endif

static bool is_seen(uint32_t pos)
{
    return pos % EVERY == EVERY - 1 || pos == N_LONG - 1;
}

static void fill_text(void)
{
    uint64_t state = 77;

    for (int i = 0; i < N_LONG; i++)
        text[i] = (int32_t)(random_u32(&state) % VOCAB);
}

/* Row `pos` of the text for seq. */
static struct engine_row row_of(int seq, uint32_t pos)
{
    return (struct engine_row){.token = text[pos], .seq = seq, .want_logits = is_seen(pos)};
}

static void keep_seen(const struct engine *e, uint32_t row, uint32_t pos, float *out)
{
    if (is_seen(pos))
        memcpy(out + pos / EVERY * VOCAB, engine_logits(e, row), VOCAB * sizeof *out);
}

/* Decodes positions up to `end` of the text in chunks. */
static void decode_to(struct engine *e, int seq, uint32_t end, uint32_t chunk, float *out)
{
    static struct engine_row rows[N_LONG];
    struct err err = {0};

    for (uint32_t pos = engine_seq_len(e, seq), n; pos < end; pos += n) {
        n = end - pos < chunk ? end - pos : chunk;
        for (uint32_t i = 0; i < n; i++)
            rows[i] = row_of(seq, pos + i);
        if (engine_decode(e, rows, n, &err))
            fail_msg("%s", err.text);
        for (uint32_t i = 0; i < n; i++)
            keep_seen(e, i, pos + i, out);
    }
}

static void open_with(struct fixture *f, size_t model, const char *kernels, unsigned n_threads)
{
    struct engine_params p = {.n_slots = 3,
                              .n_batch = N_LONG,
                              .n_threads = n_threads,
                              .kernels = kernels,
                              .kv_type = models[model].kv_type};
    struct random_model d = *models[model].d;

    d.n_ctx = N_LONG + 8;
    d.n_layers = 2;
    fixture_open(f, &d, &p);
}

/* The reference, one thread, one chunk. */
static int find_truths(void **state)
{
    (void)state;
    fill_text();
    for (size_t i = 0; i < COUNT(models); i += STEP) {
        struct fixture f;

        open_with(&f, i, "ref", 1);
        decode_to(f.e, open_seq(f.e), N_LONG, N_LONG, truths[i]);
        fixture_close(&f);
    }
    return 0;
}

static void check_seen(size_t model)
{
    assert_same_bits(truths[model], seen, N_SEEN);
    memset(seen, 0, sizeof seen);
}

static void test_attention__long_contexts_give_the_same_bits_everywhere(void **state)
{
    static const uint32_t chunks[] = {N_LONG, 61, 256, 7, 300};

    (void)state;
    for (size_t i = 0; i < COUNT(models); i += STEP) {
        for (const char *const *k = fixture_kernel_sets(); *k; k++) {
            unsigned most = strcmp(*k, "ref") == 0 ? 2 : 5; /* it takes its time */

            for (unsigned n_threads = most == 2 ? 2 : 1; n_threads <= most; n_threads++) {
                struct fixture f;

                open_with(&f, i, *k, n_threads);
                decode_to(f.e, open_seq(f.e), N_LONG, chunks[n_threads - 1], seen);
                check_seen(i);
                fixture_close(&f);
            }
        }
    }
}

/* The last positions one by one, as a generation does: few rows, so cut by blocks or not. */
static void test_attention__single_rows_behind_a_long_prompt_give_the_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(models); i += STEP) {
        for (unsigned n_threads = 1; n_threads <= 4; n_threads++) {
            struct fixture f;
            int seq;

            open_with(&f, i, NULL, n_threads);
            seq = open_seq(f.e);
            decode_to(f.e, seq, 250, 250, seen);
            decode_to(f.e, seq, 270, 1, seen); /* over the end of a block */
            decode_to(f.e, seq, 520, 250, seen);
            decode_to(f.e, seq, N_LONG, 1, seen);
            check_seen(i);
            fixture_close(&f);
        }
    }
}

static void test_attention__forks_of_a_long_context_give_the_same_bits(void **state)
{
    static const uint32_t shared[] = {512, 520, 256, 3};

    (void)state;
    for (size_t i = 0; i < COUNT(models); i += STEP) {
        struct fixture f;
        int first;
        open_with(&f, i, NULL, 3);
        first = open_seq(f.e);
        decode_to(f.e, first, N_LONG, 100, seen);
        check_seen(i);
        for (size_t j = 0; j < COUNT(shared); j++) {
            int seq = engine_seq_fork(f.e, first, shared[j], NULL);

            memcpy(seen, truths[i], shared[j] / EVERY * VOCAB * sizeof *seen);
            decode_to(f.e, seq, N_LONG, 40 + (uint32_t)j, seen);
            check_seen(i);
            engine_seq_close(f.e, seq);
        }
        fixture_close(&f);
    }
}

/* Three sequences at three places of the text, decoded together in uneven steps. */
static void test_attention__mixed_long_batches_give_the_same_bits(void **state)
{
    static float each[3][N_SEEN * VOCAB];
    static const uint32_t begin[] = {0, 300, 530}, step[] = {19, 8, 1};
    static struct engine_row rows[N_LONG];
    struct fixture f;
    uint32_t n;

    (void)state;
    open_with(&f, 0, NULL, 2);
    for (int s = 0; s < 3; s++)
        decode_to(f.e, open_seq(f.e), begin[s], 128, each[s]);
    do {
        uint32_t pos[32], n_of[3];

        n = 0;
        for (int s = 0; s < 3; s++) {
            uint32_t at = engine_seq_len(f.e, s);

            n_of[s] = N_LONG - at < step[s] ? N_LONG - at : step[s];
            for (uint32_t i = 0; i < n_of[s]; i++, n++) {
                pos[n] = at + i;
                rows[n] = row_of(s, at + i);
            }
        }
        if (n > 0)
            assert_int_equal(engine_decode(f.e, rows, n, NULL), 0);
        for (uint32_t i = 0; i < n; i++)
            keep_seen(f.e, i, pos[i], each[rows[i].seq]);
    } while (n > 0);
    for (int s = 0; s < 3; s++)
        assert_same_bits(truths[0], each[s], N_SEEN);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention__long_contexts_give_the_same_bits_everywhere),
        cmocka_unit_test(test_attention__single_rows_behind_a_long_prompt_give_the_same_bits),
        cmocka_unit_test(test_attention__forks_of_a_long_context_give_the_same_bits),
        cmocka_unit_test(test_attention__mixed_long_batches_give_the_same_bits),
    };

    return cmocka_run_group_tests(tests, find_truths, NULL);
}
