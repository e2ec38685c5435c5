/* test_kv.c - pages of keys and values: sharing, copying, truncating, and never losing one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/model/kv.h"

#define N_CTX 100 /* four pages, the last one of four positions */

#define HEAD_DIM 5

static const struct kv_shape shape = {.n_layers = 3, .n_kv_heads = 2, .head_dim = HEAD_DIM};

static struct kv *create(uint32_t n_slots)
{
    struct kv *kv;

    assert_int_equal(kv_create(&shape, n_slots, N_CTX, &kv, NULL), 0);
    return kv;
}

/* What position pos of a text holds in a layer and head: a number of its own. */
static uint16_t mark(int text, uint32_t pos, uint32_t layer, uint32_t head, bool value, uint32_t i)
{
    return (uint16_t)((((((uint32_t)text * N_CTX + pos) * 3 + layer) * 2 + head) * 2 + value) * 5 +
                      i);
}

static void write_text(struct kv *kv, int seq, int text, uint32_t n)
{
    uint32_t begin = kv_len(kv, seq);

    kv_reserve(kv, seq, n);
    for (uint32_t pos = begin; pos < begin + n; pos++)
        for (uint32_t layer = 0; layer < shape.n_layers; layer++)
            for (uint32_t head = 0; head < shape.n_kv_heads; head++) {
                float k[HEAD_DIM], v[HEAD_DIM];

                for (uint32_t i = 0; i < HEAD_DIM; i++) {
                    k[i] = kern_f16_to_f32(mark(text, pos, layer, head, 0, i));
                    v[i] = kern_f16_to_f32(mark(text, pos, layer, head, 1, i));
                }
                kv_put(kv, kern_find("ref"), seq, layer, head, pos, k, v);
            }
    kv_grow(kv, seq, n);
}

/* Positions begin..end-1 are those of the text, as an attention kernel sees them. */
static void check_text(const struct kv *kv, int seq, int text, uint32_t begin, uint32_t end)
{
    const void *k[4], *v[4];

    for (uint32_t layer = 0; layer < shape.n_layers; layer++)
        for (uint32_t head = 0; head < shape.n_kv_heads; head++) {
            kv_view(kv, seq, layer, head, 0, kv_pages_for(end), k, v);
            for (uint32_t pos = begin; pos < end; pos++)
                for (uint32_t i = 0; i < HEAD_DIM; i++) {
                    uint32_t at = pos % KV_PAGE_TOKENS, page = pos / KV_PAGE_TOKENS;

                    assert_int_equal(((const uint16_t *)k[page])[i * KV_PAGE_TOKENS + at],
                                     mark(text, pos, layer, head, 0, i));
                    assert_int_equal(((const uint16_t *)v[page])[at * HEAD_DIM + i],
                                     mark(text, pos, layer, head, 1, i));
                }
        }
}

static void test_kv__keeps_each_position_apart(void **state)
{
    struct kv *kv = create(2);
    int a = kv_open(kv, NULL), b = kv_open(kv, NULL);

    (void)state;
    for (int i = 0; i < 10; i++) { /* in turn, in odd steps */
        write_text(kv, a, 1, 7);
        write_text(kv, b, 2, 9);
    }
    write_text(kv, a, 1, 30);
    assert_int_equal(kv_len(kv, a), N_CTX);
    check_text(kv, a, 1, 0, N_CTX);
    check_text(kv, b, 2, 0, 90);
    assert_int_equal(kv_pages_used(kv), 4 + 3);
    kv_free(kv);
}

static void test_kv__pages_come_with_tokens_and_go_with_them(void **state)
{
    struct kv *kv = create(3);
    int a = kv_open(kv, NULL);

    (void)state;
    assert_int_equal(kv_pages_used(kv), 0);
    write_text(kv, a, 1, 32);
    assert_int_equal(kv_pages_used(kv), 1);
    write_text(kv, a, 1, 1);
    assert_int_equal(kv_pages_used(kv), 2);
    kv_truncate(kv, a, 50);
    assert_int_equal(kv_len(kv, a), 33);
    kv_truncate(kv, a, 32);
    assert_int_equal(kv_pages_used(kv), 1);
    kv_reserve(kv, a, 68);
    assert_int_equal(kv_pages_used(kv), 4);
    assert_int_equal(kv_len(kv, a), 32);
    kv_truncate(kv, a, kv_len(kv, a)); /* gives back what was only reserved */
    assert_int_equal(kv_pages_used(kv), 1);
    kv_close(kv, a);
    assert_int_equal(kv_pages_used(kv), 0);
    assert_false(kv_is_open(kv, a));
    kv_free(kv);
}

