/* Programs that the hive runs to ask them something: what becomes of those that do not end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "hive/process/capture.h"

#define PATIENCE_MS 30000

/* Says its process id, and waits for a line; then it says too much, and waits again. */
#define PROGRAM "echo $$ >pid; read line <go; echo too much; read line <go"

static char dir[] = "/tmp/rbee-capture-XXXXXX";

/* ---- in the hive's place: a process with a loop ---- */

struct place {
    struct event_base *base;
    struct capture *capture;
    int told_fd;
};

static void tell(const struct place *p)
{
    if (write(p->told_fd, "t", 1) != 1)
        _exit(3);
}

static void on_done(void *arg, const struct capture_result *result)
{
    if (result->rc != ERR_LIMIT)
        _exit(4);
    tell(arg);
}

static void on_cancel(evutil_socket_t fd, short what, void *arg)
{
    struct place *p = arg;

    (void)fd;
    (void)what;
    capture_cancel(p->capture);
    tell(p);
}

static _Noreturn void be_the_hive(int told_fd, int cancel_fd)
{
    static const char *const argv[] = {"/bin/sh", "-c", PROGRAM, NULL};
    struct place p = {.base = event_base_new(), .told_fd = told_fd};
    struct capture_params params = {.path = argv[0],
                                    .argv = argv,
                                    .out_max = 4,
                                    .timeout_ms = 10 * PATIENCE_MS,
                                    .arg = &p,
                                    .done = on_done};

    if (!p.base || capture_start(p.base, &params, &p.capture, NULL) ||
        event_base_once(p.base, cancel_fd, EV_READ, on_cancel, &p, NULL))
        _exit(2);
    event_base_loop(p.base, EVLOOP_NO_EXIT_ON_EMPTY);
    _exit(0);
}

/* ---- the test's own process ---- */

static pid_t read_pid(void)
{
    int64_t until = clock_ms() + PATIENCE_MS;
    char text[32] = "";

    while (!strchr(text, '\n') && clock_ms() < until) {
        int fd = open("pid", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;

        text[n > 0 ? n : 0] = '\0';
        if (fd >= 0)
            close(fd);
        clock_sleep_ms(2);
    }
    return (pid_t)strtol(text, NULL, 10);
}

static bool was_told(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, PATIENCE_MS) == 1;
}

static bool goes_away(pid_t pid)
{
    int64_t until = clock_ms() + PATIENCE_MS;

    while (kill(pid, 0) == 0 && clock_ms() < until)
        clock_sleep_ms(2);
    return kill(pid, 0) != 0;
}

/*
 * A model on a filesystem that hangs: the process that looks into it waits for a disk and does not
 * die of SIGKILL. The hive waited for its death all the same, in its loop, and stood still: no
 * health, no streams, no SIGTERM, until the filesystem answered. Here a tracer holds the process on
 * its way out (PTRACE_EVENT_EXIT), which looks the same from outside.
 */
static void check_held(bool cancelled)
{
    int told[2], cancel[2], go, status = 0;
    bool traced, heard, alive, gone;
    pid_t hive, pid;

    unlink("pid");
    assert_int_equal(pipe2(told, O_CLOEXEC), 0);
    assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
    go = open("go", O_RDWR | O_CLOEXEC);
    assert_true(go >= 0);
    hive = fork();
    if (hive == 0)
        be_the_hive(told[1], cancel[0]);
    pid = read_pid();
    assert_true(pid > 1);
    traced = ptrace(PTRACE_SEIZE, pid, NULL, (void *)(uintptr_t)PTRACE_O_TRACEEXIT) == 0;
    assert_int_equal(write(cancelled ? cancel[1] : go, "\n", 1), 1);
    heard = was_told(told[0]);
    alive = kill(pid, 0) == 0;
    gone = false;
    if (traced && heard) {
        assert_int_equal(waitpid(pid, &status, __WALL), pid);
        assert_int_equal(status >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);
        ptrace(PTRACE_DETACH, pid, NULL, NULL);
        gone = goes_away(pid);
    }
    kill(hive, SIGKILL);
    waitpid(hive, NULL, 0);
    close(go);
    for (int i = 0; i < 2; i++) {
        close(told[i]);
        close(cancel[i]);
    }
    if (!traced)
        skip(); /* no process may be held here */
    assert_true(heard);
    assert_true(alive);
    assert_true(gone); /* reaped by the loop, once it could die */
}

