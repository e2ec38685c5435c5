/* test_child.c - what a started program has of ours, and how it ends. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hive/process/child.h"

#define LONG_MS 30000 /* no test waits so long but to fail */

static const char *const no_variables[] = {NULL};

/* The program argv[0], with the three descriptors that it must have, which lead nowhere. */
static struct child_params plain(const char *const *argv, const char *const *envp)
{
    return (struct child_params){.path = argv[0],
                                 .argv = argv,
                                 .envp = envp,
                                 .fds = {-1, -1, -1},
                                 .n_fds = 3,
                                 .cgroup_fd = -1};
}

static void make_pipe(int ends[2])
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
}

static int count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* All that comes until the last writer has gone, with its NUL. */
static void read_all(int fd, char *dst, size_t size)
{
    size_t n = 0;
    ssize_t more;

    while ((more = read(fd, dst + n, size - 1 - n)) > 0)
        n += (size_t)more;
    assert_int_equal(more, 0);
    dst[n] = '\0';
    close(fd);
}

/* What the program writes to its output, once it has ended well. */
static void run_reading(const char *const *argv, const char *const *envp, char *dst, size_t size)
{
    struct child_params params = plain(argv, envp);
    struct child_end end;
    struct child c;
    int out[2];

    make_pipe(out);
    params.fds[1] = out[1];
    assert_int_equal(child_start(&params, &c, NULL), 0);
    close(out[1]);
    read_all(out[0], dst, size);
    assert_true(child_has_ended(&c, LONG_MS));
    end = child_reap(&c);
    assert_false(end.by_signal);
    assert_int_equal(end.code, 0);
}

/* ---- what it has ---- */

static void test_child__has_the_variables_that_are_named(void **state)
{
    static const char *const argv[] = {"/usr/bin/env", NULL};
    static const char *const envp[] = {"ONE=1", "TWO=a b", NULL};
    char text[256];

    (void)state;
    assert_int_equal(setenv("HF_TOKEN", "hf_secret", 1), 0);
    run_reading(argv, envp, text, sizeof text);
    assert_string_equal(text, "ONE=1\nTWO=a b\n");
    unsetenv("HF_TOKEN");
}

/* Descriptor 3 is the folder that ls reads. */
static void test_child__has_no_descriptor_that_a_library_forgot(void **state)
{
    static const char *const argv[] = {"/bin/ls", "/proc/self/fd", NULL};
    int forgotten = open("/", O_RDONLY | O_CLOEXEC), high = dup2(forgotten, 77);
    char text[256];

    (void)state;
    assert_int_equal(high, 77); /* dup2's copy is kept over an exec */
    run_reading(argv, no_variables, text, sizeof text);
    assert_string_equal(text, "0\n1\n2\n3\n");
    close(forgotten);
    close(high);
}

static void test_child__has_a_session_and_a_silent_input_of_its_own(void **state)
{
    static const char *const argv[] = {
        "/bin/sh", "-c", "read a && echo read; set -- $(cat /proc/$$/stat); echo $(($1 - $6))",
        NULL};
    char text[256];

    (void)state;
    run_reading(argv, no_variables, text, sizeof text);
    assert_string_equal(text, "0\n"); /* nothing was read, and the session is the process's */
}

/* A worker that ignored SIGTERM, because the hive does or a thread had it blocked, would end by
 * SIGKILL alone. */
