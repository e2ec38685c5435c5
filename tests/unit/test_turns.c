/* test_turns.c - work that takes a thread each: how many at once, whose turn it is, what is stuck.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/process/turns.h"

static struct event_base *base;
static struct turns *turns;

static int begin(void **state)
{
    struct err err;

    (void)state;
    base = event_base_new();
    return base ? turns_create(base, &turns, &err) : -1;
}

static int finish(void **state)
{
    (void)state;
    turns_free(turns);
    event_base_free(base);
    return 0;
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void end_at_once(void *arg)
{
    turn_end(arg);
}

static void ask(struct turn *t, const char *who, int *n_begun)
{
    *t = (struct turn){.arg = n_begun, .begin = count};
    str_copy(t->who, sizeof t->who, who);
    turn_ask(turns, t);
}

static void loop(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static unsigned n_in(const struct turn *t, size_t n, enum turn_state state)
{
    unsigned found = 0;

    for (size_t i = 0; i < n; i++)
        found += t[i].state == state;
    return found;
}

static void end_all(struct turn *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        turn_end(&t[i]);
}

/* 400 imports of one client were 400 threads with a MiB each, and the loop got no CPU for 10 s. */
static void test_turns__few_are_at_work_and_the_others_in_turn(void **state)
{
    struct turn t[TURNS_AT_ONCE + 4];
    size_t n = sizeof t / sizeof *t;
    int n_begun = 0;

    (void)state;
    for (size_t i = 0; i < n; i++)
        ask(&t[i], "a", &n_begun);
    assert_int_equal(n_begun, 0); /* from the loop only */
    loop();
    assert_int_equal(n_begun, TURNS_AT_ONCE);
    turn_end(&t[TURNS_AT_ONCE]); /* its client has left */
    turn_end(&t[0]);
    loop();
    assert_int_equal(n_begun, TURNS_AT_ONCE + 1);
    assert_int_equal(t[TURNS_AT_ONCE].state, TURN_NONE);
    assert_int_equal(t[TURNS_AT_ONCE + 1].state, TURN_WORKS);
    t[TURNS_AT_ONCE + 2].arg = &t[TURNS_AT_ONCE + 2]; /* one whose start fails */
    t[TURNS_AT_ONCE + 2].begin = end_at_once;
    turn_end(&t[1]);
    loop();
    assert_int_equal(t[TURNS_AT_ONCE + 2].state, TURN_NONE);
    assert_int_equal(t[TURNS_AT_ONCE + 3].state, TURN_WORKS);
    assert_int_equal(n_in(t, n, TURN_WORKS), TURNS_AT_ONCE);
    end_all(t, n);
}

static void test_turns__one_asker_of_many_does_not_hold_up_another(void **state)
{
    struct turn many[TURNS_AT_ONCE + 3], one;
    size_t n = sizeof many / sizeof *many;
    int n_begun = 0;

    (void)state;
    for (size_t i = 0; i < n; i++)
        ask(&many[i], "10.0.0.1", &n_begun);
    loop();
    ask(&one, "10.0.0.2", &n_begun);
    turn_end(&many[2]);
    loop();
    assert_int_equal(one.state, TURN_WORKS);
    assert_int_equal(many[TURNS_AT_ONCE].state, TURN_WAITS);
    turn_end(&one);
    loop();
    assert_int_equal(many[TURNS_AT_ONCE].state, TURN_WORKS);
    end_all(many, n);
}

/* A disk that does not answer holds its readers for good: not all who read elsewhere with them. */
static void test_turns__what_makes_no_headway_lends_its_place(void **state)
{
    struct turn t[TURNS_AT_ONCE + 2];
    size_t n = sizeof t / sizeof *t;
    int n_begun = 0;
    int64_t now;

    (void)state;
    for (size_t i = 0; i < n; i++)
        ask(&t[i], "a", &n_begun);
    loop();
    now = clock_ms();
    turn_moves(&t[0], 1, now + 5000);
    for (size_t i = 0; i < TURNS_AT_ONCE; i++)
        turn_moves(&t[i], i == 0, now + TURN_STUCK_MS);
    assert_int_equal(t[0].state, TURN_WORKS); /* the one that did something */
    assert_int_equal(n_in(t, n, TURN_STUCK), TURNS_AT_ONCE - 1);
    loop();
    assert_int_equal(n_in(t, n, TURN_WORKS), 3);
    assert_int_equal(n_begun, TURNS_AT_ONCE + 2);

    for (size_t i = 1; i < TURNS_AT_ONCE; i++) /* the disk answers again */
        turn_moves(&t[i], 1, now + 2 * TURN_STUCK_MS);
    assert_int_equal(n_in(t, n, TURN_WORKS), TURNS_AT_ONCE + 2);
    end_all(t + 1, 2);
    ask(&t[1], "a", &n_begun); /* as many as may be are at work already */
    loop();
    assert_int_equal(t[1].state, TURN_WAITS);
    turn_end(&t[0]);
    loop();
    assert_int_equal(t[1].state, TURN_WORKS);
    end_all(t, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_turns__few_are_at_work_and_the_others_in_turn, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(test_turns__one_asker_of_many_does_not_hold_up_another,
                                        begin, finish),
        cmocka_unit_test_setup_teardown(test_turns__what_makes_no_headway_lends_its_place, begin,
                                        finish),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
