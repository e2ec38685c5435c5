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
#include "hive/glance.h"

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
        if (glance_at(g, out))
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
    assert_true(glance_at(g, &said)); /* a moment ago it answered */
    later_ms += GLANCE_GOOD_MS;
    assert_false(glance_at(g, &said));
    atomic_store(hangs, 0);
    assert_int_equal(write(fd, "more", 4), 4);
    assert_true(says(g, &said));
    assert_false(file_mark_same_bytes(&is, &said));

    later_ms += GLANCE_GOOD_MS;
    assert_int_equal(unlink(path), 0);
    assert_false(glance_at(g, &said));

    atomic_store(hangs, 1);
    later_ms += GLANCE_GOOD_MS;
    assert_false(glance_at(g, &said));
    glance_free(g); /* one hangs still: it is killed, and the loop reaps it */
    event_base_dispatch(base);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
    assert_int_equal(errno, ECHILD);
    glance_free(NULL);
    event_base_free(base);
    munmap(page, sizeof *hangs);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glance__waits_for_nobody_who_hangs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
