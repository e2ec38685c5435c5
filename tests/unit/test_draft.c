/* test_draft.c - guesses from what was written before: which, how many, and when not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/jobs/draft.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROOM     1000

static void begin(struct draft *d, const int32_t *prompt, size_t n)
{
    assert_int_equal(draft_init(d, prompt, n, ROOM, NULL), 0);
    d->chance = 1; /* sure of itself: nothing but the text limits it */
}

static void check_guesses(const struct draft *d, const int32_t *want, uint32_t n)
{
    assert_int_equal(d->n_guesses, n);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(d->guess[i], want[i]);
}

static void test_draft__guesses_what_followed_the_last_time(void **state)
{
    static const int32_t prompt[] = {1, 2, 3, 4, 5, 6, 9, 2, 3, 7, 8, 2, 3};
    static const int32_t want[] = {7, 8, 2}, later[] = {4, 5, 6};
    struct draft d;

    (void)state;
    begin(&d, prompt, COUNT(prompt));
    assert_int_equal(draft_make(&d, 3, 0.5), 3);
    check_guesses(&d, want, 3);
    /* "9 2 3" is more than "2 3": now the only place where it stood counts */
    draft_put(&d, 1);
    draft_put(&d, 2);
    draft_put(&d, 3);
    assert_int_equal(draft_make(&d, 3, 0.5), 3);
    check_guesses(&d, later, 3);
    draft_done(&d);
}

static void test_draft__goes_on_by_its_own_guesses(void **state)
{
    static const int32_t prompt[] = {5, 1, 2, 3, 1, 2, 3};
    static const int32_t want[] = {1, 2, 3, 1, 2, 3, 1, 2};
    struct draft d;

    (void)state;
    begin(&d, prompt, COUNT(prompt));
    assert_int_equal(draft_make(&d, 8, 0.5), 8);
    check_guesses(&d, want, 8);
    draft_done(&d);
}

static void test_draft__has_no_guess_for_what_is_new(void **state)
{
    static const int32_t all_new[] = {1, 2, 3, 4, 5}, one_alike[] = {1, 2, 3, 1}, one[] = {1};
    struct draft d;

    (void)state;
    begin(&d, all_new, COUNT(all_new));
    assert_int_equal(draft_make(&d, DRAFT_MOST, 0), 0);
    draft_done(&d);
    begin(&d, one_alike, COUNT(one_alike));
    assert_int_equal(draft_make(&d, DRAFT_MOST, 0), 0);
    draft_done(&d);
    begin(&d, one, COUNT(one));
    assert_int_equal(draft_make(&d, DRAFT_MOST, 0), 0);
    draft_done(&d);
}

static void test_draft__the_chance_limits_how_many(void **state)
{
    static const int32_t prompt[] = {1, 2, 3, 1, 2, 3};
    struct draft d;

    (void)state;
    begin(&d, prompt, COUNT(prompt));
    assert_int_equal(draft_make(&d, 100, 0.5), DRAFT_MOST);
    assert_int_equal(draft_make(&d, 100, 1), 0); /* nothing pays */
    d.chance = 0.5;
    assert_int_equal(draft_make(&d, 100, 0.2), 2); /* 1/2 and 1/4, but not 1/8 */
    assert_int_equal(draft_make(&d, 1, 0.2), 1);
    assert_int_equal(draft_make(&d, 0, 0.2), 0);
    draft_done(&d);
}

static void test_draft__learns_and_tries_again_after_a_while(void **state)
{
    static const int32_t prompt[] = {1, 2, 3, 1, 2, 3};
    struct draft d;
    double before;
    int tries = 0;

    (void)state;
    begin(&d, prompt, COUNT(prompt));
    d.chance = 0.5;
    draft_make(&d, 100, 0.2);
    draft_learn(&d, 2);
    assert_true(d.chance > 0.6);
    before = d.chance;
    draft_make(&d, 1, 0.2);
    draft_learn(&d, 0);
    assert_true(d.chance < before);
    while (draft_make(&d, 100, 0.2) > 0)
        draft_learn(&d, 0);
    assert_true(d.chance <= 0.2);
    while (draft_make(&d, 100, 0.2) == 0)
        tries++;
    assert_in_range(tries, 1, 100);
    draft_done(&d);
}

/* Passes that cost `base` and `slope` for each row. */
static struct draft_cost learnt(double base, double slope)
{
    struct draft_cost c = {0};

    for (int i = 0; i < 500; i++)
        draft_cost_learn(&c, 1 + (uint32_t)i % 4, base + slope * (1 + i % 4));
    return c;
}

static void test_draft__a_guess_pays_where_rows_are_cheap(void **state)
{
    struct draft_cost none = {0}, c = learnt(26, 3);

    (void)state;
    assert_true(draft_price(&none, 1) == 1);
    /* one row, one token: 29 ms; one row more, 3 ms */
    assert_true(draft_price(&c, 1) > 3 / 29.0 - 0.001 && draft_price(&c, 1) < 3 / 29.0 + 0.001);
    assert_true(draft_price(&c, 16) > 48 / 74.0 - 0.001 && draft_price(&c, 16) < 48 / 74.0 + 0.001);
    c = learnt(0.001, 3);
    assert_true(draft_price(&c, 1) > 0.99);
    c = learnt(10, 0); /* rows seem to cost nothing: a least price stays */
    assert_true(draft_price(&c, 1) > 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draft__guesses_what_followed_the_last_time),
        cmocka_unit_test(test_draft__goes_on_by_its_own_guesses),
        cmocka_unit_test(test_draft__has_no_guess_for_what_is_new),
        cmocka_unit_test(test_draft__the_chance_limits_how_many),
        cmocka_unit_test(test_draft__learns_and_tries_again_after_a_while),
        cmocka_unit_test(test_draft__a_guess_pays_where_rows_are_cheap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
