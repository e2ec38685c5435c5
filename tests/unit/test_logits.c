/* Logits at the ends of what floats can be: the logarithm of a softmax's denominator, and whether
 * there is anything to draw from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "worker/jobs/logits.h"

#define LN2 0.69314718055994530942

static void test_log_sum__is_what_it_says(void **state)
{
    const float one[] = {-3.25f}, two[] = {0.0f, 0.0f}, four[] = {-1.0f, 2.0f, 0.5f, 2.0f};

    (void)state;
    assert_true(logits_log_sum(one, 1) == -3.25);
    assert_true(fabs(logits_log_sum(two, 2) - LN2) < 1e-15);
    assert_true(fabs(logits_log_sum(four, 4) - log(exp(-1.0) + 2 * exp(2.0) + exp(0.5))) < 1e-14);
}

static void test_log_sum__does_not_overflow(void **state)
{
    const float high[] = {3e38f, 3e38f}, low[] = {-2000.0f, -2000.0f}, far[] = {-3e38f, 3e38f};

    (void)state;
    assert_true(logits_log_sum(high, 2) == (double)3e38f); /* ln 2 is lost beside it */
    assert_true(fabs(logits_log_sum(low, 2) - (LN2 - 2000.0)) < 1e-12);
    assert_true(logits_log_sum(far, 2) == (double)3e38f);
}

/* NaN once made every probability of a line of scores null, while an answer's left it out. */
static void test_log_sum__leaves_out_what_is_no_number(void **state)
{
    const float nan[] = {NAN, 0.0f, NAN, 0.0f}, none[] = {NAN, -INFINITY}, all[] = {0.0f, INFINITY};

    (void)state;
    assert_true(fabs(logits_log_sum(nan, 4) - LN2) < 1e-15);
    assert_true(logits_log_sum(none, 2) == -INFINITY);
    assert_true(logits_log_sum(none, 0) == -INFINITY);
    assert_true(logits_log_sum(all, 2) == INFINITY);
}

/*
 * A damaged file's logits were all NaN, which counted as minus infinity each: tokens were drawn
 * from nothing, as likely as each other, and the answer was a text with status 200.
 */
static void test_check__wants_one_number(void **state)
{
    const float last[] = {NAN, -INFINITY, INFINITY, -3.0f}, nan[] = {NAN, -NAN, NAN, NAN},
                far[] = {-INFINITY, NAN, INFINITY, -INFINITY};
    struct err err = {0};

    (void)state;
    assert_int_equal(logits_check(last, 4, 7, &err), 0);
    assert_int_equal(logits_check(last, 3, 7, &err), ERR_INVALID);
    assert_int_equal(logits_check(far, 4, 7, &err), ERR_INVALID);
    assert_int_equal(logits_check(nan, 4, 7, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "behind 7 tokens the model gives no numbers (NaN)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_sum__is_what_it_says),
        cmocka_unit_test(test_log_sum__does_not_overflow),
        cmocka_unit_test(test_log_sum__leaves_out_what_is_no_number),
        cmocka_unit_test(test_check__wants_one_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
