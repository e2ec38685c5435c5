/* What a process of a moment says of a file, and one that hangs for as long as the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/path.h"
#include "hive/disk/glance.h"

static _Atomic int *hangs; /* shared with the processes that look */
static int64_t later_ms;   /* the clock is moved by so much */

bool __real_file_mark_of(const char *path, struct file_mark *out);
bool __wrap_file_mark_of(const char *path, struct file_mark *out);
int64_t __real_clock_ms(void);
int64_t __wrap_clock_ms(void);

bool __wrap_file_mark_of(const char *path, struct file_mark *out)
{
    while (atomic_load(hangs))
        usleep(1000);
    return __real_file_mark_of(path, out);
}

int64_t __wrap_clock_ms(void)
{
    return __real_clock_ms() + later_ms;
}

/* An answer may take its time on a machine that has much to do. */
static bool says(struct glance *g, struct file_mark *out)
{
    for (int i = 0; i < 100; i++) {
        if (glance_at(g, GLANCE_WAIT_MS, out))
            return true;
        usleep(10000);
    }
    return false;
}

/*
 * Keepers look at the list of workers all the time: a hive whose model lay on a file system that
 * stopped to answer went there for the list, and stood still for good.
 */
static void test_glance__waits_for_nobody_who_hangs(void **state)
{
    char path[] = "/tmp/rbee-test-glance-XXXXXX";
    struct event_base *base = event_base_new();
    struct file_mark is, said;
    struct glance *g;
    void *page;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    page = mmap(NULL, sizeof *hangs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    hangs = page;
    g = glance_create(base, path);
    assert_non_null(g);
    assert_true(says(g, &said));
    assert_true(file_mark_of(path, &is) && file_mark_same_bytes(&is, &said));

    atomic_store(hangs, 1);
    assert_true(glance_at(g, GLANCE_WAIT_MS, &said)); /* a moment ago it answered */
    later_ms += GLANCE_GOOD_MS;
    assert_false(glance_at(g, GLANCE_WAIT_MS, &said));
    assert_int_equal(write(fd, "more", 4), 4);
    atomic_store(hangs, 0);
    assert_true(says(g, &said));
    assert_false(file_mark_same_bytes(&is, &said));

    later_ms += GLANCE_GOOD_MS;
    assert_int_equal(unlink(path), 0);
    assert_false(glance_at(g, GLANCE_WAIT_MS, &said));

    atomic_store(hangs, 1);
    later_ms += GLANCE_GOOD_MS;
    assert_false(glance_at(g, GLANCE_WAIT_MS, &said));
    later_ms += GLANCE_LATE_MS;
    assert_false(glance_at(g, GLANCE_WAIT_MS, &said));
    glance_free(g); /* one may hang still: it is killed, and the loop reaps it */
    event_base_dispatch(base);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
    assert_int_equal(errno, ECHILD);
    glance_free(NULL);
    event_base_free(base);
    munmap(page, sizeof *hangs);
    close(fd);
}

/*
 * A file system that took longer than the wait was waited for at each question, for each worker on
 * it, and never had its say: what it said was thrown away as old.
 */
static void test_glance__hears_a_slow_one_the_next_time(void **state)
{
    struct event_base *base = event_base_new();
    struct glance *g = glance_create(base, "/");
    struct file_mark said;
    void *page =
        mmap(NULL, sizeof *hangs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_non_null(g);
    assert_ptr_not_equal(page, MAP_FAILED);
    hangs = page;
    for (int i = 0; i < 3; i++) {
        atomic_store(hangs, 1);
        later_ms += GLANCE_GOOD_MS;
        assert_false(glance_at(g, i ? INT64_MAX / 2 : 1,
                               &said)); /* waited for once: else this is for ever */
        usleep(1000 * GLANCE_WAIT_MS + 50000);
        atomic_store(hangs, 0);
        assert_true(says(g, &said));
    }
    glance_free(g);
    event_base_dispatch(base);
    event_base_free(base);
    munmap(page, sizeof *hangs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glance__waits_for_nobody_who_hangs),
        cmocka_unit_test(test_glance__hears_a_slow_one_the_next_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
