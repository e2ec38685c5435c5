/*
 * test_inquest.c - a worker's connection broke: has it ended? On a machine whose CPUs had much to
 * do the last thread of a killed worker was not at its end 200 ms after its sockets were closed.
 * The hive took it to be alive: clients were told of a broken connection instead of a signal, and
 * the same dead worker was asked once more.
 */
#include <event2/event.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/gateway/inquest.h"
#include "hive/workers/workers.h"

#define NEVER INT64_MAX

/* Time as the inquest reads it: a look takes some of it. */
static int64_t now_ms;

int64_t __wrap_clock_ms(void);

int64_t __wrap_clock_ms(void)
{
    return now_ms += 5;
}

/* The one worker there is: since when it is about to end, and has. */
static int64_t exits_ms, ended_ms;

bool workers_failure(const struct workers *ws, const char *id, enum api_code *code,
                     char text[ERR_TEXT_MAX])
{
    (void)ws, (void)id;
    if (now_ms < ended_ms)
        return false;
    *code = API_WORKER_CRASHED;
    str_copy(text, ERR_TEXT_MAX, "the worker ended with signal SIGKILL");
    return true;
}

bool workers_is_over(const struct workers *ws, const char *id)
{
    (void)ws, (void)id;
    return now_ms >= ended_ms;
}

bool workers_is_exiting(const struct workers *ws, const char *id)
{
    (void)ws;
    assert_string_equal(id, "worker-1");
    return now_ms >= exits_ms; /* and stays so, as nobody has reaped it */
}

static struct inquest_finding found;
static int n_found;

static void on_finding(void *arg, const struct inquest_finding *f)
{
    (void)arg;
    found = *f;
    n_found++;
}

/* How long it took until it was found to be over, or not. */
static int64_t inquest_of(int64_t exits, int64_t ended)
{
    struct event_base *base = event_base_new();

    now_ms = n_found = 0;
    exits_ms = exits;
    ended_ms = ended;
    assert_non_null(inquest_start(base, NULL, "worker-1", on_finding, NULL));
    event_base_dispatch(base); /* until there is no timer */
    event_base_free(base);
    assert_int_equal(n_found, 1);
    return now_ms;
}

static void test_inquest__waits_for_one_that_is_about_to_end(void **state)
{
    (void)state;
    assert_true(inquest_of(100, 1000) >= 1000);
    assert_true(found.over);
    assert_int_equal(found.code, API_WORKER_CRASHED);
    assert_string_equal(found.why, "the worker ended with signal SIGKILL");
}

static void test_inquest__finds_a_quick_end_at_once(void **state)
{
    (void)state;
    assert_true(inquest_of(NEVER, 20) < 60); /* /proc tells of none */
    assert_true(found.over);
}

static void test_inquest__one_that_lives_is_let_live(void **state)
{
    int64_t took = inquest_of(NEVER, NEVER);

    (void)state;
    assert_false(found.over);
    assert_true(took >= INQUEST_MAX_MS && took < 2 * INQUEST_MAX_MS);
}

static void test_inquest__an_end_that_never_comes_is_not_waited_for_for_ever(void **state)
{
    int64_t took = inquest_of(0, NEVER);

    (void)state;
    assert_false(found.over);
    assert_true(took >= INQUEST_EXIT_MS && took < INQUEST_EXIT_MS + INQUEST_MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inquest__waits_for_one_that_is_about_to_end),
        cmocka_unit_test(test_inquest__finds_a_quick_end_at_once),
        cmocka_unit_test(test_inquest__one_that_lives_is_let_live),
        cmocka_unit_test(test_inquest__an_end_that_never_comes_is_not_waited_for_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
