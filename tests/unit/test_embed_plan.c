/*
 * test_embed_plan.c - the rule of embed_plan.h, clause by clause. A pass was filled to the batch: a
 * text of four tokens beside a request of two thousand texts waited for two passes of 2,048 rows,
 * 2.5 s.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/jobs/embedding.h"
#include "worker/schedule/embed_plan.h"

#define N_BATCH   2048
#define MAX_TEXTS 64
#define MOST      100

/* As long as each says. */
static struct embedding_input texts_of[4][MOST];

static struct embed_plan_job job(int who, uint32_t n_texts, uint32_t n_tokens)
{
    for (uint32_t i = 0; i < MOST; i++)
        texts_of[who][i].n_tokens = n_tokens;
    return (struct embed_plan_job){.texts = texts_of[who], .n_texts = n_texts};
}

/* A row costs so much. */
static struct embed_plan costing(double ms_per_row)
{
    return (struct embed_plan){.n_batch = N_BATCH, .n_texts = MAX_TEXTS, .ms_per_row = ms_per_row};
}

/* What is taken, checked against the numbers of the jobs. */
static uint32_t take(struct embed_plan p, struct embed_plan_job *jobs, uint32_t n_jobs,
                     uint32_t *owners)
{
    uint32_t n = embed_plan_texts(&p, jobs, n_jobs, owners), sum = 0, rows = 0;

    for (uint32_t i = 0; i < n_jobs; i++) {
        uint32_t own = 0;

        for (uint32_t k = 0; k < n; k++)
            own += owners[k] == i;
        assert_int_equal(own, jobs[i].n_taken);
        assert_true(jobs[i].n_taken <= jobs[i].n_texts);
        sum += own;
        for (uint32_t k = 0; k < own; k++)
            rows += jobs[i].texts[k].n_tokens;
    }
    assert_int_equal(sum, n);
    assert_true(n >= 1 && n <= MAX_TEXTS && rows <= N_BATCH);
    assert_int_equal(owners[0], 0);
    return n;
}

static void test_embed_plan__a_pass_holds_what_the_time_allows(void **state)
{
    uint32_t owners[MAX_TEXTS];
    struct embed_plan_job one = job(0, MOST, 30);

    (void)state;
    assert_int_equal(take(costing(0.5), &one, 1, owners), 400 / 30);
    assert_int_equal(take(costing(1), &one, 1, owners), 200 / 30);
    assert_int_equal(take(costing(0.01), &one, 1, owners), MAX_TEXTS); /* 20000 rows */
    one = job(0, MOST, 100);
    assert_int_equal(take(costing(0.01), &one, 1, owners), N_BATCH / 100);
    one = job(0, 3, 30);
    assert_int_equal(take(costing(0.5), &one, 1, owners), 3);
}

static void test_embed_plan__a_few_rows_go_in_any_case(void **state)
{
    struct embed_plan_job one = job(0, MOST, 10);
    uint32_t owners[MAX_TEXTS];

    (void)state;
    /* the first text, and those beside it */
    assert_int_equal(take(costing(1000), &one, 1, owners), 1 + EMBED_PLAN_LEAST / 10);
    assert_int_equal(take(costing(0), &one, 1, owners), 1 + EMBED_PLAN_LEAST / 10);
}

static void
test_embed_plan__the_leaders_text_goes_however_long_and_a_short_one_with_it(void **state)
{
    struct embed_plan_job jobs[] = {job(0, 9, 1900), job(1, 9, 200), job(2, 1, 4)};
    uint32_t owners[MAX_TEXTS];

    (void)state;
    assert_int_equal(take(costing(1), jobs, 3, owners), 2);
    assert_int_equal(owners[1], 2);
    jobs[0] = job(0, 1, N_BATCH);
    assert_int_equal(take(costing(1), jobs, 3, owners), 1); /* there is no room */
}

/* The newcomer is the last in line. */
static void test_embed_plan__one_who_comes_is_in_the_next_pass(void **state)
{
    struct embed_plan_job jobs[] = {job(0, MOST, 32), job(1, MOST, 32), job(2, MOST, 32),
                                    job(3, 1, 4)};
    static const double costs[] = {0.05, 0.7, 3, 1000};
    uint32_t owners[MAX_TEXTS];

    (void)state;
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        take(costing(costs[i]), jobs, 4, owners);
        assert_int_equal(jobs[3].n_taken, 1);
        assert_int_equal(owners[1], 3);
    }
}

static void test_embed_plan__rounds_give_each_job_a_text(void **state)
{
    struct embed_plan_job jobs[] = {job(0, MOST, 20), job(1, 2, 20), job(2, MOST, 10)};
    static const uint32_t expected[] = {0, 2, 1, 2, 0, 1, 2, 0, 2, 0, 2, 0, 2};
    uint32_t owners[MAX_TEXTS];

    (void)state;
    /* of equals the one that is to lead sooner goes first; the second job has but two */
    assert_int_equal(take(costing(1), jobs, 3, owners), 13);
    assert_memory_equal(owners, expected, sizeof expected);
}

/* What does not fit gives way to what does, and leads when its turn comes. */
static void test_embed_plan__what_does_not_fit_holds_up_nobody(void **state)
{
    struct embed_plan_job jobs[] = {job(0, 1, 50), job(1, MOST, 151), job(2, MOST, 50)};
    uint32_t owners[MAX_TEXTS];

    (void)state;
    assert_int_equal(take(costing(1), jobs, 3, owners), 4);
    assert_int_equal(jobs[1].n_taken, 0);
    assert_int_equal(jobs[2].n_taken, 3);
    assert_int_equal(take(costing(1), jobs + 1, 2, owners), 2);
    assert_int_equal(jobs[1].n_taken, 1);
}

static void test_embed_plan__learns_what_rows_cost(void **state)
{
    struct embed_plan p = costing(0);

    (void)state;
    embed_plan_learn(&p, 4, 1e6); /* there the weights cost, not the rows */
    assert_true(p.ms_per_row == 0);
    embed_plan_learn(&p, 100, 400);
    assert_true(p.ms_per_row == 4);
    embed_plan_learn(&p, 100, 800);
    assert_true(p.ms_per_row == 5); /* a quarter of the way */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embed_plan__a_pass_holds_what_the_time_allows),
        cmocka_unit_test(test_embed_plan__a_few_rows_go_in_any_case),
        cmocka_unit_test(
            test_embed_plan__the_leaders_text_goes_however_long_and_a_short_one_with_it),
        cmocka_unit_test(test_embed_plan__one_who_comes_is_in_the_next_pass),
        cmocka_unit_test(test_embed_plan__rounds_give_each_job_a_text),
        cmocka_unit_test(test_embed_plan__what_does_not_fit_holds_up_nobody),
        cmocka_unit_test(test_embed_plan__learns_what_rows_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
