/*
 * test_prefix.c - beginnings that are kept: found by their tokens, shared, evicted, never mixed up,
 * and the same bits as decoding them again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/model/kv.h"
#include "engine/model/prefix.h"
#include "engine_fixture.h"

#define N_CTX 100 /* four pages, the last one of four positions */
#define PAGES 4
#define SLOTS 3

/* ---- the tree ---------------------------------------------------------------------------- */

static void fill(struct prefix *p, uint32_t page, int32_t first)
{
    for (int i = 0; i < KV_PAGE_TOKENS; i++)
        prefix_tokens(p, page)[i] = first + i;
}

static void test_prefix__finds_what_has_most_in_common(void **state)
{
    int32_t ask[KV_PAGE_TOKENS];
    struct prefix *p;
    uint32_t n;

    (void)state;
    assert_int_equal(prefix_create(4, &p, NULL), 0);
    assert_int_equal(prefix_find(p, PREFIX_NONE, ask, 1, &n), PREFIX_NONE);
    fill(p, 0, 100);
    fill(p, 1, 100);
    prefix_tokens(p, 1)[10] = 7;
    fill(p, 2, 100);
    prefix_add(p, PREFIX_NONE, 0, 20); /* begun: 20 tokens */
    prefix_add(p, PREFIX_NONE, 1, KV_PAGE_TOKENS);
    prefix_add(p, 1, 2, KV_PAGE_TOKENS);
    for (int i = 0; i < KV_PAGE_TOKENS; i++)
        ask[i] = 100 + i;
    assert_int_equal(prefix_find(p, PREFIX_NONE, ask, KV_PAGE_TOKENS, &n), 0);
    assert_int_equal(n, 20);
    ask[10] = 7;
    assert_int_equal(prefix_find(p, PREFIX_NONE, ask, KV_PAGE_TOKENS, &n), 1);
    assert_int_equal(n, KV_PAGE_TOKENS);
    assert_int_equal(prefix_find(p, 1, ask, 11, &n), 2); /* another way, another page */
    assert_int_equal(n, 10);
    ask[0] = 1;
    assert_int_equal(prefix_find(p, PREFIX_NONE, ask, KV_PAGE_TOKENS, &n), PREFIX_NONE);
    assert_int_equal(n, 0);
    prefix_free(p);
}

static void test_prefix__evicts_leaves_first_and_the_longest_rested_of_all(void **state)
{
    struct prefix *p;

    (void)state;
    assert_int_equal(prefix_create(4, &p, NULL), 0);
    for (uint32_t i = 0; i < 4; i++)
        fill(p, i, (int32_t)(1000 * i));
    prefix_add(p, PREFIX_NONE, 0, KV_PAGE_TOKENS);
    prefix_add(p, 0, 1, KV_PAGE_TOKENS);
    prefix_add(p, 0, 2, 5);
    prefix_add(p, PREFIX_NONE, 3, KV_PAGE_TOKENS);
    for (uint32_t i = 3; i < 4; i--)
        prefix_rest(p, i); /* 3 2 1 0 */
    prefix_wake(p, 3);
    prefix_rest(p, 3); /* 2 1 0 3 */
    assert_int_equal(prefix_n_resting(p), 4);
    assert_int_equal(prefix_evict(p), 2);
    assert_false(prefix_has(p, 2));
    assert_int_equal(prefix_evict(p), 1);
    assert_int_equal(prefix_evict(p), 0);
    assert_true(prefix_has(p, 3));
    assert_int_equal(prefix_evict(p), 3);
    assert_int_equal(prefix_n_resting(p), 0);
    prefix_free(p);
}

/* ---- pages ------------------------------------------------------------------------------- */

#define MAX_PAGES (N_CTX / KV_PAGE_TOKENS + 1)
#define HEAD_DIM  4 /* one float for each byte of a mark */

static const struct kv_shape shape = {.n_layers = 1, .n_kv_heads = 1, .head_dim = HEAD_DIM};

struct text {
    int seq; /* -1: closed */
    int32_t tokens[N_CTX];
};

static struct kv *create(void)
{
    struct kv *kv;

    assert_int_equal(kv_create(&shape, SLOTS, N_CTX, &kv, NULL), 0);
    assert_int_equal(kv_keep_prefixes(kv, NULL), 0);
    return kv;
}