static void test_kv__a_fork_shares_whole_pages_and_copies_the_begun_one(void **state)
{
    struct kv *kv = create(3);
    int a = kv_open(kv, NULL), b, c;

    (void)state;
    write_text(kv, a, 1, 80);
    assert_int_equal(kv_pages_used(kv), 3);
    b = kv_fork(kv, a, 64, NULL); /* two whole pages */
    assert_int_equal(kv_pages_used(kv), 3);
    c = kv_fork(kv, a, 70, NULL); /* and six positions of the third */
    assert_int_equal(kv_pages_used(kv), 4);
    write_text(kv, a, 1, 20);
    write_text(kv, b, 2, 36);
    write_text(kv, c, 3, 30);
    check_text(kv, a, 1, 0, 100);
    check_text(kv, b, 1, 0, 64);
    check_text(kv, b, 2, 64, 100);
    check_text(kv, c, 1, 0, 70);
    check_text(kv, c, 3, 70, 100);
    kv_close(kv, a);
    check_text(kv, c, 1, 0, 70); /* the shared pages live on */
    assert_int_equal(kv_pages_used(kv), 2 + 2 + 2);
    kv_close(kv, b);
    kv_close(kv, c);
    assert_int_equal(kv_pages_used(kv), 0);
    kv_free(kv);
}

static void test_kv__writing_into_a_shared_page_copies_it_first(void **state)
{
    struct kv *kv = create(2);
    int a = kv_open(kv, NULL), b;

    (void)state;
    write_text(kv, a, 1, 64);
    b = kv_fork(kv, a, 64, NULL);
    kv_truncate(kv, b, 40);
    assert_int_equal(kv_pages_used(kv), 2);
    write_text(kv, b, 2, 10);
    assert_int_equal(kv_pages_used(kv), 3);
    check_text(kv, a, 1, 0, 64);
    check_text(kv, b, 1, 0, 40);
    check_text(kv, b, 2, 40, 50);
    kv_truncate(kv, a, 33); /* its page is private again: no copy */
    write_text(kv, a, 3, 20);
    assert_int_equal(kv_pages_used(kv), 3);
    check_text(kv, a, 3, 33, 53);
    check_text(kv, b, 1, 0, 40);
    kv_free(kv);
}

/* The pool must do for every slot at full length, whatever was shared before. */
static void test_kv__never_runs_out_of_pages(void **state)
{
    struct kv *kv = create(3);
    int a = kv_open(kv, NULL), b, c;

    (void)state;
    for (int round = 0; round < 5; round++) {
        write_text(kv, a, 1, N_CTX);
        b = kv_fork(kv, a, N_CTX, NULL);
        c = kv_fork(kv, b, 96, NULL);
        for (int i = 0; i < 5; i++) {
            kv_truncate(kv, b, (uint32_t)(20 * i));
            write_text(kv, b, 2, N_CTX - (uint32_t)(20 * i));
            kv_truncate(kv, c, 1);
            write_text(kv, c, 3, N_CTX - 1);
            kv_truncate(kv, a, 31);
            write_text(kv, a, 4, N_CTX - 31);
        }
        assert_int_equal(kv_pages_used(kv), 12);
        check_text(kv, a, 4, 31, N_CTX);
        check_text(kv, b, 2, 80, N_CTX);
        check_text(kv, c, 3, 1, N_CTX);
        kv_close(kv, b);
        kv_close(kv, c);
        kv_truncate(kv, a, 0);
        assert_int_equal(kv_pages_used(kv), 0);
    }
    kv_free(kv);
}

