/*
 * test_engine.c - engines and sequences: forks, truncation, refusals that change nothing, stopping,
 * and that decoding allocates nothing.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine_fixture.h"

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

static float text_logits[N_TEXT * VOCAB], other_logits[N_TEXT * VOCAB];

/* ---- packed weights ---------------------------------------------------------------------- */

/* Weights are packed while sequences are being decoded; nobody may see that in the logits. */
static void check_tuning(const struct random_model *d, const char *kernels, unsigned n_threads)
{
    const struct engine_params params = {
        .n_slots = 1, .n_batch = 160, .n_threads = n_threads, .kernels = kernels};
    int32_t ids[N_TEXT];
    struct fixture f;
    int seq;

    random_text(ids, 41);
    fixture_open(&f, d, &params);
    seq = open_seq(f.e);
    decode(f.e, seq, ids, 40, 7, text_logits);
    while (engine_tune(f.e))
        ;
    assert_false(engine_tune(f.e));
    decode(f.e, seq, ids + 40, N_TEXT - 40, 1, text_logits + 40 * VOCAB);
    plain_logits(d, ids, N_TEXT, other_logits);
    assert_same_bits(text_logits, other_logits, N_TEXT);
    engine_seq_truncate(f.e, seq, 0);
    decode(f.e, seq, ids, N_TEXT, N_TEXT, text_logits);
    assert_same_bits(text_logits, other_logits, N_TEXT);
    fixture_close(&f);
}

static void test_engine__packed_weights_give_the_same_bits(void **state)
{
    (void)state;
    for (const char *const *set = fixture_kernel_sets(); *set; set++) {
        for (size_t i = 0; i < COUNT(fixture_models); i++)
            check_tuning(fixture_models[i], *set, 1 + 2 * (i % 2));
    }
}

static void test_engine__in_place_there_is_nothing_to_tune(void **state)
{
    const struct engine_params params = {.n_slots = 1, .n_threads = 1, .in_place = true};
    struct fixture f;

    (void)state;
    fixture_open(&f, &k_model, &params);
    assert_false(engine_tune(f.e));
    fixture_close(&f);
}

/* Anonymous mappings of the engine until one fails; 0 = none does. */
static int maps_left;

/* mmap, by the name that 64-bit offsets give it. */
void *__real_mmap64(void *at, size_t n, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t n, int protection, int flags, int fd, off_t offset);

void *__wrap_mmap64(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_NORESERVE) && maps_left > 0 && --maps_left == 0)
        return MAP_FAILED;
    return __real_mmap64(at, n, protection, flags, fd, offset);
}

/*
 * Where address space counts as memory (vm.overcommit_memory=2, ulimit -v) there may be room for a
 * model's keys and values and none for a second copy of its weights: it was refused.
 */
static void test_engine__without_room_for_packed_weights_they_stay_as_they_are(void **state)
{
    const struct engine_params params = {.n_slots = 1, .n_threads = 1};
    int32_t ids[N_TEXT];
    struct fixture f;
    bool packs;

    (void)state;
    fixture_open(&f, &k_model, &params);
    assert_false(engine_is_unpacked(f.e));
    fixture_close(&f);
    random_text(ids, 41);
    maps_left = 3; /* behind the keys and values, and the scratch */
    fixture_open(&f, &k_model, &params);
    packs = maps_left == 0;
    maps_left = 0;
    assert_int_equal(engine_is_unpacked(f.e), packs);
    assert_false(engine_tune(f.e));
    decode(f.e, open_seq(f.e), ids, N_TEXT, N_TEXT, text_logits);
    plain_logits(&k_model, ids, N_TEXT, other_logits);
    assert_same_bits(text_logits, other_logits, N_TEXT);
    fixture_close(&f);
    if (!packs)
        skip(); /* no kernels here that take packed weights */
}

/* ---- forks and truncation ---------------------------------------------------------------- */

/* The parent decodes all; the child begins at `shared` and goes on with a text of its own. */
static void check_fork(const struct random_model *d, uint32_t shared)
{
    int32_t ids[N_TEXT], branch[N_TEXT];
    struct fixture f;
    int parent, child;

    random_text(ids, 21);
    random_text(branch, 22);
    memcpy(branch, ids, shared * sizeof *ids);
    fixture_open_plain(&f, d);
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
    fixture_close(&f);
}

