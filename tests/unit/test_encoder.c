/*
 * test_encoder.c - embeddings: against plain arithmetic in double, bit for bit against themselves
 * whatever shares the pass, and what is refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "encoder_internal.h"
#include "encoder_model.h"
#include "random_model.h"

#define MAX_EMBD 96
#define MAX_TEXT 40
#define N_TEXTS  7

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Nothing divides by 16 or 32; a page of keys and a bit fits the context. */
static const struct encoder_model odd_bert = {.n_layers = 2,
                                              .n_embd = 42,
                                              .n_heads = 3,
                                              .n_ff = 70,
                                              .n_ctx = MAX_TEXT,
                                              .type = TYPE_F32,
                                              .biases = true,
                                              .token_types = true,
                                              .pooling = 1,
                                              .seed = 1};
static const struct encoder_model half_nomic = {.nomic = true,
                                                .n_layers = 2,
                                                .n_embd = 48,
                                                .n_heads = 3,
                                                .n_ff = 52,
                                                .n_ctx = MAX_TEXT,
                                                .type = TYPE_F16,
                                                .fused = true,
                                                .pooling = 2,
                                                .seed = 2};
static const struct encoder_model packed_bert = {.n_layers = 2,
                                                 .n_embd = 96,
                                                 .n_heads = 3,
                                                 .n_ff = 96,
                                                 .n_ctx = MAX_TEXT,
                                                 .type = TYPE_Q8_0,
                                                 .fused = true,
                                                 .biases = true,
                                                 .pooling = 3,
                                                 .seed = 3};
static const struct encoder_model packed_nomic = {.nomic = true,
                                                  .n_layers = 2,
                                                  .n_embd = 96,
                                                  .n_heads = 3,
                                                  .n_ff = 96,
                                                  .n_ctx = MAX_TEXT,
                                                  .type = TYPE_Q8_0,
                                                  .biases = true,
                                                  .token_types = true,
                                                  .seed = 4};
static const struct encoder_model *const models[] = {&odd_bert, &half_nomic, &packed_bert,
                                                     &packed_nomic};

struct fixture {
    struct engine_model *m;
    struct engine *e;
};

static void open_as(struct fixture *f, const struct encoder_model *d, const struct engine_params *p)
{
    struct err err = {0};

    if (encoder_model_open(d, &f->m, &err) || engine_create(f->m, p, &f->e, &err))
        fail_msg("%s", err.text);
}

static void open_plain(struct fixture *f, const struct encoder_model *d)
{
    open_as(f, d, &(struct engine_params){.n_slots = 1, .n_batch = 512, .n_threads = 2});
}

static void close_both(struct fixture *f)
{
    engine_free(f->e);
    engine_model_close(f->m);
}

/* Texts of many lengths, one of them the whole context. */
static void make_texts(int32_t ids[N_TEXTS][MAX_TEXT], struct engine_text texts[N_TEXTS],
                       float out[N_TEXTS][MAX_EMBD])
{
    static const uint32_t lengths[N_TEXTS] = {1, 2, 17, 32, 33, MAX_TEXT, 5};
    uint64_t state = 99;

    for (size_t t = 0; t < N_TEXTS; t++) {
        for (size_t i = 0; i < MAX_TEXT; i++)
            ids[t][i] = (int32_t)(random_u32(&state) % ENCODER_VOCAB);
        texts[t] = (struct engine_text){.tokens = ids[t], .n = lengths[t], .out = out[t]};
    }
}

/* ---- against the reference ----------------------------------------------------------------- */

/* The vector that a pooling makes of the reference's rows. */
static void pooled(const double *rows, size_t n, size_t e, enum engine_pooling how, double *out)
{
    for (size_t i = 0; i < e; i++) {
        double sum = 0;

        for (size_t r = 0; r < n; r++)
            sum += rows[r * e + i];
        out[i] = how == ENGINE_POOL_MEAN  ? sum / (double)n
                 : how == ENGINE_POOL_CLS ? rows[i]
                                          : rows[(n - 1) * e + i];
    }
}

/* The largest difference of a text's vector, rows being about 1 in size. */
static double distance(const struct encoder_model *d, enum engine_pooling asked,
                       enum engine_pooling meant)
{
    static double rows[MAX_TEXT * MAX_EMBD];
    int32_t ids[N_TEXTS][MAX_TEXT];
    struct engine_text texts[N_TEXTS];
    float out[N_TEXTS][MAX_EMBD];
    double want[MAX_EMBD], most = 0;
    struct fixture f;