static void test_capture__tells_though_the_process_does_not_die(void **state)
{
    (void)state;
    check_held(false);
}

static void test_capture__is_cancelled_though_the_process_does_not_die(void **state)
{
    (void)state;
    check_held(true);
}

/* ---- one that writes without end ---- */

ssize_t __real_read(int fd, void *dst, size_t n);
ssize_t __wrap_read(int fd, void *dst, size_t n);

#define ENDLESS_READS                                                                              \
    10000 /* of two or three turns of the loop, a few dozen are to be expected                     \
           */

static bool is_endless; /* whatever is read is full: the writer is always faster */
static unsigned n_reads;

ssize_t __wrap_read(int fd, void *dst, size_t n)
{
    if (!is_endless)
        return __real_read(fd, dst, n);
    if (++n_reads > ENDLESS_READS) {
        errno = EAGAIN;
        return -1;
    }
    memset(dst, 'x', n);
    return (ssize_t)n;
}

/* Called in each turn of the loop. */
static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct place *p = arg;

    (void)fd;
    (void)what;
    if (n_reads == 0)
        return; /* nothing was written as yet */
    capture_cancel(p->capture);
    event_base_loopbreak(p->base);
}

static void on_end(void *arg, const struct capture_result *result)
{
    const struct place *p = arg;

    (void)result;
    event_base_loopbreak(p->base);
}

/*
 * A process that filled its stderr as fast as that was read (with threads, in a sandbox) held the
 * hive's loop for as long as it liked: reading went on until nothing was there.
 */
static void test_capture__a_flood_on_stderr_lets_the_loop_turn(void **state)
{
    static const char *const argv[] = {"/bin/sh", "-c", "echo x >&2; read line <go", NULL};
    struct place p = {.base = event_base_new()};
    const struct capture_params params = {.path = argv[0],
                                          .argv = argv,
                                          .out_max = 4,
                                          .timeout_ms = PATIENCE_MS,
                                          .arg = &p,
                                          .done = on_end};

    struct event *turn;
    int always[2];

    (void)state;
    assert_int_equal(pipe2(always, O_CLOEXEC), 0);
    assert_int_equal(write(always[1], "x", 1), 1);
    turn = p.base ? event_new(p.base, always[0], EV_READ | EV_PERSIST, on_turn, &p) : NULL;
    assert_true(turn && event_add(turn, NULL) == 0);
    assert_int_equal(capture_start(p.base, &params, &p.capture, NULL), 0);
    is_endless = true;
    event_base_loop(p.base, EVLOOP_NO_EXIT_ON_EMPTY);
    is_endless = false;
    assert_in_range(n_reads, 1, ENDLESS_READS - 1);
    event_free(turn);
    event_base_loop(p.base, 0); /* until the process is reaped */
    event_base_free(p.base);
    for (int i = 0; i < 2; i++)
        close(always[i]);
}

/* A program with no environment, on /dev/null, in this process's cgroup. */
static int start(const char *const *argv, struct child *c, struct err *err)
{
    static const char *const envp[] = {NULL};
    const struct child_params params = {.path = argv[0],
                                        .argv = argv,
                                        .envp = envp,
                                        .fds = {-1, -1, -1},
                                        .n_fds = 3,
                                        .cgroup_fd = -1};

    return child_start(&params, c, err);
}

/* ---- the time is over, and so is the program ---- */

#define MANY_FDS 256

static bool waits_for_end;

bool __real_child_has_ended(const struct child *c, int64_t wait_ms);
bool __wrap_child_has_ended(const struct child *c, int64_t wait_ms);

bool __wrap_child_has_ended(const struct child *c, int64_t wait_ms)
{
    return __real_child_has_ended(c, waits_for_end ? PATIENCE_MS : wait_ms);
}

