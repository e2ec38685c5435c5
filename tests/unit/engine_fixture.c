/* engine_fixture.c - see engine_fixture.h. */
#include "engine_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const enum tensor_type all_f32[] = {TYPE_F32};
static const enum tensor_type halves[] = {TYPE_F16, TYPE_BF16, TYPE_F32};
static const enum tensor_type simple[] = {TYPE_Q4_0, TYPE_Q4_1, TYPE_Q5_0,  TYPE_F16,
                                          TYPE_Q5_1, TYPE_Q8_0, TYPE_IQ4_NL};
static const enum tensor_type all_types[] = {
    TYPE_Q6_K, TYPE_Q4_K,   TYPE_Q5_K, TYPE_Q2_K, TYPE_Q3_K, TYPE_Q8_0, TYPE_IQ4_XS, TYPE_Q4_0,
    TYPE_F16,  TYPE_IQ4_NL, TYPE_Q4_1, TYPE_Q5_0, TYPE_Q5_1, TYPE_BF16, TYPE_F32};

/* Three heads of 14, of which 10 turn; nothing divides by 16 or 32. */
const struct random_model odd_model = {.arch = "llama",
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
const struct random_model half_model = {.arch = "qwen2",
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
                                        .more_biases = true,
                                        .scaling = "linear",
                                        .factor = 2.0f,
                                        .seed = 12};
const struct random_model simple_model = {.arch = "qwen2",
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
const struct random_model k_model = {.arch = "llama",
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

const struct random_model *const fixture_models[4] = {&odd_model, &half_model, &simple_model,
                                                      &k_model};

void fixture_open(struct fixture *f, const struct random_model *d, const struct engine_params *p)
{
    struct err err = {0};

    if (random_model_open(d, &f->m, &err) || engine_create(f->m, p, &f->e, &err))
        fail_msg("%s", err.text);
}

void fixture_open_plain(struct fixture *f, const struct random_model *d)
{
    fixture_open(f, d, &(struct engine_params){.n_slots = 4, .n_batch = 160, .n_threads = 2});
}

void fixture_close(struct fixture *f)
{
    engine_free(f->e);
    engine_model_close(f->m);
}

const char *const *fixture_kernel_sets(void)
{
    const char *const *sets = engine_kernel_sets();

#ifdef __SANITIZE_THREAD__
    while (sets[1])
        sets++;
#endif
    return sets;
}

void random_text(int32_t ids[N_TEXT], uint64_t seed)
{
    for (int i = 0; i < N_TEXT; i++)
        ids[i] = (int32_t)(random_u32(&seed) % VOCAB);
}

int open_seq(struct engine *e)
{
    int seq = engine_seq_open(e, NULL);

    assert_true(seq >= 0);
    return seq;
}

void decode(struct engine *e, int seq, const int32_t *ids, size_t n, size_t chunk, float *out)
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

void plain_logits(const struct random_model *d, const int32_t *ids, size_t n, float *out)
{
    struct engine_params p = {.n_slots = 1, .n_batch = N_TEXT, .n_threads = 1, .kernels = "ref"};
    struct fixture f;

    fixture_open(&f, d, &p);
    decode(f.e, open_seq(f.e), ids, n, n, out);
    fixture_close(&f);
}

void assert_same_bits(const float *a, const float *b, size_t n_rows)
{
    assert_memory_equal(a, b, n_rows * VOCAB * sizeof *a);
}