    make_texts(ids, texts, out);
    for (size_t t = 0; t < N_TEXTS; t++)
        texts[t].pooling = asked;
    open_plain(&f, d);
    assert_int_equal(engine_embed(f.e, texts, N_TEXTS, NULL), 0);
    close_both(&f);
    for (size_t t = 0; t < N_TEXTS; t++) {
        encoder_reference(d, ids[t], texts[t].n, rows);
        pooled(rows, texts[t].n, d->n_embd, meant, want);
        for (size_t i = 0; i < d->n_embd; i++)
            most = fmax(most, fabs((double)out[t][i] - want[i]));
    }
    return most;
}

/* 24 bits here and 53 there, and a half float that rounds to the other side now and then. */
static void test_encoder__float_models_match_the_reference(void **state)
{
    (void)state;
    assert_true(distance(&odd_bert, ENGINE_POOL_CLS, ENGINE_POOL_CLS) < 1e-3);
    assert_true(distance(&odd_bert, ENGINE_POOL_LAST, ENGINE_POOL_LAST) < 1e-3);
    assert_true(distance(&half_nomic, ENGINE_POOL_MEAN, ENGINE_POOL_MEAN) < 1e-3);
}

/* An 8-bit level that rounds to the other side moves what follows by some percent. */
static void test_encoder__quantised_models_match_the_reference(void **state)
{
    (void)state;
    assert_true(distance(&packed_bert, ENGINE_POOL_MEAN, ENGINE_POOL_MEAN) < 0.05);
    assert_true(distance(&packed_nomic, ENGINE_POOL_MEAN, ENGINE_POOL_MEAN) < 0.05);
}

static void test_encoder__pooling_is_what_the_file_says(void **state)
{
    struct engine_model_info info;
    struct fixture f;

    (void)state;
    assert_true(distance(&odd_bert, ENGINE_POOL_MODEL, ENGINE_POOL_MEAN) < 1e-3);
    assert_true(distance(&half_nomic, ENGINE_POOL_MODEL, ENGINE_POOL_CLS) < 1e-3);
    assert_true(distance(&packed_bert, ENGINE_POOL_MODEL, ENGINE_POOL_LAST) < 0.2);
    open_plain(&f, &half_nomic);
    engine_model_info(f.m, &info);
    assert_true(info.embeds);
    assert_string_equal(info.pooling, "cls");
    assert_string_equal(info.architecture, "nomic-bert");
    close_both(&f);
}

/*
 * Ollama's older route, /api/embeddings, gave raw vectors for every model; Ollama does so only for
 * files that say, or are of a kind that never did, that theirs are not scaled. Where scores are dot
 * products, a bert model's were off by the square of a length: 25 times in a test's file.
 */
static void test_encoder__vectors_are_raw_where_the_file_means_it(void **state)
{
    static const bool yes = true, no = false;
    static const struct {
        bool nomic, unpooled;
        const bool *scales;
        bool raw;
    } cases[] = {{false, false, NULL, false}, {false, false, &yes, false},
                 {false, false, &no, true},   {false, true, &no, false},
                 {true, false, NULL, true},   {true, false, &yes, false},
                 {true, false, &no, true},    {true, true, NULL, false}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct encoder_model d = cases[i].nomic ? half_nomic : odd_bert;
        struct engine_model_info info;
        struct engine_model *m;
        struct err err = {0};

        d.unpooled = cases[i].unpooled;
        d.scales = cases[i].scales;
        if (encoder_model_open(&d, &m, &err))
            fail_msg("%s", err.text);
        engine_model_info(m, &info);
        assert_int_equal(info.raw_vectors, cases[i].raw);
        engine_model_close(m);
    }
}

static void test_encoder__normalised_vectors_have_length_1(void **state)
{
    int32_t ids[N_TEXTS][MAX_TEXT];
    struct engine_text texts[N_TEXTS];
    float out[N_TEXTS][MAX_EMBD], raw[N_TEXTS][MAX_EMBD];
    struct fixture f;

    (void)state;
    make_texts(ids, texts, out);
    open_plain(&f, &odd_bert);
    assert_int_equal(engine_embed(f.e, texts, N_TEXTS, NULL), 0);
    memcpy(raw, out, sizeof raw);
    for (size_t t = 0; t < N_TEXTS; t++)
        texts[t].normalize = true;
    assert_int_equal(engine_embed(f.e, texts, N_TEXTS, NULL), 0);
    for (size_t t = 0; t < N_TEXTS; t++) {
        double square = 0, raw_square = 0;

        for (size_t i = 0; i < odd_bert.n_embd; i++) {
            square += (double)out[t][i] * (double)out[t][i];
            raw_square += (double)raw[t][i] * (double)raw[t][i];
        }
        assert_true(fabs(square - 1) < 1e-6);
        for (size_t i = 0; i < odd_bert.n_embd; i++)
            assert_true(fabs((double)out[t][i] * sqrt(raw_square) - (double)raw[t][i]) < 1e-5);
    }
    close_both(&f);
}

