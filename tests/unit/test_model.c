/*
 * test_model.c - opening a model: what a good file tells, and one whole sentence for each file that
 * is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/model/kv.h"
#include "engine/model/rope.h"
#include "random_model.h"

static const enum tensor_type types[] = {TYPE_F16, TYPE_Q8_0};
static const struct random_model good = {.arch = "llama",
                                         .n_layers = 2,
                                         .n_embd = 64,
                                         .n_heads = 4,
                                         .n_kv_heads = 2,
                                         .head_dim = 16,
                                         .n_ff = 96,
                                         .n_ctx = 128,
                                         .types = types,
                                         .n_types = 2,
                                         .seed = 1};

static void check_refused(const struct random_model *d, enum err_code code, const char *words)
{
    struct engine_model *m = NULL;
    struct err err = {0};
    int rc = random_model_open(d, &m, &err);

    if (rc != (int)code || !strstr(err.text, words))
        fail_msg("got %d '%s', not %d with '%s'", rc, err.text, code, words);
    assert_true(strncmp(err.text, "random: ", 8) == 0);
}

/* ---- good files -------------------------------------------------------------------------- */

static void test_model__tells_its_shape(void **state)
{
    struct engine_model_info info;
    struct engine_model *m;

    (void)state;
    assert_int_equal(random_model_open(&good, &m, NULL), 0);
    engine_model_info(m, &info);
    assert_string_equal(info.architecture, "llama");
    assert_string_equal(info.name, "a random model");
    assert_string_equal(info.tokenizer, "spm");
    assert_null(info.chat_template);
    assert_int_equal(info.n_layers, 2);
    assert_int_equal(info.n_embd, 64);
    assert_int_equal(info.n_heads, 4);
    assert_int_equal(info.n_kv_heads, 2);
    assert_int_equal(info.head_dim, 16);
    assert_int_equal(info.n_ff, 96);
    assert_int_equal(info.n_vocab, RANDOM_MODEL_VOCAB);
    assert_int_equal(info.n_ctx_train, 128);
    assert_int_equal(info.kv_bytes_per_token, 2 * 2 * 16 * 2 * 2);
    assert_int_equal(info.n_params,
                     2 * 288 * 64 + 64 + 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 96 * 64 + 2 * 64));
    assert_true(info.rope_freq_base == 5000.0f);
    assert_true(info.file_bytes > info.weight_bytes && info.weight_bytes > 2 * 288 * 64);
    assert_int_equal(engine_token_bos(m), RANDOM_MODEL_BOS);
    assert_int_equal(engine_token_eos(m), RANDOM_MODEL_EOS);
    assert_true(engine_is_eog(m, RANDOM_MODEL_EOS));
    assert_false(engine_is_eog(m, 65));
    engine_model_close(m);
}

static void test_model__memory_need_grows_with_slots_and_context(void **state)
{
    struct engine_model *m;
    const uint64_t tables = 64 / ENGINE_PAGE_TOKENS * kv_table_bytes();
    uint64_t one;

    (void)state;
    assert_int_equal(random_model_open(&good, &m, NULL), 0);
    one = engine_memory_need(m, 1, 64, 32);
    /* 64 positions of KV more, and attention's scores and pages for them */
    assert_true(engine_memory_need(m, 1, 128, 32) >= one + 64 * 256);
    assert_true(engine_memory_need(m, 1, 128, 32) <= one + 64 * 256 + 256 * 1024);
    /* KV of a second sequence; there are rows of logits for 32 in any case, where a batch has as
     * many */
    assert_int_equal(engine_memory_need(m, 2, 64, 32), one + 64 * 256 + tables);
    one = engine_memory_need(m, 32, 64, 64);
    assert_int_equal(engine_memory_need(m, 33, 64, 64), one + 64 * 256 + 288 * 4 + tables);
    engine_model_close(m);
}

struct reports {
    int n;
    int stop_after;
    struct engine_load last;
};

static bool on_progress(void *arg, const struct engine_load *now)
{
    struct reports *r = arg;

    assert_int_equal(now->layers_loaded, r->n + 1);
    assert_true(now->bytes_loaded > r->last.bytes_loaded);
    r->last = *now;
    return ++r->n != r->stop_after;
}

