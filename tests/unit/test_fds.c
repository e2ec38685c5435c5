/* test_fds.c - the descriptors that a copy of a process closes, on kernels old and new. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fds.h"

#define N_FDS 700 /* more than one piece of the list tells */
#define FIRST 5
#define LIMIT 4096

enum { DONE, ONE_IS_OPEN, ONE_IS_GONE, NO_DESCRIPTOR, NO_FILTER = 99 };

/* From here on the call with this number ends with `error`, as an older kernel answers, or a
 * container's filter (seccomp(2)). */
static bool refuse(uint32_t number, uint32_t error)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof steps / sizeof *steps, .filter = steps};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* In the child: opens many, closes, and looks. */
static int open_and_close(void)
{
    const struct rlimit limit = {LIMIT, LIMIT};

    setrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = 0; fd < FIRST + N_FDS; fd++)
        if (fcntl(fd, F_GETFD) < 0 && dup2(STDERR_FILENO, fd) < 0)
            return NO_DESCRIPTOR;
    if (dup2(STDERR_FILENO, LIMIT - 1) < 0)
        return NO_DESCRIPTOR;
    fds_close_from(FIRST);
    for (int fd = 0; fd < LIMIT; fd++)
        if ((fcntl(fd, F_GETFD) >= 0) != (fd < FIRST))
            return fd < FIRST ? ONE_IS_GONE : ONE_IS_OPEN;
    return DONE;
}

static int in_a_child(bool without_range, bool without_list)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        if ((without_range && !refuse(SYS_close_range, ENOSYS)) ||
            (without_list && !refuse(SYS_openat, ENOENT)))
            _exit(NO_FILTER);
        _exit(open_and_close());
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/*
 * The processes that look at file systems which may hang closed nothing on Linux before 5.9. One
 * that hung kept the locks and the port of a hive that had been killed: no other could start.
 */
static void test_fds__all_are_closed_on_every_kernel(void **state)
{
    (void)state;
    assert_int_equal(in_a_child(false, false), DONE);
    if (in_a_child(true, false) == NO_FILTER)
        skip(); /* a kernel without seccomp: neither can be tried */
    assert_int_equal(in_a_child(true, false), DONE);
    assert_int_equal(in_a_child(true, true), DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fds__all_are_closed_on_every_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