/* ---- the same bits ------------------------------------------------------------------------- */

/* Every text alone, by the reference kernels and one thread. */
static void embed_alone(const struct encoder_model *d, float out[N_TEXTS][MAX_EMBD])
{
    struct engine_params p = {.n_slots = 1, .n_threads = 1, .kernels = "ref"};
    int32_t ids[N_TEXTS][MAX_TEXT];
    struct engine_text texts[N_TEXTS];
    struct fixture f;

    make_texts(ids, texts, out);
    open_as(&f, d, &p);
    for (size_t t = 0; t < N_TEXTS; t++)
        assert_int_equal(engine_embed(f.e, &texts[t], 1, NULL), 0);
    close_both(&f);
}

static void assert_same(const struct encoder_model *d, float a[N_TEXTS][MAX_EMBD],
                        float b[N_TEXTS][MAX_EMBD])
{
    for (size_t t = 0; t < N_TEXTS; t++)
        assert_memory_equal(a[t], b[t], d->n_embd * sizeof(float));
}

/* Every text together with the others, with weights as they lie in the file and then packed. */
static void check_together(const struct encoder_model *d, const char *set,
                           float alone[N_TEXTS][MAX_EMBD])
{
    struct engine_params p = {.n_slots = 1, .n_batch = 512, .n_threads = 3, .kernels = set};
    static float out[N_TEXTS][MAX_EMBD];
    int32_t ids[N_TEXTS][MAX_TEXT];
    struct engine_text texts[N_TEXTS];
    struct fixture f;

    open_as(&f, d, &p);
    make_texts(ids, texts, out);
    assert_int_equal(engine_embed(f.e, texts, N_TEXTS, NULL), 0);
    assert_same(d, alone, out);
    while (engine_tune(f.e))
        ;
    if (strcmp(set, "ref") != 0) { /* which packs nothing */
        memset(out, 0, sizeof out);
        assert_int_equal(engine_embed(f.e, texts, N_TEXTS, NULL), 0);
        assert_same(d, alone, out);
    }
    close_both(&f);
}