/* Takes the descriptors below the highest that are free; how many, in `fds`. */
static size_t fill_gaps(int fds[MANY_FDS])
{
    size_t n = 0;

    for (int fd = 3, highest = MANY_FDS; fd < highest; fd++) {
        while (highest > fd && fcntl(highest - 1, F_GETFD) < 0)
            highest--;
        if (fd < highest && fcntl(fd, F_GETFD) < 0)
            fds[n++] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    return n;
}

struct next {
    struct event_base *base;
    int pipe[2];
    struct event *heard;
    bool was_heard;
};

static void on_heard(evutil_socket_t fd, short what, void *arg)
{
    struct next *n = arg;

    (void)fd;
    n->was_heard = (what & EV_READ) != 0;
    event_base_loopbreak(n->base);
}

/* What whoever is told opens next has the numbers that are free. */
static void begin_next(void *arg, const struct capture_result *result)
{
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    struct next *n = arg;

    assert_int_equal(result->rc, 0);
    assert_int_equal(pipe2(n->pipe, O_CLOEXEC), 0);
    n->heard = event_new(n->base, n->pipe[0], EV_READ, on_heard, n);
    assert_int_equal(event_add(n->heard, &patience), 0);
    assert_int_equal(write(n->pipe[1], "x", 1), 1);
}

/*
 * The descriptor of a program that had ended as its time was over was closed while the loop still
 * listened to it: what got its number was never heard, as a worker's end or a long answer.
 */
static void test_capture__what_gets_its_descriptors_number_is_heard(void **state)
{
    static const char *const argv[] = {"/bin/sh", "-c", "sleep 0.3", NULL};
    struct next n = {.base = event_base_new()};
    const struct capture_params params = {.path = argv[0],
                                          .argv = argv,
                                          .out_max = 100,
                                          .timeout_ms = 20,
                                          .arg = &n,
                                          .done = begin_next};
    struct capture *c;
    int gaps[MANY_FDS];
    size_t n_gaps;

    (void)state;
    assert_int_equal(capture_start(n.base, &params, &c, NULL), 0);
    n_gaps = fill_gaps(gaps);
    waits_for_end = true;
    event_base_dispatch(n.base);
    waits_for_end = false;
    assert_non_null(n.heard);
    assert_true(n.was_heard);
    event_free(n.heard);
    close(n.pipe[0]);
    close(n.pipe[1]);
    while (n_gaps)
        close(gaps[--n_gaps]);
    event_base_free(n.base);
}

/* Each try to start a program while descriptors ran short left one more of /dev/null open. */
static void test_child__leaves_no_descriptor_where_it_cannot_start(void **state)
{
    static const char *const argv[] = {"/bin/true", NULL};
    struct rlimit before, few;
    int lowest, rc, then;
    struct child c;
    struct err err;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    lowest = open("/", O_RDONLY | O_CLOEXEC);
    close(lowest);
    few = before; /* /dev/null can be opened, and no copy of it made where copies lie */
    few.rlim_cur = lowest < CHILD_FDS_MAX ? CHILD_FDS_MAX : (rlim_t)lowest + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    rc = start(argv, &c, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    then = open("/", O_RDONLY | O_CLOEXEC);
    close(then);
    assert_int_equal(rc, ERR_IO);
    assert_non_null(strstr(err.text, "descriptor"));
    assert_int_equal(then, lowest);
}

/* An end that nobody told was "exit code 0", whatever it had been. */
static void test_child__an_end_that_is_not_told_is_no_success(void **state)
{
    static const char *const argv[] = {"/bin/sleep", "60", NULL};
    struct child_end end;
    struct child c;
    char text[64];

    (void)state;
    signal(SIGCHLD, SIG_IGN); /* children are reaped by the kernel */
    assert_int_equal(start(argv, &c, NULL), 0);
    assert_false(child_has_ended(&c, 0));
    child_signal(&c, SIGKILL);
    assert_true(child_has_ended(&c, PATIENCE_MS));
    end = child_reap(&c);
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(c.pidfd, -1);
    assert_false(end.by_signal);
    assert_int_equal(end.code, CHILD_END_UNKNOWN);
    assert_null(strstr(child_end_text(&end, text, sizeof text), "exit code"));
}

static int enter_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) && chdir(dir) == 0 ? mkfifo("go", 0600) : -1;
}

static int leave_dir(void **state)
{
    (void)state;
    unlink("pid");
    unlink("go");
    return chdir("/") || rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_capture__tells_though_the_process_does_not_die),
        cmocka_unit_test(test_capture__is_cancelled_though_the_process_does_not_die),
        cmocka_unit_test(test_capture__a_flood_on_stderr_lets_the_loop_turn),
        cmocka_unit_test(test_capture__what_gets_its_descriptors_number_is_heard),
        cmocka_unit_test(test_child__leaves_no_descriptor_where_it_cannot_start),
        cmocka_unit_test(test_child__an_end_that_is_not_told_is_no_success),
    };

    return cmocka_run_group_tests(tests, enter_dir, leave_dir);
}
