/* test_plan.c - the rule of plan.h, clause by clause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/schedule/plan.h"

#define PAGE      32
#define LONGEST   4096
#define MOST_JOBS 64

static int32_t own[MOST_JOBS][LONGEST]; /* prompts with nothing in common */
static int32_t same[LONGEST];

static int fill_prompts(void **state)
{
    (void)state;
    for (int i = 0; i < MOST_JOBS; i++)
        for (int k = 0; k < LONGEST; k++)
            own[i][k] = i * LONGEST + k;
    for (int k = 0; k < LONGEST; k++)
        same[k] = -k;
    return 0;
}

static struct plan_job newcomer(int who, uint32_t n, uint32_t n_fed)
{
    return (struct plan_job){.prompt = own[who], .n_prompt = n, .n_fed = n_fed};
}

static struct plan_job decoder(int who)
{
    return newcomer(who, 10, 10);
}

static const struct plan plain = {.n_batch = 256, .page_tokens = PAGE};

static uint32_t sum(const struct plan_job *jobs, uint32_t n)
{
    uint32_t rows = 0;

    for (uint32_t i = 0; i < n; i++)
        rows += jobs[i].n_rows;
    return rows;
}

static void test_plan__everyone_who_decodes_gets_a_row(void **state)
{
    struct plan p = {.n_batch = 20, .ms_per_row = 1000}; /* not room for what is wanted */
    struct plan_job jobs[16];

    (void)state;
    for (int i = 0; i < 16; i++)
        jobs[i] = i == 3 ? newcomer(i, 1000, 0) : decoder(i);
    plan_rows(&p, jobs, 16);
    for (int i = 0; i < 16; i++)
        assert_int_equal(jobs[i].n_rows, i == 3 ? 20 - 15 : 1);
}

static void test_plan__alone_prompts_fill_the_batch(void **state)
{
    struct plan_job jobs[] = {newcomer(0, 1000, 100), newcomer(1, 1000, 0)};

    (void)state;
    plan_rows(&plain, jobs, 2);
    assert_int_equal(jobs[0].n_rows, 256);
    assert_int_equal(jobs[1].n_rows, 0);
}

static void test_plan__beside_decoders_prompts_get_what_the_step_allows(void **state)
{
    struct plan_job jobs[] = {decoder(0), decoder(1), newcomer(2, 1000, 0)};
    struct plan p = plain;

    (void)state;
    plan_rows(&p, jobs, 3);
    assert_int_equal(jobs[2].n_rows, PLAN_CHUNK_FIRST);
    p.ms_per_row = PLAN_STEP_MS / 100.0; /* 100 rows in all */
    plan_rows(&p, jobs, 3);
    assert_int_equal(jobs[2].n_rows, 98);
    p.ms_per_row = PLAN_STEP_MS; /* one row takes it all */
    plan_rows(&p, jobs, 3);
    assert_int_equal(jobs[2].n_rows, PLAN_CHUNK_LEAST);
    p.ms_per_row = 1e-9; /* the batch is the limit */
    plan_rows(&p, jobs, 3);
    assert_int_equal(jobs[2].n_rows, 254);
}

static void test_plan__the_cost_of_a_row_is_learnt_from_wide_passes(void **state)
{
    struct plan p = plain;

    (void)state;
    plan_learn(&p, PLAN_CHUNK_LEAST - 1, 1e6);
    assert_true(p.ms_per_row == 0);
    plan_learn(&p, 100, 400);
    assert_true(p.ms_per_row == 4);
    plan_learn(&p, 100, 800);
    assert_true(p.ms_per_row == 5); /* a quarter of the way */
    for (int i = 0; i < 50; i++)
        plan_learn(&p, 50, 50);
    assert_true(p.ms_per_row > 1 && p.ms_per_row < 1.001);
}

static void test_plan__the_shortest_goes_first_of_equals_the_one_that_came_first(void **state)
{
    struct plan_job jobs[] = {newcomer(0, 1000, 0), newcomer(1, 120, 20), newcomer(2, 200, 150),
                              newcomer(3, 100, 0)};

    (void)state;
    plan_rows(&plain, jobs, 4);
    assert_int_equal(jobs[0].n_rows, 64); /* its quarter */
    assert_int_equal(jobs[2].n_rows, 50);
    assert_int_equal(jobs[1].n_rows, 100);
    assert_int_equal(jobs[3].n_rows, 256 - 64 - 50 - 100);
}

