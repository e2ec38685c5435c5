/*
 * test_tuning.c - weights are packed out of the way of who else needs the CPUs: a model that was
 * loaded on two cores made the tokens of another, which was ready, take nearly twice as long until
 * its weights were packed.
 */
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "worker/schedule/tuning.h"

#define FAR 1000000 /* ms */

/* Takes the place of the engine's: a step is so much work, and there are so many. */
static int n_steps, steps_left;
static int64_t step_ms;

/* Of the CPU: on a machine where others work as well, a moment of the clock's may have one turn. */
static int64_t worked_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool __wrap_engine_tune(struct engine *e);

bool __wrap_engine_tune(struct engine *e)
{
    const int64_t until = worked_ms() + step_ms;

    (void)e;
    n_steps++;
    while (worked_ms() < until)
        ;
    return --steps_left > 0;
}

static void steps_are(int n, int64_t ms)
{
    n_steps = 0;
    steps_left = n;
    step_ms = ms;
}

static void test_tuning__goes_on_until_nothing_is_left(void **state)
{
    struct tuning t = {0};

    (void)state;
    steps_are(3, 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(tuning_due_ms(&t) == INT64_MAX, i >= 3);
        tuning_go_on(&t, NULL, true);
    }
    assert_int_equal(n_steps, 3);
}

static void test_tuning__rests_unless_the_model_is_in_use(void **state)
{
    struct tuning t = {.due_ms = clock_ms() + FAR};

    (void)state;
    steps_are(2, 0);
    tuning_go_on(&t, NULL, false);
    assert_int_equal(n_steps, 0);
    tuning_go_on(&t, NULL, true);
    assert_int_equal(n_steps, 1);
    assert_true(tuning_due_ms(&t) <= clock_ms());
    tuning_go_on(&t, NULL, false);
    assert_int_equal(n_steps, 2);
}

/* The scheduler gives each of two on one CPU some milliseconds in turn; the system's own threads
 * come now and then. */
static void test_tuning__tells_others_from_the_systems_own(void **state)
{
    (void)state;
    assert_false(tuning_is_in_the_way(0, 1));
    assert_false(tuning_is_in_the_way(300, 8));
    assert_false(tuning_is_in_the_way(30, 1));
    assert_true(tuning_is_in_the_way(30, 3));
    assert_true(tuning_is_in_the_way(300, 30)); /* every 10 ms, */
    assert_true(tuning_is_in_the_way(150, 8));  /* every 20: Linux before 6.6, at 100 Hz */
    assert_true(tuning_is_in_the_way(300, 100));
}

/* A process that does nothing but work, on the CPU on which this one is from now on, too. */
static pid_t rival(cpu_set_t *before)
{
    int ready[2];
    cpu_set_t one;
    pid_t pid;
    char byte;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    assert_int_equal(sched_getaffinity(0, sizeof *before, before), 0);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (write(ready[1], "", 1) == 1)
            for (;;)
                ;
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void test_tuning__rests_long_where_others_work(void **state)
{
    struct tuning t = {0};
    cpu_set_t before;
    pid_t pid = rival(&before);
    int64_t begun_ms = clock_ms(), took_ms;

    (void)state;
    steps_are(2, 300);
    tuning_go_on(&t, NULL, false);
    took_ms = clock_ms() - begun_ms;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    sched_setaffinity(0, sizeof before, &before);
    assert_int_equal(n_steps, 1);
    assert_true(tuning_due_ms(&t) > begun_ms + 2 * 300);
    assert_true(tuning_due_ms(&t) <= begun_ms + 10 * took_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tuning__goes_on_until_nothing_is_left),
        cmocka_unit_test(test_tuning__rests_unless_the_model_is_in_use),
        cmocka_unit_test(test_tuning__tells_others_from_the_systems_own),
        cmocka_unit_test(test_tuning__rests_long_where_others_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