/* What a position holds: a number made of its token and of all before it (FNV-1a, 32 bits). */
static uint32_t mark(const int32_t *tokens, uint32_t pos)
{
    uint32_t h = 2166136261u;

    for (uint32_t i = 0; i <= pos; i++)
        h = (h ^ (uint32_t)tokens[i]) * 16777619u;
    return h;
}

/* "Decodes" the next n of t->tokens. */
static void grow(struct kv *kv, const struct text *t, uint32_t n)
{
    uint32_t begin = kv_len(kv, t->seq);

    kv_reserve(kv, t->seq, n);
    for (uint32_t pos = begin; pos < begin + n; pos++) {
        uint32_t m = mark(t->tokens, pos);
        float k[HEAD_DIM], v[HEAD_DIM];

        for (uint32_t i = 0; i < HEAD_DIM; i++) {
            k[i] = (float)(m >> (8 * i) & 255);
            v[i] = (float)(~m >> (8 * i) & 255);
        }
        kv_label(kv, t->seq, pos, t->tokens[pos]);
        kv_put(kv, kern_find("ref"), t->seq, 0, 0, pos, k, v);
    }
    kv_grow(kv, t->seq, n);
}

static void check(const struct kv *kv, const struct text *t)
{
    const void *k[MAX_PAGES], *v[MAX_PAGES];

    kv_view(kv, t->seq, 0, 0, 0, kv_pages_for(kv_len(kv, t->seq)), k, v);
    for (uint32_t pos = 0; pos < kv_len(kv, t->seq); pos++) {
        const uint32_t m = mark(t->tokens, pos), at = pos % KV_PAGE_TOKENS;
        const uint16_t *keys = k[pos / KV_PAGE_TOKENS], *values = v[pos / KV_PAGE_TOKENS];

        for (uint32_t i = 0; i < HEAD_DIM; i++) {
            assert_int_equal(kern_f16_to_f32(keys[i * KV_PAGE_TOKENS + at]), m >> (8 * i) & 255);
            assert_int_equal(kern_f16_to_f32(values[at * HEAD_DIM + i]), ~m >> (8 * i) & 255);
        }
    }
}

static void open_text(struct kv *kv, struct text *t, int32_t first)
{
    t->seq = kv_open(kv, NULL);
    assert_true(t->seq >= 0);
    for (int32_t i = 0; i < N_CTX; i++)
        t->tokens[i] = first + i;
}

static void test_prefix__a_closed_sequence_is_found_to_the_last_token(void **state)
{
    struct kv *kv = create();
    struct text t;

    (void)state;
    open_text(kv, &t, 5);
    grow(kv, &t, 75);
    kv_close(kv, t.seq);
    assert_int_equal(kv_pages_used(kv), 0);
    open_text(kv, &t, 5);
    assert_int_equal(kv_reuse(kv, t.seq, t.tokens, 50), 50); /* not more than asked for */
    check(kv, &t);
    assert_int_equal(kv_reuse(kv, t.seq, t.tokens, 99), 75);
    check(kv, &t);
    assert_int_equal(kv_pages_used(kv), 3);
    grow(kv, &t, 25); /* into a copy: the kept page stays as it was */
    check(kv, &t);
    kv_close(kv, t.seq);
    open_text(kv, &t, 5);
    t.tokens[70] = 1;
    assert_int_equal(kv_reuse(kv, t.seq, t.tokens, 99), 70);
    grow(kv, &t, 30);
    check(kv, &t);
    kv_free(kv);
}

static void test_prefix__the_whole_pages_of_an_open_sequence_are_shared(void **state)
{
    struct kv *kv = create();
    struct text a, b;

    (void)state;
    open_text(kv, &a, 5);
    open_text(kv, &b, 5);
    grow(kv, &a, 33);
    assert_int_equal(kv_reuse(kv, b.seq, b.tokens, 99), 32);
    assert_int_equal(kv_pages_used(kv), 2);
    grow(kv, &b, 3); /* it begins a page of its own ... */
    grow(kv, &a, 40);
    assert_int_equal(kv_reuse(kv, b.seq, b.tokens, 99), 64); /* ... and finds a better one */
    check(kv, &b);
    assert_int_equal(kv_pages_used(kv), 3);
    kv_close(kv, a.seq);
    check(kv, &b);
    assert_int_equal(kv_pages_used(kv), 2);
    kv_free(kv);
}