/* Levels and scales land where kern.h says, each position apart. */
static void test_kv__q8_0_keeps_levels_and_scales(void **state)
{
    static const struct kv_shape heads = {2, 1, 64, KERN_KV_Q8_0};
    const void *keys[4], *values[4];
    float k[64], v[64];
    struct kv *kv;
    int seq;

    (void)state;
    assert_int_equal(kv_create(&heads, 1, N_CTX, &kv, NULL), 0);
    assert_int_equal(kv_bytes_needed(&heads, 1, N_CTX), 2 * 2 * 4 * 32 * (64 + 2 * 4));
    seq = kv_open(kv, NULL);
    kv_reserve(kv, seq, 40);
    for (uint32_t pos = 0; pos < 40; pos++) {
        for (int i = 0; i < 64; i++) { /* the largest of a group is 127 steps of its own size */
            k[i] = (float)(i % 32 == 5 ? 127 : (int)pos - i) * (i < 32 ? 0.5f : 2.0f);
            v[i] = (float)(i % 32 == 9 ? -127 : i - (int)pos) * (i < 32 ? 4.0f : 0.25f);
        }
        kv_put(kv, kern_find(NULL), seq, 1, 0, pos, k, v);
    }
    kv_view(kv, seq, 1, 0, 0, 2, keys, values);
    for (uint32_t pos = 0; pos < 40; pos++) {
        const int8_t *kq = keys[pos / 32], *vq = values[pos / 32];
        const float *dk = (const float *)(kq + 32 * 64), *dv = (const float *)(vq + 32 * 64);
        uint32_t at = pos % 32;

        assert_true(dk[at] == 0.5f && dk[32 + at] == 2.0f);
        assert_true(dv[at] == 4.0f && dv[32 + at] == 0.25f);
        for (uint32_t i = 0; i < 64; i++) {
            assert_int_equal(kq[(i / 4 * 32 + at) * 4 + i % 4],
                             i % 32 == 5 ? 127 : (int)pos - (int)i);
            assert_int_equal(vq[at * 64 + i], i % 32 == 9 ? -127 : (int)i - (int)pos);
        }
    }
    kv_free(kv);
}

static void test_kv__says_when_slots_are_out(void **state)
{
    struct kv *kv = create(1);
    struct err err = {0};
    int a = kv_open(kv, NULL);

    (void)state;
    assert_int_equal(a, 0);
    assert_int_equal(kv_open(kv, &err), ERR_BUSY);
    assert_string_equal(err.text, "all 1 sequences are taken");
    assert_int_equal(kv_fork(kv, a, 0, &err), ERR_BUSY);
    kv_close(kv, a);
    assert_int_equal(kv_open(kv, &err), 0);
    kv_free(kv);
}

static void test_kv__counts_bytes_without_overflow(void **state)
{
    struct kv_shape giant = {1024, 4096, 1024, KERN_KV_F16};
    struct err err = {0};
    struct kv *kv;

    (void)state;
    /* 3 layers x 2 heads x (K and V) x 32 positions x 5 halves of 2 bytes, four pages a slot */
    assert_int_equal(kv_bytes_needed(&shape, 7, N_CTX), 3 * 2 * 2 * 32 * 5 * 2 * 4 * 7);
    assert_true(kv_bytes_needed(&giant, 256, 1u << 24) == UINT64_MAX);
    assert_int_equal(kv_create(&giant, 256, 1u << 24, &kv, &err), ERR_NO_MEMORY);
    assert_non_null(strstr(err.text, "the KV pages"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kv__keeps_each_position_apart),
        cmocka_unit_test(test_kv__pages_come_with_tokens_and_go_with_them),
        cmocka_unit_test(test_kv__a_fork_shares_whole_pages_and_copies_the_begun_one),
        cmocka_unit_test(test_kv__writing_into_a_shared_page_copies_it_first),
        cmocka_unit_test(test_kv__never_runs_out_of_pages),
        cmocka_unit_test(test_kv__q8_0_keeps_levels_and_scales),
        cmocka_unit_test(test_kv__says_when_slots_are_out),
        cmocka_unit_test(test_kv__counts_bytes_without_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
