/*
 * test_golden.c - a real trained model says what its authors' own program says: the text of 200
 * greedy steps, byte for byte, with every kernel set and whatever else runs beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/path.h"
#include "engine/engine.h"

#define N_STEPS  200
#define TEXT_MAX 4096

struct golden {
    struct engine_model *m;
    char *text; /* of N_STEPS greedy steps from BOS */
    size_t n_text;
};

static int find_data(void **state)
{
    const char *root = getenv("RBEE_TEST_DATA");
    static struct golden g;
    char *dir = path_join(root ? root : RBEE_SOURCE_DIR "/../shared/data", "stories260K");
    char *model = path_join(dir, "stories260K.gguf");
    char *text = path_join(dir, "greedy-200-steps.txt");
    int rc = 0;

    if (path_is_file(model) && path_is_file(text))
        rc = engine_model_open(model, &g.m, NULL) ||
             path_read_file(text, TEXT_MAX, &g.text, &g.n_text, NULL);
    *state = &g;
    free(dir);
    free(model);
    free(text);
    return rc;
}

static int drop_data(void **state)
{
    struct golden *g = *state;

    engine_model_close(g->m);
    free(g->text);
    return 0;
}

static void need_data(const struct golden *g)
{
    if (!g->m) {
        print_message("stories260K is not in RBEE_TEST_DATA: skipped\n");
        skip();
    }
}

/* One sequence that says its greedy continuation. */
struct speaker {
    int seq;
    int32_t next;
    struct engine_detok *detok;
    struct buf text;
};

static void speaker_open(struct speaker *s, struct engine *e, const struct golden *g,
                         bool strip_blank)
{
    s->seq = engine_seq_open(e, NULL);
    assert_true(s->seq >= 0);
    assert_int_equal(engine_detok_create(g->m, false, strip_blank, &s->detok, NULL), 0);
    buf_init(&s->text, TEXT_MAX);
}

static void speaker_close(struct speaker *s, struct engine *e)
{
    engine_seq_close(e, s->seq);
    engine_detok_free(s->detok);
    buf_done(&s->text);
}

static int32_t likeliest(const float *logits, uint32_t n)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

static void listen_to(struct speaker *s, const struct engine *e, uint32_t row, uint32_t n_vocab)
{
    s->next = likeliest(engine_logits(e, row), n_vocab);
    assert_int_equal(engine_detok_put(s->detok, s->next, &s->text), 0);
}

static uint32_t vocab_of(const struct golden *g)
{
    struct engine_model_info info;

    engine_model_info(g->m, &info);
    return info.n_vocab;
}

static void speak(const struct golden *g, struct engine *e, uint32_t n_others)
{
    struct engine_row rows[8];
    struct speaker s;

    speaker_open(&s, e, g, true);
    s.next = engine_token_bos(g->m);
    for (uint32_t i = 0; i < n_others; i++)
        assert_true(engine_seq_open(e, NULL) >= 0);
    for (int step = 0; step < N_STEPS; step++) {
        uint32_t at = n_others ? (uint32_t)step % n_others : 0; /* its place in the batch */
        int other = 1;

        for (uint32_t i = 0; i <= n_others; i++)
            rows[i] = i == at
                          ? (struct engine_row){s.next, s.seq, true}
                          : (struct engine_row){(step * 7 + other) % 512, other, other % 2 == 0};
        for (uint32_t i = 0; i <= n_others; i++)
            if (i != at)
                rows[i].seq = other++;
        assert_int_equal(engine_decode(e, rows, n_others + 1, NULL), 0);
        listen_to(&s, e, at, vocab_of(g));
    }
    assert_string_equal(buf_str(&s.text), g->text);
    speaker_close(&s, e);
    for (uint32_t i = 0; i < n_others; i++)
        engine_seq_close(e, (int)i + 1);
}

static void test_golden__200_greedy_steps_give_the_published_text(void **state)
{
    struct golden *g = *state;

    need_data(g);
    for (const char *const *k = engine_kernel_sets(); *k; k++)
        for (unsigned n_threads = 1; n_threads <= 2; n_threads++) {
            struct engine_params p = {
                .n_slots = 4, .n_ctx = 256, .n_threads = n_threads, .kernels = *k};
            struct engine *e;

            assert_int_equal(engine_create(g->m, &p, &e, NULL), 0);
            speak(g, e, n_threads == 1 ? 0 : 3);
            engine_free(e);
        }
}

static void test_golden__a_prompt_of_the_texts_beginning_gives_its_continuation(void **state)
{
    static const char prompt[] = "Once upon a time";
    struct golden *g = *state;
    struct engine_params p = {.n_slots = 1, .n_ctx = 256, .n_threads = 2};
    struct engine_row rows[64];
    struct speaker s;
    struct engine *e;
    int32_t *ids;
    size_t n;

    need_data(g);
    assert_int_equal(engine_create(g->m, &p, &e, NULL), 0);
    assert_int_equal(
        engine_tokenize(g->m, prompt, strlen(prompt), ENGINE_ADD_SPECIAL, NULL, &ids, &n, NULL), 0);
    assert_in_range(n, 2, 64);
    speaker_open(&s, e, g, false);
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct engine_row){ids[i], s.seq, i + 1 == n};
    assert_int_equal(engine_decode(e, rows, (uint32_t)n, NULL), 0);
    listen_to(&s, e, (uint32_t)n - 1, vocab_of(g));
    while (engine_seq_len(e, s.seq) < N_STEPS) {
        rows[0] = (struct engine_row){s.next, s.seq, true};
        assert_int_equal(engine_decode(e, rows, 1, NULL), 0);
        listen_to(&s, e, 0, vocab_of(g));
    }
    assert_string_equal(buf_str(&s.text), g->text + strlen(prompt));
    speaker_close(&s, e);
    engine_free(e);
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden__200_greedy_steps_give_the_published_text),
        cmocka_unit_test(test_golden__a_prompt_of_the_texts_beginning_gives_its_continuation),
    };

    return cmocka_run_group_tests(tests, find_data, drop_data);
}
