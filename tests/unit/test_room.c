/* test_room.c - whose memory is taken for a new worker: the rule of room.h, clause by clause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hive/workers/room.h"

#define GIB (1ull << 30)

static struct room_worker idle(int64_t idle_ms, uint64_t gib)
{
    return (struct room_worker){.may_end = true, .idle_ms = idle_ms, .frees_bytes = gib * GIB};
}

static struct room_worker busy(uint64_t gib)
{
    return (struct room_worker){.idle_ms = 1 << 30, .frees_bytes = gib * GIB};
}

static void test_room__the_longest_unused_goes_first(void **state)
{
    struct room_worker all[] = {idle(10, 4), idle(300, 4), idle(20, 4)};
    uint64_t freed;

    (void)state;
    assert_true(room_choose(all, 3, 3 * GIB, 0, &freed));
    assert_false(all[0].chosen);
    assert_true(all[1].chosen);
    assert_false(all[2].chosen);
    assert_int_equal(freed, 4 * GIB);
    assert_true(room_choose(all, 3, 5 * GIB, 0, &freed));
    assert_false(all[0].chosen);
    assert_true(all[1].chosen);
    assert_true(all[2].chosen);
}

/* As many as there may be, all idle: no other model could be used until one had ended by itself. */
static void test_room__a_place_is_taken_as_memory_is(void **state)
{
    struct room_worker all[] = {idle(10, 4), busy(1), idle(300, 4), idle(20, 4)};
    uint64_t freed;

    (void)state;
    assert_true(room_choose(all, 4, 0, 1, &freed));
    assert_true(!all[0].chosen && !all[1].chosen && all[2].chosen && !all[3].chosen);
    assert_true(
        room_choose(all, 4, 3 * GIB, 2, &freed)); /* two places, though one has the memory */
    assert_true(!all[0].chosen && all[2].chosen && all[3].chosen);
    assert_false(room_choose(all, 4, 0, 4, &freed));
    assert_true(!all[0].chosen && !all[2].chosen && !all[3].chosen);
    all[0].ending = true; /* its place comes anyway */
    all[0].may_end = false;
    assert_true(room_choose(all, 4, 0, 1, &freed));
    assert_true(!all[0].chosen && !all[2].chosen && !all[3].chosen);
    assert_true(room_choose(all, 4, 0, 2, &freed));
    assert_true(all[2].chosen && !all[3].chosen);
}

static void test_room__never_a_busy_or_pinned_one(void **state)
{
    struct room_worker all[] = {busy(16), idle(1, 2)};
    uint64_t freed;

    (void)state;
    assert_false(room_choose(all, 2, 3 * GIB, 0, &freed));
    assert_false(all[0].chosen);
    assert_false(all[1].chosen); /* not in vain either */
    assert_int_equal(freed, 2 * GIB);
}

/* A model that claims nearly 2^64 bytes: the sum with what is promised wrapped round to a lack of a
 * few bytes, and idle workers were ended for it. */
static void test_room__a_need_past_all_bounds_ends_nobody(void **state)
{
    struct room_worker all[] = {idle(10, 4), idle(300, 4)};
    uint64_t lack = room_lack(UINT64_MAX - GIB, 4 * GIB, 2 * GIB), freed;

    (void)state;
    assert_true(lack == UINT64_MAX - 2 * GIB);
    assert_false(room_choose(all, 2, lack, 0, &freed));
    assert_false(all[0].chosen || all[1].chosen);
    assert_true(room_lack(3 * GIB, 4 * GIB, 2 * GIB) == 5 * GIB);
    assert_true(room_lack(1 * GIB, 0, 2 * GIB) == 0);
}