static void test_engine__a_fork_is_as_good_as_decoding_the_beginning_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fixture_models); i++) {
        check_fork(fixture_models[i], 32);
        check_fork(fixture_models[i], 41);
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
    fixture_open_plain(&f, &simple_model);
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
    fixture_close(&f);
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
    fixture_open_plain(&f, &half_model);
    seq = open_seq(f.e);
    decode(f.e, seq, ids, 37, 37, other_logits);
    decode(f.e, seq, wrong, 38, 38, other_logits + 37 * VOCAB);
    engine_seq_truncate(f.e, seq, 37);
    assert_int_equal(engine_seq_len(f.e, seq), 37);
    decode(f.e, seq, ids + 37, N_TEXT - 37, 19, other_logits + 37 * VOCAB);
    assert_same_bits(text_logits, other_logits, N_TEXT);
    fixture_close(&f);
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
    fixture_open_plain(&f, &odd_model);
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
    fixture_close(&f);
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
    fixture_open(&f, &odd_model, &p);
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
    fixture_close(&f);
}

static void test_engine__sequences_run_out_and_come_back(void **state)
{
    struct err err = {0};
    struct fixture f;

    (void)state;
    fixture_open_plain(&f, &odd_model);
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
    fixture_close(&f);
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
    check_params(m, (struct engine_params){.n_slots = 1, .kv_type = ENGINE_KV_Q8_0},
                 ERR_UNSUPPORTED, "need heads of a multiple of 32, but this model's have 14");
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
    fixture_open_plain(&f, &simple_model);
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
    fixture_close(&f);
}

/* True once it was asked so often. */
static bool is_enough(void *arg)
{
    return --*(int *)arg == 0;
}

/* Ended in the middle, a batch leaves no trace: asked for again it gives the same bits. */
static void test_engine__a_batch_that_nobody_wants_ends_before_its_next_layer(void **state)
{
    struct engine_row row = {.token = 1};
    struct fixture f;
    int32_t ids[N_TEXT];
    int n_asks = 2;
    int seq;

    (void)state;
    assert_true(simple_model.n_layers >= 2);
    random_text(ids, 62);
    plain_logits(&simple_model, ids, N_TEXT, text_logits);
    fixture_open_plain(&f, &simple_model);
    seq = open_seq(f.e);
    engine_ask_whether_in_vain(f.e, is_enough, &n_asks);
    row.seq = seq;
    check_refused(f.e, &row, 1, ERR_CANCELLED, "stopped");
    assert_int_equal(engine_seq_len(f.e, seq), 0);
    assert_int_equal(engine_steps(f.e), 1);
    decode(f.e, seq, ids, N_TEXT, 43, other_logits); /* asked on: it is not in vain */
    assert_true(n_asks < -1);
    assert_same_bits(text_logits, other_logits, N_TEXT);
    fixture_close(&f);
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
    fixture_open(&f, &d, &p);
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
    fixture_close(&f);
}

/* Until its weights are read, a file may lose them: that is an error, not a signal. */
static void test_engine__a_file_cut_short_is_an_error(void **state)
{
    struct engine_params p = {.n_slots = 1, .n_threads = 2};
    struct engine_row row = {.token = 5, .want_logits = true};
    int fd = random_model_fd(&simple_model);
    struct engine_model *m;
    struct err err = {0};
    struct engine *e;

    (void)state;
    assert_int_equal(engine_model_open_fds(&fd, 1, "cut.gguf", &m, NULL), 0);
    assert_int_equal(engine_create(m, &p, &e, NULL), 0);
    row.seq = open_seq(e);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(engine_decode(e, &row, 1, &err), ERR_IO);
    assert_string_equal(err.text,
                        "cut.gguf: the weights cannot be read: the file has become shorter");
    assert_int_equal(engine_seq_len(e, row.seq), 0);
    assert_int_equal(engine_model_load(m, NULL, NULL, &err), ERR_IO);
    assert_string_equal(err.text,
                        "cut.gguf: the weights cannot be read: the file has become shorter");
    engine_free(e);
    engine_model_close(m);
    close(fd);
}

/*
 * A disk that failed was told as "the file has become shorter", and people looked for who had cut
 * it. What fails here is a folder in the place of the descriptor that the model reads by.
 */