/* Two who decoded the same without knowing of each other hold it once from then on. */
static void test_prefix__the_same_pages_become_one(void **state)
{
    struct kv *kv = create();
    struct text a, b, c;

    (void)state;
    open_text(kv, &a, 5);
    open_text(kv, &b, 5);
    open_text(kv, &c, 9);
    grow(kv, &a, 64);
    grow(kv, &b, 64);
    assert_int_equal(kv_pages_used(kv), 4);
    assert_int_equal(kv_reuse(kv, c.seq, c.tokens, 99), 0);
    assert_int_equal(kv_pages_used(kv), 2);
    grow(kv, &b, 1);
    check(kv, &a);
    check(kv, &b);
    kv_free(kv);
}

static void test_prefix__the_pool_takes_kept_pages_when_it_needs_them(void **state)
{
    struct kv *kv = create();
    struct text t[SLOTS];

    (void)state;
    for (int32_t round = 0; round < 5; round++) {
        for (int32_t i = 0; i < SLOTS; i++) {
            open_text(kv, &t[i], 1000 * round + 100 * i);
            grow(kv, &t[i], N_CTX);
        }
        assert_int_equal(kv_pages_used(kv), SLOTS * PAGES);
        for (int32_t i = 0; i < SLOTS; i++) {
            check(kv, &t[i]);
            /* with all pages held, one that is kept must be written again */
            assert_int_equal(kv_reuse(kv, t[i].seq, t[i].tokens, N_CTX), N_CTX);
            kv_truncate(kv, t[i].seq, 90);
            t[i].tokens[90] = 1;
            grow(kv, &t[i], 10);
            check(kv, &t[i]);
        }
        for (int32_t i = 0; i < SLOTS; i++)
            kv_close(kv, t[i].seq);
        assert_int_equal(kv_pages_used(kv), 0);
    }
    kv_free(kv);
}

static void test_prefix__the_least_recently_used_goes_first(void **state)
{
    struct kv *kv = create();
    struct text a, b, c;

    (void)state;
    open_text(kv, &a, 1000);
    grow(kv, &a, N_CTX);
    kv_close(kv, a.seq);
    open_text(kv, &b, 2000);
    grow(kv, &b, N_CTX);
    kv_close(kv, b.seq);
    open_text(kv, &a, 1000); /* used again */
    assert_int_equal(kv_reuse(kv, a.seq, a.tokens, 64), 64);
    kv_close(kv, a.seq);
    open_text(kv, &c, 3000);
    grow(kv, &c, N_CTX); /* the last four free pages */
    kv_truncate(kv, c.seq, 0);
    open_text(kv, &b, 4000);
    grow(kv, &b, 96); /* no free ones: the end of the first text, and of the second */
    open_text(kv, &a, 1000);
    assert_int_equal(kv_reuse(kv, a.seq, a.tokens, N_CTX), N_CTX);
    kv_free(kv);
}

static uint32_t roll(uint64_t *state, uint32_t n)
{
    return random_u32(state) % n;
}

/* One random step of the text in a slot of its own. */
static void random_step(struct kv *kv, struct text *t, uint64_t *random)
{
    uint32_t len = t->seq < 0 ? 0 : kv_len(kv, t->seq);

    if (t->seq < 0) {
        t->seq = kv_open(kv, NULL);
        /* all tokens alike but a few: many beginnings in common */
        memset(t->tokens, 0, sizeof t->tokens);
        for (int i = 0; i < 3; i++)
            t->tokens[roll(random, N_CTX)] = (int32_t)roll(random, 2);
        return;
    }
    switch (roll(random, 6)) {
    case 0:
        kv_close(kv, t->seq);
        t->seq = -1;
        return;
    case 1:
        kv_truncate(kv, t->seq, roll(random, N_CTX - 1));
        len = kv_len(kv, t->seq); /* and goes on in another way */
        t->tokens[len + roll(random, N_CTX - len)] = (int32_t)roll(random, 2);
        break;
    case 2:
        assert_true(kv_reuse(kv, t->seq, t->tokens, len + roll(random, N_CTX - len + 1)) >= len);
        break;
    default:
        grow(kv, t, roll(random, N_CTX - len + 1));
    }
    check(kv, t);
}