static void test_encoder__same_bits_alone_and_together_with_any_kernels_and_threads(void **state)
{
    static float alone[N_TEXTS][MAX_EMBD];

    (void)state;
    for (size_t i = 0; i < COUNT(models); i++) {
        embed_alone(models[i], alone);
        for (const char *const *set = engine_kernel_sets(); *set; set++)
            check_together(models[i], *set, alone);
    }
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void expect_refusal(struct engine *e, const struct engine_text *texts, uint32_t n, int code,
                           const char *part)
{
    struct err err = {0};

    assert_int_equal(engine_embed(e, texts, n, &err), code);
    if (!strstr(err.text, part))
        fail_msg("'%s' is not in '%s'", part, err.text);
}

static bool is_in_vain(void *arg)
{
    return *(bool *)arg;
}

static void test_encoder__refuses_with_the_numbers_and_goes_on(void **state)
{
    static int32_t ids[2 * MAX_TEXT];
    static float out[ENGINE_EMBED_TEXTS + 1][MAX_EMBD];
    struct engine_text texts[ENGINE_EMBED_TEXTS + 1];
    struct engine_text one = {.tokens = ids, .n = 3, .out = out[0]};
    struct fixture f;

    (void)state;
    open_as(&f, &odd_bert, &(struct engine_params){.n_slots = 1, .n_batch = 8, .n_threads = 1});
    assert_int_equal(engine_n_batch(f.e), MAX_TEXT); /* a whole text */
    for (size_t i = 0; i < COUNT(texts); i++)
        texts[i] = (struct engine_text){.tokens = ids, .n = 1, .out = out[i]};
    expect_refusal(f.e, texts, 0, ERR_INVALID, "0 texts; 1 to 64");
    expect_refusal(f.e, texts, COUNT(texts), ERR_INVALID, "65 texts; 1 to 64");
    texts[1].n = MAX_TEXT;
    expect_refusal(f.e, texts, 2, ERR_INVALID, "have 41 tokens; 40 are the most");
    texts[1].n = MAX_TEXT + 1;
    expect_refusal(f.e, texts, 2, ERR_LIMIT,
                   "text 1 has 41 tokens and would pass the context of 40");
    texts[1].n = 0;
    expect_refusal(f.e, texts, 2, ERR_INVALID, "text 1 has no tokens");
    ids[2] = ENCODER_VOCAB;
    expect_refusal(f.e, &one, 1, ERR_INVALID, "token 2 of text 0 is 57, but the vocabulary has 57");
    ids[2] = -1;
    expect_refusal(f.e, &one, 1, ERR_INVALID, "is -1");
    ids[2] = 0;
    assert_int_equal(engine_embed(f.e, &one, 1, NULL), 0);
    engine_stop(f.e);
    expect_refusal(f.e, &one, 1, ERR_CANCELLED, "stopped");
    assert_int_equal(engine_embed(f.e, &one, 1, NULL), 0);
    engine_ask_whether_in_vain(f.e, is_in_vain, &(bool){true});
    expect_refusal(f.e, &one, 1, ERR_CANCELLED, "stopped");
    engine_ask_whether_in_vain(f.e, is_in_vain, &(bool){false});
    assert_int_equal(engine_embed(f.e, &one, 1, NULL), 0);
    close_both(&f);
}

static void test_encoder__an_encoder_generates_nothing(void **state)
{
    struct engine_row row = {0};
    struct err err = {0};
    struct fixture f;

    (void)state;
    open_plain(&f, &odd_bert);
    assert_int_equal(engine_seq_open(f.e, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "a bert model makes embeddings"));
    assert_int_equal(engine_decode(f.e, &row, 1, &err), ERR_UNSUPPORTED);
    close_both(&f);
}

static void test_encoder__a_decoder_embeds_nothing(void **state)
{
    static const enum tensor_type types[] = {TYPE_F32};
    const struct random_model d = {.arch = "llama",
                                   .n_layers = 1,
                                   .n_embd = 16,
                                   .n_heads = 1,
                                   .n_kv_heads = 1,
                                   .head_dim = 16,
                                   .n_ff = 16,
                                   .n_ctx = 32,
                                   .types = types,
                                   .n_types = 1,
                                   .seed = 5};
    float out[16];
    int32_t id = 1;
    struct engine_text text = {.tokens = &id, .n = 1, .out = out};
    struct err err = {0};
    struct fixture f;

    (void)state;
    assert_int_equal(random_model_open(&d, &f.m, &err), 0);
    assert_int_equal(engine_create(f.m, &(struct engine_params){.n_slots = 1}, &f.e, &err), 0);
    expect_refusal(f.e, &text, 1, ERR_UNSUPPORTED, "a llama model generates text");
    close_both(&f);
}

/* Each fault alone keeps the model from being opened, and its name is in the error; what is none
 * does not. */
static void test_encoder__faulty_files_are_refused_by_name(void **state)
{
    static const struct {
        const char *without, *misshapen, *more, *key;
        uint32_t value;
        bool nomic, fused, causal;
        int code;
        const char *part;
    } faults[] = {
        {.without = "token_embd_norm.bias", .code = ERR_NOT_FOUND, .part = "token_embd_norm.bias"},
        {.without = "position_embd.weight", .code = ERR_NOT_FOUND, .part = "position_embd.weight"},
        {.without = "blk.1.attn_k.weight", .code = ERR_NOT_FOUND, .part = "blk.1.attn_k.weight"},
        {.without = "blk.0.ffn_gate.weight",
         .nomic = true,
         .code = ERR_NOT_FOUND,
         .part = "blk.0.ffn_gate.weight"},
        {.without = "blk.1.layer_output_norm.weight",
         .code = ERR_NOT_FOUND,
         .part = "blk.1.layer_output_norm.weight"},
        {.misshapen = "blk.0.attn_qkv.weight",
         .fused = true,
         .code = ERR_INVALID,
         .part = "42 x 127, but must have 42 x 126"},
        {.misshapen = "blk.0.ffn_up.bias", .code = ERR_INVALID, .part = "blk.0.ffn_up.bias"},
        {.misshapen = "token_types.weight", .code = ERR_INVALID, .part = "token_types.weight"},
        {.misshapen = "position_embd.weight", .code = ERR_INVALID, .part = "42 x 41"},
        {.key = "pooling_type", .value = 4, .code = ERR_UNSUPPORTED, .part = "ranks pairs"},
        {.key = "pooling_type", .value = 5, .code = ERR_INVALID, .part = "pooling_type"},
        {.key = "moe_every_n_layers",
         .value = 2,
         .nomic = true,
         .code = ERR_UNSUPPORTED,
         .part = "moe_every_n_layers"},
        {.key = "attention.key_length", .value = 12, .code = ERR_INVALID, .part = "12 values"},
        {.causal = true, .code = ERR_UNSUPPORTED, .part = "attention.causal"},
        {.more = "blk.0.attn_q_norm.weight",
         .code = ERR_UNSUPPORTED,
         .part = "'blk.0.attn_q_norm.weight' is not known to a bert model"},
        {.more = "position_embd.weight",
         .nomic = true,
         .code = ERR_UNSUPPORTED,
         .part = "'position_embd.weight' is not known to a nomic-bert model"},
        {.more = "dense_2.weight", .code = ERR_UNSUPPORTED, .part = "'dense_2.weight' is not"},
        /* heads that make classes and ranks of embeddings are no part of them */
        {.more = "cls.output.bias"},
        {.more = "pooler.dense.weight"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(faults); i++) {
        struct encoder_model d = odd_bert;
        struct engine_model *m;
        struct err err = {0};

        d.without = faults[i].without;
        d.misshapen = faults[i].misshapen;
        d.more = faults[i].more;
        d.key = faults[i].key;
        d.value = faults[i].value;
        d.nomic = faults[i].nomic;
        d.fused = faults[i].fused;
        d.causal = faults[i].causal;
        assert_int_equal(encoder_model_open(&d, &m, &err), faults[i].code);
        if (!faults[i].code)
            engine_model_close(m);
        else if (!strstr(err.text, faults[i].part))
            fail_msg("'%s' is not in '%s'", faults[i].part, err.text);
    }
}

static uint64_t told(const char *json, const char *key)
{
    const char *at = strstr(json, key);

    assert_non_null(at);
    return strtoull(at + strlen(key), NULL, 10);
}

/* The plan was made for the default context, whatever was asked for: a text goes through in one
 * piece, and what it is computed in grows with it. */
static void test_encoder__inspect_tells_what_a_position_takes(void **state)
{
    struct encoder_model d = half_nomic;
    const uint32_t ctx[] = {ENGINE_DEFAULT_CTX, 8192, 20000};
    int fd = memfd_create("an encoder", MFD_CLOEXEC);
    struct engine_model *m = NULL;
    struct buf json;
    uint8_t *bytes;
    size_t n_bytes;
    char path[32];

    (void)state;
    d.n_ctx = 20000;
    encoder_model_bytes(&d, &bytes, &n_bytes);
    assert_true(fd >= 0 && write(fd, bytes, n_bytes) == (ssize_t)n_bytes);
    free(bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    buf_init(&json, 1 << 16);
    assert_int_equal(engine_inspect(path, &json, NULL), 0);
    assert_int_equal(engine_model_open(path, &m, NULL), 0);
    for (size_t i = 0; i < COUNT(ctx); i++) {
        uint64_t need = engine_memory_need(m, 1, ctx[i], 0);
        uint64_t plan =
            told(buf_str(&json), "\"scratch_bytes\":") +
            (ctx[i] - ENGINE_DEFAULT_CTX) * told(buf_str(&json), "\"scratch_bytes_per_position\":");

        assert_true(plan >= need && plan - need < need / 50);
    }
    engine_model_close(m);
    buf_done(&json);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoder__float_models_match_the_reference),
        cmocka_unit_test(test_encoder__quantised_models_match_the_reference),
        cmocka_unit_test(test_encoder__pooling_is_what_the_file_says),
        cmocka_unit_test(test_encoder__vectors_are_raw_where_the_file_means_it),
        cmocka_unit_test(test_encoder__normalised_vectors_have_length_1),
        cmocka_unit_test(test_encoder__same_bits_alone_and_together_with_any_kernels_and_threads),
        cmocka_unit_test(test_encoder__refuses_with_the_numbers_and_goes_on),
        cmocka_unit_test(test_encoder__an_encoder_generates_nothing),
        cmocka_unit_test(test_encoder__a_decoder_embeds_nothing),
        cmocka_unit_test(test_encoder__faulty_files_are_refused_by_name),
        cmocka_unit_test(test_encoder__inspect_tells_what_a_position_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