/* Two small old ones are not ended when the large one behind them is needed and enough. */
static void test_room__nobody_is_ended_without_need(void **state)
{
    struct room_worker all[] = {idle(500, 1), idle(400, 1), idle(300, 8)};
    uint64_t freed;

    (void)state;
    assert_true(room_choose(all, 3, 6 * GIB, 0, &freed));
    assert_false(all[0].chosen);
    assert_false(all[1].chosen);
    assert_true(all[2].chosen);
    assert_int_equal(freed, 8 * GIB);
    assert_true(
        room_choose(all, 3, 9 * GIB, 0, &freed)); /* one of the small ones is needed: the older */
    assert_true(all[0].chosen);
    assert_false(all[1].chosen);
    assert_true(all[2].chosen);
}

static void test_room__those_on_their_way_out_come_first(void **state)
{
    struct room_worker all[] = {idle(500, 4), busy(4)};
    uint64_t freed;

    (void)state;
    all[1].ending = true;
    assert_true(room_choose(all, 2, 4 * GIB, 0, &freed));
    assert_false(all[0].chosen);
    assert_true(room_choose(all, 2, 5 * GIB, 0, &freed));
    assert_true(all[0].chosen);
    assert_int_equal(freed, 8 * GIB);
}

/* A model was refused for good (507) that had room a moment later: nobody had asked what a busy
 * worker's memory comes to once it has nothing to do. */
static void test_room__what_a_busy_one_has_comes_later(void **state)
{
    struct room_worker all[] = {busy(8), idle(1, 2), busy(4)};
    uint64_t freed;

    (void)state;
    all[0].may_end_later = true; /* the last one is pinned */
    all[0].wants_bytes = GIB;
    assert_false(room_choose(all, 3, 11 * GIB, 0, &freed));
    assert_true(room_comes(all, 3, 11 * GIB, 0));
    assert_false(room_comes(all, 3, 12 * GIB, 0));
    all[2].ending = true;
    assert_true(room_comes(all, 3, 15 * GIB, 0));
    assert_false(room_comes(all, 3, 16 * GIB, 0));
    assert_true(room_comes(all, 3, 0, 3));
    assert_false(room_comes(all, 3, 0, 4));
}

/* A worker that still loads has little yet; what it will take is counted, and comes back with it.
 */
static void test_room__what_was_promised_counts(void **state)
{
    struct room_worker all[] = {busy(1), idle(9, 1)};
    uint64_t freed;

    (void)state;
    all[0].wants_bytes = 7 * GIB;
    all[1].wants_bytes = 2 * GIB;
    assert_int_equal(room_promised(all, 2), 9 * GIB);
    assert_true(room_choose(all, 2, 3 * GIB, 0, &freed));
    assert_true(all[1].chosen);
    assert_int_equal(freed, 3 * GIB);
    assert_int_equal(room_promised(all, 2), 7 * GIB);
}

static void test_room__sums_do_not_wrap(void **state)
{
    struct room_worker all[] = {idle(2, 1), idle(1, 1)};
    uint64_t freed;

    (void)state;
    all[0].wants_bytes = UINT64_MAX;
    all[1].frees_bytes = UINT64_MAX;
    assert_int_equal(room_promised(all, 2), UINT64_MAX);
    assert_true(room_choose(all, 2, UINT64_MAX, 0, &freed));
    assert_int_equal(freed, UINT64_MAX);
}

static void test_room__nothing_to_end(void **state)
{
    uint64_t freed = 1;

    (void)state;
    assert_false(room_choose(NULL, 0, 1, 0, &freed));
    assert_int_equal(freed, 0);
    assert_true(room_choose(NULL, 0, 0, 0, &freed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room__the_longest_unused_goes_first),
        cmocka_unit_test(test_room__a_place_is_taken_as_memory_is),
        cmocka_unit_test(test_room__never_a_busy_or_pinned_one),
        cmocka_unit_test(test_room__a_need_past_all_bounds_ends_nobody),
        cmocka_unit_test(test_room__nobody_is_ended_without_need),
        cmocka_unit_test(test_room__those_on_their_way_out_come_first),
        cmocka_unit_test(test_room__what_a_busy_one_has_comes_later),
        cmocka_unit_test(test_room__what_was_promised_counts),
        cmocka_unit_test(test_room__sums_do_not_wrap),
        cmocka_unit_test(test_room__nothing_to_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