static void test_model__load_reports_each_layer_and_every_byte(void **state)
{
    struct engine_model_info info;
    struct reports r = {0};
    struct engine_model *m;

    (void)state;
    assert_int_equal(random_model_open(&good, &m, NULL), 0);
    engine_model_info(m, &info);
    assert_int_equal(engine_model_load(m, on_progress, &r, NULL), 0);
    assert_int_equal(r.n, 3);
    assert_int_equal(r.last.layers_total, 3);
    assert_int_equal(r.last.bytes_loaded, r.last.bytes_total);
    assert_int_equal(r.last.bytes_total, info.weight_bytes - 5 * 64 * sizeof(float));
    engine_model_close(m);
}

static void test_model__load_stops_when_told_to(void **state)
{
    struct reports r = {.stop_after = 2};
    struct err err = {0};
    struct engine_model *m;

    (void)state;
    assert_int_equal(random_model_open(&good, &m, NULL), 0);
    assert_int_equal(engine_model_load(m, on_progress, &r, &err), ERR_CANCELLED);
    assert_string_equal(err.text, "loading was stopped after 2 of 3 layers");
    assert_int_equal(r.n, 2);
    engine_model_close(m);
}

/* ---- bad hyper-parameters ---------------------------------------------------------------- */

static void test_model__refuses_bad_hyper_parameters(void **state)
{
    static const struct {
        struct random_key key;
        enum err_code code;
        const char *words;
    } cases[] = {
        {{"attention.head_count", 0, false}, ERR_INVALID, "'llama.attention.head_count' is 0"},
        {{"attention.head_count", 3, false}, ERR_INVALID, "is 3, which is no multiple of"},
        {{"attention.head_count", 4294967295, false}, ERR_INVALID, "is 4294967295, but must be"},
        {{"attention.head_count", 0, true}, ERR_NOT_FOUND, "'llama.attention.head_count'"},
        {{"attention.head_count_kv", 0, false}, ERR_INVALID, "head_count_kv' is 0"},
        {{"attention.head_count_kv", 3, false}, ERR_INVALID, "'llama.attention.head_count_kv' = 3"},
        {{"attention.key_length", 0, false}, ERR_INVALID, "'llama.attention.key_length' is 0"},
        {{"attention.key_length", 1 << 20, false}, ERR_INVALID, "is 1048576, but must be"},
        {{"attention.value_length", 8, false}, ERR_UNSUPPORTED, "keys of 16 and values of 8"},
        {{"block_count", 0, false}, ERR_INVALID, "'llama.block_count' is 0"},
        {{"block_count", 4000000000, false}, ERR_INVALID, "is 4000000000, but must be"},
        {{"block_count", 1024, false}, ERR_NOT_FOUND, "1024 layers need at least 9216 tensors"},
        {{"block_count", 0, true}, ERR_NOT_FOUND, "'llama.block_count'"},
        {{"embedding_length", 0, false}, ERR_INVALID, "'llama.embedding_length' is 0"},
        {{"embedding_length", 1 << 30, false}, ERR_INVALID, "is 1073741824, but must be"},
        {{"embedding_length", 128, false}, ERR_INVALID, "64 x 288, but must have 128 x 288"},
        {{"feed_forward_length", 0, false}, ERR_INVALID, "'llama.feed_forward_length' is 0"},
        {{"feed_forward_length", 97, false}, ERR_INVALID, "64 x 96, but must have 64 x 97"},
        {{"context_length", 0, false}, ERR_INVALID, "'llama.context_length' is 0"},
        {{"rope.dimension_count", 15, false}, ERR_INVALID, "is 15, but must be even"},
        {{"rope.dimension_count", 18, false}, ERR_INVALID, "at most the head's 16 values"},
        {{"rope.dimension_count", 0, false}, ERR_INVALID, "'llama.rope.dimension_count' is 0"},
        {{"expert_count", 8, false}, ERR_UNSUPPORTED, "mixture of 8 experts"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct random_model d = good;

        d.key = cases[i].key;
        check_refused(&d, cases[i].code, cases[i].words);
    }
}

static void test_model__refuses_an_embedding_that_heads_do_not_divide(void **state)
{
    struct random_model d = good;

    (void)state;
    d.types = &types[0]; /* any shape */
    d.n_types = 1;
    d.n_heads = d.n_kv_heads = 5;
    d.key = (struct random_key){"attention.key_length", 0, true};
    check_refused(
        &d, ERR_INVALID,
        "'llama.embedding_length' is 64, which 'llama.attention.head_count' = 5 does not");
}

static void test_model__refuses_unknown_architectures_and_scalings(void **state)
{
    struct random_model d = good;

    (void)state;
    d.arch = "mamba";
    check_refused(&d, ERR_UNSUPPORTED,
                  "'mamba' is not supported; llama, qwen2, bert and nomic-bert are");
    d = good;
    d.scaling = "longrope";
    check_refused(&d, ERR_UNSUPPORTED, "'longrope'");
    d.scaling = "linear";
    d.factor = -2.0f;
    check_refused(&d, ERR_INVALID, "'llama.rope.scaling.factor' is -2");
}

/* ---- bad tensors ------------------------------------------------------------------------- */

static void test_model__names_each_missing_tensor(void **state)
{
    static const char *const names[] = {
        "token_embd.weight",        "output_norm.weight",    "blk.0.attn_norm.weight",
        "blk.1.attn_q.weight",      "blk.0.attn_k.weight",   "blk.1.attn_v.weight",
        "blk.0.attn_output.weight", "blk.1.ffn_norm.weight", "blk.0.ffn_gate.weight",
        "blk.1.ffn_up.weight",      "blk.1.ffn_down.weight"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct random_model d = good;
        char words[96];

        d.without = names[i];
        snprintf(words, sizeof words, "the tensor '%s' of shape", names[i]);
        check_refused(&d, ERR_NOT_FOUND, words);
    }
}

static void test_model__names_each_misshapen_tensor_with_both_shapes(void **state)
{
    static const struct {
        const char *name, *words;
    } cases[] = {
        {"output.weight", "'output.weight' has the shape 64 x 320, but must have 64 x 288"},
        {"output_norm.weight", "has the shape 65, but must have 64"},
        {"blk.0.attn_q.weight", "must have 64 x 64"},
        {"blk.0.attn_k.weight", "must have 64 x 32"},
        {"blk.1.attn_v.weight", "must have 64 x 32"},
        {"blk.1.attn_output.weight", "must have 64 x 64"},
        {"blk.1.ffn_gate.weight", "must have 64 x 96"},
        {"blk.1.ffn_down.weight", "must have 96 x 64"},
        {"blk.1.ffn_norm.weight", "has the shape 65, but must have 64"},
        {"blk.1.attn_k.bias", "'blk.1.attn_k.bias' has the shape 33, but must have 32"},
        {"rope_freqs.weight", "'rope_freqs.weight' has the shape 9, but must have 8"},
        {"blk.0.ffn_up.bias", "'blk.0.ffn_up.bias' has the shape 97, but must have 96"},
        {"output.bias", "'output.bias' has the shape 289, but must have 288"},
        {"token_embd.weight", "must have"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct random_model d = good;

        d.biases = d.more_biases = d.divisors = true;
        d.misshapen = cases[i].name;
        check_refused(&d, ERR_INVALID, cases[i].words);
    }
}

/* The type number of a tensor stands behind its name and dimensions. */
static void test_model__names_the_tensor_of_an_unsupported_type(void **state)
{
    static const char name[] = "blk.1.ffn_up.weight";
    int fd = memfd_create("patched", MFD_CLOEXEC);
    struct engine_model *m;
    struct err err = {0};
    uint8_t *bytes, *at;
    size_t n;

    (void)state;
    random_model_bytes(&good, &bytes, &n);
    at = memmem(bytes, n, name, strlen(name));
    assert_non_null(at);
    at += strlen(name) + sizeof(uint32_t) + 2 * sizeof(uint64_t);
    *at = 16; /* IQ2_XXS */
    assert_int_equal(write(fd, bytes, n), n);
    assert_int_equal(engine_model_open_fds(&fd, 1, "patched", &m, &err), ERR_UNSUPPORTED);
    assert_string_equal(err.text, "patched: the tensor 'blk.1.ffn_up.weight' is of type IQ2_XXS "
                                  "(number 16), which is not supported");
    close(fd);
    free(bytes);
}

/*
 * What nobody looked up was not missed: a model with norms of its queries, made for another
 * arithmetic than a llama's, loaded as a llama and answered nonsense.
 */
static void test_model__names_a_tensor_that_it_would_not_use(void **state)
{
    static const char *const names[] = {
        "blk.0.attn_q_norm.weight", "blk.1.attn_output.scale",  "blk.2.attn_norm.weight",
        "output_norm.bias",         "rope_factors_long.weight", "cls.output.weight",
        "xblk.0.attn_rot_embd",     "blk.0.attn_rot_embd.bias", "position_embd.weight",
    };
    char words[128];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct random_model d = good;

        d.more = names[i];
        snprintf(words, sizeof words,
                 "the tensor '%s' is not known to a llama model; without it the numbers would be "
                 "wrong",
                 names[i]);
        check_refused(&d, ERR_UNSUPPORTED, words);
    }
}

/* Files of the first converters have the frequencies that the rotary base gives anyway. */
static void test_model__tensors_that_change_nothing_are_left_where_they_are(void **state)
{
    static const char *const names[] = {"rope.freqs", "blk.1.attn_rot_embd",
                                        "blk.0.attn_rot_embd.weight",
                                        "blk.0.self_attn.rotary_emb.inv_freq"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct random_model d = good;
        struct engine_model *m;
        struct err err = {0};

        d.more = names[i];
        if (random_model_open(&d, &m, &err))
            fail_msg("%s", err.text);
        engine_model_close(m);
    }
}

/* ---- inspect ----------------------------------------------------------------------------- */

static void write_file(const char *path, const struct random_model *d)
{
    FILE *f = fopen(path, "wb");
    uint8_t *bytes;
    size_t n;

    assert_non_null(f);
    random_model_bytes(d, &bytes, &n);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
    free(bytes);
}

static void check_inspect(const struct random_model *d, const char *const *words)
{
    char path[] = "/tmp/rbee-test-model-XXXXXX";
    struct err err = {0};
    struct buf out;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    write_file(path, d);
    buf_init(&out, 1 << 20);
    if (engine_inspect(path, &out, &err))
        fail_msg("%s", err.text);
    for (; *words; words++)
        if (!strstr(buf_str(&out), *words))
            fail_msg("%s lacks %s", buf_str(&out), *words);
    buf_done(&out);
    unlink(path);
}

static void test_inspect__tells_what_a_good_file_holds(void **state)
{
    static const char *const words[] = {"{\"format\":\"GGUF\",\"version\":3,",
                                        "\"architecture\":\"llama\"",
                                        "\"context_length\":128",
                                        "\"kv_bytes_per_token\":256",
                                        "\"n_vocab\":288",
                                        "{\"type\":\"Q8_0\",\"supported\":true,\"tensors\":8,",
                                        "\"chat_template\":null",
                                        "\"supported\":true,\"reason\":null,\"damaged\":false}",
                                        NULL};

    (void)state;
    check_inspect(&good, words);
}

static void test_inspect__tells_why_a_file_cannot_be_run(void **state)
{
    static const char *const words[] = {"\"architecture\":\"mamba\"", "\"supported\":false",
                                        "the architecture 'mamba' is not supported", NULL};
    static const char *const missing[] = {"\"context_length\":128", "\"supported\":false",
                                          "the tensor 'output_norm.weight' of shape 64 is missing",
                                          NULL};
    static const char *const more[] = {
        "\"supported\":false",
        "the tensor 'blk.0.attn_q_norm.weight' is not known to a llama model", "\"damaged\":false",
        NULL};
    struct random_model d = good;

    (void)state;
    d.arch = "mamba";
    check_inspect(&d, words);
    d = good;
    d.without = "output_norm.weight";
    check_inspect(&d, missing);
    d = good;
    d.more = "blk.0.attn_q_norm.weight";
    check_inspect(&d, more);
}

static void test_inspect__of_no_model_file_is_an_error(void **state)
{
    struct err err = {0};
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    assert_int_equal(engine_inspect("/nonexistent/x.gguf", &out, &err), ERR_NOT_FOUND);
    assert_int_equal(engine_inspect("/dev/null", &out, &err), ERR_INVALID);
    assert_int_equal(out.len, 0);
    buf_done(&out);
}

/* ---- rotary scaling ---------------------------------------------------------------------- */

static struct rope_params rope_of(enum rope_scaling scaling, float factor)
{
    return (struct rope_params){.n_rot = 64,
                                .freq_base = 10000.0f,
                                .scaling = scaling,
                                .factor = factor,
                                .orig_ctx = 2048.0f,
                                .attn_factor = 1.0f,
                                .beta_fast = ROPE_YARN_BETA_FAST,
                                .beta_slow = ROPE_YARN_BETA_SLOW};
}

static void assert_near(double a, double b)
{
    if (!(a - b < 1e-9 * b && b - a < 1e-9 * b))
        fail_msg("%.15g is not %.15g", a, b);
}

/* Peng et al. 2023: fast pairs as they were, slow ones divided, in between both, and a magnitude.
 */
static void test_rope__yarn_keeps_fast_pairs_and_stretches_slow_ones(void **state)
{
    struct rope_params plain = rope_of(ROPE_PLAIN, 1.0f), yarn = rope_of(ROPE_YARN, 4.0f);
    double before[32], after[32];

    (void)state;
    assert_near(rope_frequencies(&plain, NULL, before), 1.0);
    assert_near(rope_frequencies(&yarn, NULL, after), 1.0 + 0.1 * 1.3862943611198906);
    for (int i = 0; i < 32; i++) {
        double turns = before[i] * 2048.0 / 6.283185307179586;

        if (turns > 40.0) /* a whole pair away from the bound of 32 at least */
            assert_near(after[i], before[i]);
        else if (turns < 0.75)
            assert_near(after[i], before[i] / 4);
        else
            assert_true(after[i] <= before[i] && after[i] >= before[i] / 4);
    }
    assert_true(after[15] < before[15] && after[15] > before[15] / 4);
}

static void test_rope__linear_and_divisors_divide(void **state)
{
    struct rope_params plain = rope_of(ROPE_PLAIN, 1.0f), linear = rope_of(ROPE_LINEAR, 8.0f);
    double before[32], after[32];
    float divisors[32];

    (void)state;
    for (int i = 0; i < 32; i++)
        divisors[i] = (float)(i + 1);
    rope_frequencies(&plain, NULL, before);
    assert_near(before[16], 0.01);
    rope_frequencies(&linear, NULL, after);
    assert_near(after[16], 0.00125);
    rope_frequencies(&plain, divisors, after);
    for (int i = 0; i < 32; i++)
        assert_near(after[i], before[i] / (i + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model__tells_its_shape),
        cmocka_unit_test(test_model__memory_need_grows_with_slots_and_context),
        cmocka_unit_test(test_model__load_reports_each_layer_and_every_byte),
        cmocka_unit_test(test_model__load_stops_when_told_to),
        cmocka_unit_test(test_model__refuses_bad_hyper_parameters),
        cmocka_unit_test(test_model__refuses_an_embedding_that_heads_do_not_divide),
        cmocka_unit_test(test_model__refuses_unknown_architectures_and_scalings),
        cmocka_unit_test(test_model__names_each_missing_tensor),
        cmocka_unit_test(test_model__names_each_misshapen_tensor_with_both_shapes),
        cmocka_unit_test(test_model__names_the_tensor_of_an_unsupported_type),
        cmocka_unit_test(test_model__names_a_tensor_that_it_would_not_use),
        cmocka_unit_test(test_model__tensors_that_change_nothing_are_left_where_they_are),
        cmocka_unit_test(test_inspect__tells_what_a_good_file_holds),
        cmocka_unit_test(test_inspect__tells_why_a_file_cannot_be_run),
        cmocka_unit_test(test_inspect__of_no_model_file_is_an_error),
        cmocka_unit_test(test_rope__yarn_keeps_fast_pairs_and_stretches_slow_ones),
        cmocka_unit_test(test_rope__linear_and_divisors_divide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