static void test_engine__a_file_that_cannot_be_read_is_told_with_the_reason(void **state)
{
    const char *told = "bad.gguf: the weights cannot be read: Is a directory";
    struct engine_params p = {.n_slots = 1, .n_threads = 2};
    struct engine_row row = {.token = 5, .want_logits = true};
    int fd = random_model_fd(&simple_model), own = fcntl(fd, F_DUPFD_CLOEXEC, 0), folder;
    struct engine_model *m;
    struct stat was, is;
    struct err err = {0};
    struct engine *e;

    (void)state;
    close(own); /* the first one that is free: the model's */
    assert_int_equal(engine_model_open_fds(&fd, 1, "bad.gguf", &m, NULL), 0);
    assert_int_equal(engine_create(m, &p, &e, NULL), 0);
    row.seq = open_seq(e);
    assert_int_equal(fstat(fd, &was) | fstat(own, &is), 0);
    assert_int_equal(was.st_ino, is.st_ino);
    folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(dup2(folder, own), own);
    assert_int_equal(engine_decode(e, &row, 1, &err), ERR_IO);
    assert_string_equal(err.text, told);
    assert_int_equal(engine_model_load(m, NULL, NULL, &err), ERR_IO);
    assert_string_equal(err.text, told);
    engine_free(e);
    engine_model_close(m);
    close(folder);
    close(fd);
}

static void test_engine__decoding_allocates_nothing(void **state)
{
    int32_t ids[N_TEXT];
    struct fixture f;
    unsigned long before;

    (void)state;
    random_text(ids, 71);
    fixture_open_plain(&f, &k_model);
    assert_true(n_allocations > 0); /* opening did, so the count is alive */
    before = n_allocations;
    decode(f.e, open_seq(f.e), ids, N_TEXT, 7, other_logits);
    assert_int_equal(n_allocations, before);
    fixture_close(&f);
}

/* ---- nonsense weights -------------------------------------------------------------------- */

/* A file may hold any bits as weights: NaN, infinities, random ones. Replies may then be anything.
 */
static void check_nonsense(const struct random_model *d, const char *kernels, bool all_ones)
{
    struct engine_params p = {.n_slots = 1, .n_batch = 64, .n_threads = 2, .kernels = kernels};
    struct engine_sampling how = engine_sampling_default();
    struct engine_sampler *sampler;
    struct fixture f;
    int32_t ids[N_TEXT];
    uint64_t state = 5;
    uint8_t *bytes, *at;
    size_t n;
    int fd = memfd_create("nonsense", MFD_CLOEXEC);

    random_model_bytes(d, &bytes, &n);
    at = bytes + n / 4; /* the header is far shorter */
    for (; at < bytes + n; at++)
        *at = all_ones ? 0xff : (uint8_t)random_u32(&state);
    assert_int_equal(write(fd, bytes, n), n);
    assert_int_equal(engine_model_open_fds(&fd, 1, "nonsense", &f.m, NULL), 0);
    assert_int_equal(engine_create(f.m, &p, &f.e, NULL), 0);
    assert_int_equal(engine_sampler_create(f.m, &how, &sampler, NULL), 0);
    random_text(ids, 3);
    decode(f.e, open_seq(f.e), ids, 40, 33, other_logits);
    for (int i = 0; i < 40; i++)
        assert_in_range(engine_sampler_next(sampler, other_logits + i * VOCAB), 0, VOCAB - 1);
    engine_sampler_free(sampler);
    fixture_close(&f);
    close(fd);
    free(bytes);
}

static void test_engine__survives_weights_of_nonsense(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(fixture_models); i++)
        for (const char *const *k = fixture_kernel_sets(); *k; k++) {
            check_nonsense(fixture_models[i], *k, true);
            check_nonsense(fixture_models[i], *k, false);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engine__packed_weights_give_the_same_bits),
        cmocka_unit_test(test_engine__in_place_there_is_nothing_to_tune),
        cmocka_unit_test(test_engine__without_room_for_packed_weights_they_stay_as_they_are),
        cmocka_unit_test(test_engine__a_fork_is_as_good_as_decoding_the_beginning_again),
        cmocka_unit_test(test_engine__truncating_into_a_shared_page_leaves_the_other_alone),
        cmocka_unit_test(test_engine__truncated_and_decoded_again_gives_the_same_bits),
        cmocka_unit_test(test_engine__refuses_bad_batches_and_changes_nothing),
        cmocka_unit_test(test_engine__a_full_context_is_refused_and_the_rest_stays_right),
        cmocka_unit_test(test_engine__sequences_run_out_and_come_back),
        cmocka_unit_test(test_engine__refuses_bad_parameters),
        cmocka_unit_test(test_engine__a_stop_asked_for_before_ends_the_next_batch_only),
        cmocka_unit_test(test_engine__a_batch_that_nobody_wants_ends_before_its_next_layer),
        cmocka_unit_test(test_engine__a_stop_from_another_thread_ends_a_running_batch),
        cmocka_unit_test(test_engine__a_file_cut_short_is_an_error),
        cmocka_unit_test(test_engine__a_file_that_cannot_be_read_is_told_with_the_reason),
        cmocka_unit_test(test_engine__decoding_allocates_nothing),
        cmocka_unit_test(test_engine__survives_weights_of_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