static void test_child__has_the_systems_signals(void **state)
{
    static const char *const argv[] = {"/bin/grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status",
                                       NULL};
    void (*before)(int) = signal(SIGTERM, SIG_IGN);
    sigset_t one, was, now;
    char text[256];

    (void)state;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    sigprocmask(SIG_BLOCK, &one, &was);
    run_reading(argv, no_variables, text, sizeof text);
    sigprocmask(SIG_SETMASK, &was, &now);
    signal(SIGTERM, before);
    assert_true(sigismember(&now, SIGUSR1)); /* ours are as they were */
    assert_false(sigismember(&now, SIGINT));
    assert_string_equal(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

/* The hive's descriptor 3 becomes the child's 4, and the other way round. */
static void test_child__has_each_descriptor_in_its_place(void **state)
{
    static const char *const argv[] = {"/bin/sh", "-c", "echo a >&$A; echo b >&$B", NULL};
    const char *envp[3] = {NULL};
    struct child_params params = {.path = argv[0], .argv = argv, .envp = envp, .cgroup_fd = -1};
    int a = open("/", O_RDONLY | O_CLOEXEC), b = open("/", O_RDONLY | O_CLOEXEC);
    char variables[2][16], text[64];
    int to_a[2], to_b[2];
    struct child c;

    (void)state;
    if (a < 3 || b < 3 || a >= CHILD_FDS_MAX || b >= CHILD_FDS_MAX)
        fail_msg("the test's own descriptors %d and %d lie too high", a, b);
    for (size_t i = 0; i < CHILD_FDS_MAX; i++)
        params.fds[i] = -1;
    make_pipe(to_a);
    make_pipe(to_b);
    assert_int_equal(dup3(to_a[1], b, O_CLOEXEC), b);
    assert_int_equal(dup3(to_b[1], a, O_CLOEXEC), a);
    params.fds[a] = b;
    params.fds[b] = a;
    params.n_fds = (size_t)(a > b ? a : b) + 1;
    snprintf(variables[0], sizeof variables[0], "A=%d", a);
    snprintf(variables[1], sizeof variables[1], "B=%d", b);
    envp[0] = variables[0];
    envp[1] = variables[1];
    assert_int_equal(child_start(&params, &c, NULL), 0);
    close(a);
    close(b);
    close(to_a[1]);
    close(to_b[1]);
    read_all(to_a[0], text, sizeof text);
    assert_string_equal(text, "a\n");
    read_all(to_b[0], text, sizeof text);
    assert_string_equal(text, "b\n");
    assert_true(child_has_ended(&c, LONG_MS));
    assert_int_equal(child_reap(&c).code, 0);
}

/* ---- whether it begins ---- */

/* Where the kernel does not take the cgroup (here: a folder that is none), a program runs all the
 * same. */
static void test_child__runs_without_its_cgroup(void **state)
{
    static const char *const argv[] = {"/bin/sh", "-c", "exit 7", NULL}, *const envp[] = {NULL};
    struct child_params params = plain(argv, envp);
    struct child_end end;
    struct child c;
    struct err err;

    (void)state;
    params.cgroup_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(params.cgroup_fd >= 0);
    assert_int_equal(child_start(&params, &c, &err), 0);
    assert_false(c.in_cgroup);
    assert_true(child_has_ended(&c, 30000));
    end = child_reap(&c);
    assert_false(end.by_signal);
    assert_int_equal(end.code, 7);
    close(params.cgroup_fd);
}

/* `exit 7` by a shell, where a process may have so many descriptors. */
static int start_with_limit(rlim_t n, struct child *c, struct err *err)
{
    static const char *const argv[] = {"/bin/sh", "-c", "exit 7", NULL}, *const envp[] = {NULL};
    const struct child_params params = plain(argv, envp);
    struct rlimit before, less;
    int rc;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    less = before;
    less.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
    rc = child_start(&params, c, err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    return rc;
}

/*
 * With 64 descriptors and fewer there was no worker, "Invalid argument": copies were parked from
 * number 64 on. With too few the error says how many there are, and what gives more.
 */
static void test_child__few_descriptors_are_enough_or_are_told(void **state)
{
    struct child c;
    struct err err;
    int first_free = open("/", O_RDONLY | O_CLOEXEC), n_before;

    (void)state;
    assert_in_range(first_free, 0, 40);
    close(first_free);
    assert_int_equal(start_with_limit(64, &c, &err), 0);
    assert_true(child_has_ended(&c, 30000));
    assert_int_equal(child_reap(&c).code, 7);
    if (first_free < CHILD_FDS_MAX)
        first_free = CHILD_FDS_MAX;
    n_before = count_descriptors();
    assert_int_equal(start_with_limit((rlim_t)first_free + 2, &c, &err), ERR_IO);
    assert_int_equal(count_descriptors(), n_before);
    assert_non_null(strstr(err.text, " open files, and has them; `ulimit -n`"));
}

static void expect_refused(const char *path, int code, const char *says)
{
    const char *argv[] = {path, NULL};
    const struct child_params params = plain(argv, no_variables);
    struct child c;
    struct err err;

    assert_int_equal(child_start(&params, &c, &err), code);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, says));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left to be waited for */
}

static void test_child__what_cannot_be_run_is_told(void **state)
{
    char file[] = "/tmp/rbee-child-XXXXXX";
    int fd = mkstemp(file), n_before = count_descriptors();

    (void)state;
    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, "no program", 10), 10);
    expect_refused(file, ERR_DENIED, "Permission denied");
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    expect_refused(file, ERR_IO, "Exec format error");
    unlink(file);
    expect_refused(file, ERR_NOT_FOUND, "No such file");
    assert_int_equal(count_descriptors(), n_before - 1);
}