static void test_prefix__whatever_happens_every_position_holds_its_own(void **state)
{
    struct text t[SLOTS] = {{.seq = -1}, {.seq = -1}, {.seq = -1}};
    struct kv *kv = create();
    uint64_t random = 77;

    (void)state;
    for (int step = 0; step < 20000; step++) {
        random_step(kv, &t[roll(&random, SLOTS)], &random);
        for (int i = 0; i < SLOTS; i++)
            if (t[i].seq >= 0)
                check(kv, &t[i]);
        assert_true(kv_pages_used(kv) <= SLOTS * PAGES);
    }
    for (int i = 0; i < SLOTS; i++)
        if (t[i].seq >= 0)
            kv_close(kv, t[i].seq);
    assert_int_equal(kv_pages_used(kv), 0);
    kv_free(kv);
}

/* ---- bits -------------------------------------------------------------------------------- */

static float want[N_TEXT * VOCAB], got[N_TEXT * VOCAB];

/* Fills the cache with `ids` and goes on behind n of them with `branch`. */
static void check_bits(const struct random_model *d, const int32_t *ids, uint32_t n)
{
    struct engine_params p = {.n_slots = 2, .n_batch = 160, .n_threads = 2, .keep_prefixes = true};
    int32_t branch[N_TEXT];
    struct fixture f;
    int seq;

    random_text(branch, 92);
    memcpy(branch, ids, n * sizeof *ids);
    branch[n] = (ids[n] + 1) % VOCAB;
    plain_logits(d, branch, N_TEXT, want);
    fixture_open(&f, d, &p);
    seq = open_seq(f.e);
    decode(f.e, seq, ids, N_TEXT, 9, got);
    engine_seq_close(f.e, seq);
    seq = open_seq(f.e);
    assert_int_equal(engine_seq_reuse(f.e, seq, branch, N_TEXT - 1), n);
    assert_int_equal(engine_seq_len(f.e, seq), n);
    decode(f.e, seq, branch + n, N_TEXT - n, 11, got + n * VOCAB);
    assert_same_bits(want + n * VOCAB, got + n * VOCAB, N_TEXT - n);
    fixture_close(&f);
}

static void test_prefix__reused_is_the_same_bits_as_decoded(void **state)
{
    int32_t ids[N_TEXT];

    (void)state;
    random_text(ids, 91);
    for (size_t i = 0; i < COUNT(fixture_models); i++) {
        check_bits(fixture_models[i], ids, 0);
        check_bits(fixture_models[i], ids, 32);
        check_bits(fixture_models[i], ids, 57);
        check_bits(fixture_models[i], ids, 73);
    }
}

static void test_prefix__an_engine_that_keeps_none_reuses_none(void **state)
{
    int32_t ids[N_TEXT];
    struct fixture f;
    int seq;

    (void)state;
    random_text(ids, 91);
    fixture_open_plain(&f, &simple_model);
    seq = open_seq(f.e);
    decode(f.e, seq, ids, N_TEXT, N_TEXT, got);
    engine_seq_close(f.e, seq);
    seq = open_seq(f.e);
    assert_int_equal(engine_seq_reuse(f.e, seq, ids, N_TEXT), 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefix__finds_what_has_most_in_common),
        cmocka_unit_test(test_prefix__evicts_leaves_first_and_the_longest_rested_of_all),
        cmocka_unit_test(test_prefix__a_closed_sequence_is_found_to_the_last_token),
        cmocka_unit_test(test_prefix__the_whole_pages_of_an_open_sequence_are_shared),
        cmocka_unit_test(test_prefix__the_same_pages_become_one),
        cmocka_unit_test(test_prefix__the_pool_takes_kept_pages_when_it_needs_them),
        cmocka_unit_test(test_prefix__the_least_recently_used_goes_first),
        cmocka_unit_test(test_prefix__whatever_happens_every_position_holds_its_own),
        cmocka_unit_test(test_prefix__reused_is_the_same_bits_as_decoded),
        cmocka_unit_test(test_prefix__an_engine_that_keeps_none_reuses_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