/* Sixteen at once: the first tokens come one after another, half of them in half of the time. */
static void test_plan__equal_prompts_are_done_one_after_another(void **state)
{
    uint32_t done_at[16] = {0}, pass = 0;
    struct plan_job jobs[16];

    (void)state;
    for (int i = 0; i < 16; i++)
        jobs[i] = newcomer(i, 128, 0);
    while (done_at[15] == 0) {
        plan_rows(&plain, jobs, 16);
        pass++;
        for (int i = 0; i < 16; i++) {
            jobs[i].n_fed += jobs[i].n_fed < 128 ? jobs[i].n_rows : 0;
            if (jobs[i].n_fed == 128 && !done_at[i])
                done_at[i] = pass;
        }
    }
    /* the first pass is 256 rows, then 64 for prompts beside those who decode */
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(done_at[i], i < 2 ? 1 : 1 + 2 * (i - 1));
}

/* Short ones keep coming; the long one that came first still gets a quarter of all rows. */
static void test_plan__nobody_waits_for_ever(void **state)
{
    struct plan_job jobs[5] = {newcomer(0, LONGEST, 0)};
    uint32_t passes = 0, rows = 0;

    (void)state;
    while (jobs[0].n_fed < LONGEST) {
        for (int i = 1; i < 5; i++)
            jobs[i] = newcomer(i, 100, 0);
        plan_rows(&plain, jobs, 5);
        jobs[0].n_fed += jobs[0].n_rows;
        rows += sum(jobs, 5);
        passes++;
    }
    assert_true(passes <= LONGEST / (256 / PLAN_FIRST_SHARE));
    assert_int_equal(rows, passes * 256);
}

static struct plan_job sharer(int who, uint32_t n, uint32_t n_same, uint32_t n_fed)
{
    memcpy(own[who], same, n_same * sizeof *same);
    return newcomer(who, n, n_fed);
}

static void test_plan__the_same_beginning_is_computed_once(void **state)
{
    struct plan_job jobs[] = {sharer(0, 500, 400, 0), sharer(1, 450, 400, 0),
                              sharer(2, 440, 300, 0)};

    (void)state;
    plan_rows(&plain, jobs, 3);
    assert_int_equal(jobs[0].n_rows, 256);
    assert_int_equal(jobs[1].n_rows + jobs[2].n_rows, 0);
    /* 256 are there for all. The shortest asks up to its 288th (nine whole pages of 300), the
     * next one up to the 384th, and only then is it the first one's own turn */
    for (int i = 0; i < 3; i++)
        jobs[i].n_fed = 256;
    plan_rows(&plain, jobs, 3);
    assert_int_equal(jobs[0].n_rows, 244);
    assert_int_equal(jobs[1].n_rows, 0);
    /* the pages are there: each goes on by itself */
    jobs[0].n_fed = 500;
    jobs[1].n_fed = 384;
    jobs[2].n_fed = 288;
    plan_rows(&plain, jobs, 3);
    assert_int_equal(jobs[0].n_rows, 1);
    assert_int_equal(jobs[1].n_rows + jobs[2].n_rows, PLAN_CHUNK_FIRST);
    fill_prompts(NULL);
}

/* A short one that waits for a page of a long one brings that one to its turn. */
static void test_plan__who_waits_gives_its_turn_to_whom_it_waits_for(void **state)
{
    struct plan_job jobs[] = {newcomer(0, 3000, 0), sharer(1, 2000, 96, 0), newcomer(2, 150, 0),
                              sharer(3, 100, 96, 0)};

    (void)state;
    plan_rows(&plain, jobs, 4);
    assert_int_equal(jobs[0].n_rows, 64);
    assert_int_equal(jobs[1].n_rows, 96);
    assert_int_equal(jobs[2].n_rows, 96);
    assert_int_equal(jobs[3].n_rows, 0);
    fill_prompts(NULL);
}

static void test_plan__the_same_prompt_is_shared_but_for_its_last_token(void **state)
{
    struct plan_job jobs[] = {sharer(0, 64, 64, 0), sharer(1, 64, 64, 0)};
    struct plan alone = {.n_batch = 256};

    (void)state;
    plan_rows(&plain, jobs, 2);
    assert_int_equal(jobs[0].n_rows, 64);
    assert_int_equal(jobs[1].n_rows, 0);
    jobs[1].n_fed = 32; /* all there is for it */
    plan_rows(&plain, jobs, 2);
    assert_int_equal(jobs[1].n_rows, 32);
    jobs[1].n_fed = 0;
    plan_rows(&alone, jobs, 2); /* nothing is shared */
    assert_int_equal(jobs[1].n_rows, 64);
    fill_prompts(NULL);
}