/* ---- how it ends ---- */

/* A process between us and a child that waits for ever; it ends at once. The child holds `fd`. */
static void start_by_another(int fd)
{
    static const char *const argv[] = {"/bin/sleep", "1000", NULL};
    struct child_params params = plain(argv, no_variables);
    pid_t pid;
    struct child c;
    int status;

    params.fds[1] = fd;
    pid = fork();
    if (pid == 0)
        _exit(child_start(&params, &c, NULL) ? 1 : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The other ways in which it ends with its hive (the lease) are its own to take: this one works
 * for a program that knows nothing of the hive. */
static void test_child__ends_with_who_started_it(void **state)
{
    char text[16];
    int ends[2];

    (void)state;
    make_pipe(ends);
    start_by_another(ends[1]);
    close(ends[1]);
    alarm(LONG_MS / 1000);
    read_all(ends[0], text, sizeof text); /* comes back when the child is no more */
    alarm(0);
    assert_string_equal(text, "");
}

static struct child_end end_of(const char *command)
{
    const char *argv[] = {"/bin/sh", "-c", command, NULL};
    const struct child_params params = plain(argv, no_variables);
    struct child c;

    assert_int_equal(child_start(&params, &c, NULL), 0);
    assert_true(child_has_ended(&c, LONG_MS));
    return child_reap(&c);
}

static void test_child__its_end_is_told(void **state)
{
    static const struct {
        const char *command, *text;
    } rows[] = {{"exit 0", "exit code 0"},
                {"exit 3", "exit code 3"},
                {"kill -TERM $$", "signal SIGTERM (Terminated)"},
                {"kill -KILL $$", "signal SIGKILL (Killed)"},
                {"kill -40 $$", "signal 40"}};
    const struct child_end unknown = {.code = CHILD_END_UNKNOWN};
    int n_before = count_descriptors();
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct child_end end = end_of(rows[i].command);

        assert_string_equal(child_end_text(&end, text, sizeof text), rows[i].text);
    }
    assert_int_equal(count_descriptors(), n_before);
    assert_string_equal(child_end_text(&unknown, text, sizeof text),
                        "an end that the system does not tell");
}

static void test_child__when_it_was_killed_is_known(void **state)
{
    static const char *const argv[] = {"/bin/sleep", "1000", NULL};
    const struct child_params params = plain(argv, no_variables);
    struct child_end end;
    struct child c;
    int64_t killed_ms;

    (void)state;
    assert_int_equal(child_start(&params, &c, NULL), 0);
    assert_false(child_has_ended(&c, 0));
    child_signal(&c, SIGCONT);
    assert_int_equal(c.killed_ms, 0);
    child_signal(&c, SIGKILL);
    killed_ms = c.killed_ms;
    assert_int_not_equal(killed_ms, 0);
    assert_true(child_has_ended(&c, LONG_MS));
    usleep(2000);
    child_signal(&c, SIGKILL);
    assert_int_equal(c.killed_ms, killed_ms);
    end = child_reap(&c);
    assert_true(end.by_signal);
    assert_int_equal(end.code, SIGKILL);
    assert_int_equal(c.pidfd, -1);
    child_signal(&c, SIGKILL); /* nothing happens */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_child__has_the_variables_that_are_named),
        cmocka_unit_test(test_child__has_no_descriptor_that_a_library_forgot),
        cmocka_unit_test(test_child__has_a_session_and_a_silent_input_of_its_own),
        cmocka_unit_test(test_child__has_the_systems_signals),
        cmocka_unit_test(test_child__has_each_descriptor_in_its_place),
        cmocka_unit_test(test_child__runs_without_its_cgroup),
        cmocka_unit_test(test_child__few_descriptors_are_enough_or_are_told),
        cmocka_unit_test(test_child__what_cannot_be_run_is_told),
        cmocka_unit_test(test_child__ends_with_who_started_it),
        cmocka_unit_test(test_child__its_end_is_told),
        cmocka_unit_test(test_child__when_it_was_killed_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
