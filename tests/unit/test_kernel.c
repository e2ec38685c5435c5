/* test_kernel.c - a kernel, or a container's filter, that a hive cannot work on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "hive/process/kernel.h"

static int pidfd_errno, memfd_errno; /* 0 = the call works */

int __real_pidfd_open(pid_t pid, unsigned flags); /* GNU ld --wrap: its own names */
int __wrap_pidfd_open(pid_t pid, unsigned flags);
int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);

int __wrap_pidfd_open(pid_t pid, unsigned flags)
{
    errno = pidfd_errno;
    return pidfd_errno ? -1 : __real_pidfd_open(pid, flags);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
    errno = memfd_errno;
    return memfd_errno ? -1 : __real_memfd_create(name, flags);
}

/*
 * Without pidfd_open a hive started, said that it was alive, and answered every request for a model
 * with "could not be started", as if that might pass.
 */
static void test_kernel__what_is_missing_is_told_at_the_start(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(kernel_check(&err), 0);
    pidfd_errno = ENOSYS;
    assert_int_equal(kernel_check(&err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "needs Linux 5.4 or newer (pidfd_open: Function not impl"));
    pidfd_errno = 0;
    memfd_errno = EPERM;
    assert_int_equal(kernel_check(&err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "(memfd_create: Operation not permitted)"));
    memfd_errno = EMFILE; /* told better by what needs one */
    assert_int_equal(kernel_check(&err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel__what_is_missing_is_told_at_the_start),
    };

    return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