/* Nobody knows yet which tokens may come next: all but the row that gives them is computed. */
static void test_plan__who_waits_to_choose_gets_no_row_that_would_need_it(void **state)
{
    struct plan_job jobs[] = {decoder(0), newcomer(1, 50, 0), decoder(2)};

    (void)state;
    jobs[0].waits = jobs[1].waits = true;
    plan_rows(&plain, jobs, 3);
    assert_int_equal(jobs[0].n_rows, 0);
    assert_int_equal(jobs[1].n_rows, 49);
    assert_int_equal(jobs[2].n_rows, 1);
    jobs[1].n_fed = 49;
    plan_rows(&plain, jobs, 3);
    assert_int_equal(jobs[1].n_rows, 0);
    jobs[1].waits = false;
    plan_rows(&plain, jobs, 3);
    assert_int_equal(jobs[1].n_rows, 1);
}

/*
 * The second prompt goes on from the first, whose last row completes a page but waits. The second
 * one waited for that page, so both got nothing, for as long as the first one's grammar took.
 */
static void test_plan__nobody_waits_for_a_page_that_must_not_be_computed_yet(void **state)
{
    struct plan_job jobs[] = {sharer(0, 64, 64, 0), sharer(1, 100, 64, 0)};

    (void)state;
    jobs[0].waits = true;
    plan_rows(&plain, jobs, 2); /* the first page is shared, the second one is each one's own */
    assert_int_equal(jobs[0].n_rows, 63);
    jobs[0].n_fed = 63;
    jobs[1].n_fed = 32;
    plan_rows(&plain, jobs, 2);
    assert_int_equal(jobs[0].n_rows, 0);
    assert_int_equal(jobs[1].n_rows, 68);
    fill_prompts(NULL);
}

/* Is there a row that a batch may have? */
static bool may_move(const struct plan_job *jobs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!jobs[i].waits || jobs[i].n_fed + 1 < jobs[i].n_prompt)
            return true;
    return false;
}

/*
 * Whatever comes, goes and waits: batches are not too large, and empty only when all wait; and all
 * come to their end, though jobs that others wait for are cancelled.
 */
static void test_plan__always_moves_on(void **state)
{
    struct plan_job jobs[12];
    uint32_t n = 0;

    (void)state;
    srand(5);
    for (int step = 0; step < 20000; step++) {
        if (n < 12 && rand() % 3 == 0) {
            uint32_t len = 1 + (uint32_t)rand() % 300;

            jobs[n] = newcomer(0, len, 0);
            jobs[n].prompt = rand() % 2 ? same : same + rand() % 2;
            n++;
        }
        if (n == 0)
            continue;
        for (uint32_t i = 0; i < n; i++)
            jobs[i].waits = rand() % 3 == 0;
        plan_rows(&plain, jobs, n);
        assert_in_range(sum(jobs, n), may_move(jobs, n), 256);
        for (uint32_t i = 0; i < n; i++) {
            bool gone = rand() % 40 == 0;

            if (!gone) {
                assert_true(jobs[i].n_fed >= jobs[i].n_prompt ||
                            jobs[i].n_fed + jobs[i].n_rows <= jobs[i].n_prompt);
                jobs[i].n_fed += jobs[i].n_rows; /* past its prompt: the answer's tokens */
                gone = jobs[i].n_fed > jobs[i].n_prompt + 20;
            }
            if (gone) {
                memmove(jobs + i, jobs + i + 1, (n - i - 1) * sizeof *jobs);
                n--;
                i--;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan__everyone_who_decodes_gets_a_row),
        cmocka_unit_test(test_plan__alone_prompts_fill_the_batch),
        cmocka_unit_test(test_plan__beside_decoders_prompts_get_what_the_step_allows),
        cmocka_unit_test(test_plan__the_cost_of_a_row_is_learnt_from_wide_passes),
        cmocka_unit_test(test_plan__the_shortest_goes_first_of_equals_the_one_that_came_first),
        cmocka_unit_test(test_plan__equal_prompts_are_done_one_after_another),
        cmocka_unit_test(test_plan__nobody_waits_for_ever),
        cmocka_unit_test(test_plan__the_same_beginning_is_computed_once),
        cmocka_unit_test(test_plan__who_waits_gives_its_turn_to_whom_it_waits_for),
        cmocka_unit_test(test_plan__the_same_prompt_is_shared_but_for_its_last_token),
        cmocka_unit_test(test_plan__who_waits_to_choose_gets_no_row_that_would_need_it),
        cmocka_unit_test(test_plan__nobody_waits_for_a_page_that_must_not_be_computed_yet),
        cmocka_unit_test(test_plan__always_moves_on),
    };

    return cmocka_run_group_tests(tests, fill_prompts, NULL);
}
