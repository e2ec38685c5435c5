/* Looks at a model's files, whose file system may not answer (worker/sandbox/lookout.h). */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "worker/sandbox/lookout.h"

/* A file system: what it says, and whether it answers. */
struct disk {
    atomic_int rc;
    atomic_uint n_looks;
    atomic_bool hangs;
    sem_t answers;
};

static int look(void *arg, struct err *err)
{
    struct disk *d = arg;
    int rc = d->rc; /* when it was asked */

    d->n_looks++;
    if (d->hangs)
        sem_wait(&d->answers);
    return rc ? err_set(err, rc, "a.gguf: the file was written to") : 0;
}

#define PATIENCE_MS 60000

static void test_lookout__says_what_is_so_when_it_is_asked(void **state)
{
    struct disk d = {0};
    struct lookout *l;
    struct err err = {0};

    (void)state;
    assert_int_equal(lookout_create(look, &d, &l, NULL), 0);
    for (unsigned i = 1; i <= 100; i++) {
        assert_int_equal(lookout_check(l, PATIENCE_MS, &err), 0);
        assert_int_equal(d.n_looks, i);
    }
    d.rc = ERR_IO;
    assert_int_equal(lookout_check(l, PATIENCE_MS, &err), ERR_IO);
    assert_string_equal(err.text, "a.gguf: the file was written to");
    d.rc = 0;
    assert_int_equal(lookout_check(l, 0, &err), ERR_IO); /* for good */
    lookout_free(l);
}

/*
 * The threads that read prompts and compute asked the file system themselves: while it did not
 * answer no request was served, though the whole model was in memory, and the worker could not even
 * be killed.
 */
static void test_lookout__nobody_hangs_with_the_disk(void **state)
{
    struct disk d = {.hangs = true};
    int64_t begun_ms = clock_ms();
    struct lookout *l;
    struct err err = {0};

    (void)state;
    sem_init(&d.answers, 0, 0);
    assert_int_equal(lookout_create(look, &d, &l, NULL), 0);
    assert_int_equal(lookout_check(l, 30, &err), 0);
    assert_true(clock_ms() - begun_ms >= 29);
    begun_ms = clock_ms();
    for (int i = 0; i < 1000; i++) /* it has been out for so long: not again */
        assert_int_equal(lookout_check(l, 30, &err), 0);
    assert_true(clock_ms() - begun_ms < 1000 * 30 / 2);
    assert_int_equal(d.n_looks, 1);
    d.rc = ERR_IO; /* while it hangs */
    d.hangs = false;
    sem_post(&d.answers);
    assert_int_equal(lookout_check(l, PATIENCE_MS, &err), ERR_IO); /* of a look behind it */
    assert_int_equal(d.n_looks, 2);
    lookout_free(l);
    sem_destroy(&d.answers);
}

/* The engine does not stop between two passes for a disk that is slow. */
static void test_lookout__who_does_not_wait_hears_it_later(void **state)
{
    struct disk d = {.hangs = true, .rc = ERR_IO};
    int64_t begun_ms = clock_ms();
    struct lookout *l;
    struct err err;

    (void)state;
    sem_init(&d.answers, 0, 0);
    assert_int_equal(lookout_create(look, &d, &l, NULL), 0);
    while (d.n_looks == 0)
        assert_int_equal(lookout_check(l, 0, &err), 0);
    sem_post(&d.answers);
    while (lookout_check(l, 0, &err) == 0)
        assert_true(clock_ms() - begun_ms < PATIENCE_MS);
    assert_int_equal(err.code, ERR_IO);
    lookout_free(l);
    sem_destroy(&d.answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookout__says_what_is_so_when_it_is_asked),
        cmocka_unit_test(test_lookout__nobody_hangs_with_the_disk),
        cmocka_unit_test(test_lookout__who_does_not_wait_hears_it_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
