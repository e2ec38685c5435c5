/*
 * test_procfs.c - what is read of a process: this program, started once more as the one that is
 * looked at (`test_procfs WHAT`). It says when it is ready, and stays until its input ends.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/process/procfs.h"

#define LONG_MS  30000 /* no test waits so long but to fail */
#define OWN      (64u << 20)
#define NO_CHILD 4194304 /* above PID_MAX_LIMIT */

#ifdef __SANITIZE_THREAD__
/* it keeps notes of each byte, forks where vfork was asked for, and hands signals on at calls only
 */
#define IS_PLAIN false
#else
#define IS_PLAIN true
#endif

/* ---- the one that is looked at ---- */

static void stay(void)
{
    char byte;

    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

static void say(int number)
{
    if (write(STDOUT_FILENO, &number, sizeof number) < 0)
        _exit(1);
}

static void on_signal(int number)
{
    (void)number;
    say((int)syscall(SYS_gettid));
}

static pthread_barrier_t all_there;

static void *spin(void *arg)
{
    const volatile bool *stop = arg;

    pthread_setname_np(pthread_self(), "spinner");
    pthread_barrier_wait(&all_there);
    while (!*stop)
        ;
    return NULL;
}

static void *sleep_on(void *arg)
{
    pthread_setname_np(pthread_self(), "sleeper");
    pthread_barrier_wait(&all_there);
    for (;;)
        pause();
    return arg;
}

static void have_threads(void)
{
    static volatile bool stop;
    pthread_t threads[2];

    signal(SIGUSR1, on_signal);
    if (pthread_barrier_init(&all_there, NULL, 3) ||
        pthread_create(&threads[0], NULL, spin, (void *)(uintptr_t)&stop) ||
        pthread_create(&threads[1], NULL, sleep_on, NULL))
        _exit(1);
    pthread_barrier_wait(&all_there);
    say(0);
    stay();
    _exit(0);
}

/* Its parent sleeps as one does that waits for a disk. */
static void wait_for_vfork(void)
{
    say(0);
    if (vfork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        stay();
        _exit(0);
    }
}

static int be_looked_at(const char *what)
{
    void *own = NULL;

    if (str_eq(what, "threads"))
        have_threads();
    if (str_eq(what, "disk"))
        wait_for_vfork();
    if (str_eq(what, "own")) {
        own = mmap(NULL, OWN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(own, 1, OWN);
    }
    say(0);
    stay();
    return own == MAP_FAILED;
}

/* ---- looking ---- */

struct subject {
    pid_t pid; /* -1: it was reaped */
    int to, from;
};

static int hear(const struct subject *s)
{
    int number;

    assert_int_equal(read(s->from, &number, sizeof number), sizeof number);
    return number;
}

static struct subject begin_program(const char *path, const char *what)
{
    int to[2], from[2];
    struct subject s;

    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    s = (struct subject){.pid = fork(), .to = to[1], .from = from[0]};
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        execl(path, path, what, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    assert_int_equal(hear(&s), 0);
    return s;
}

static struct subject begin(const char *what)
{
    return begin_program("/proc/self/exe", what);
}

static void end(const struct subject *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
    }
    close(s->to);
    close(s->from);
}

/* ---- one line, one process ---- */

static void test_procfs__a_name_with_brackets_and_blanks(void **state)
{
    struct procfs_stat st;

    (void)state;
    assert_int_equal(
        procfs_parse_stat("12 (a) b (c)) T 1 12 12 0 -1 4194560 100 0 17 0 200 100 0 0 "
                          "20 0 3 0 987654 1 2 3\n",
                          &st),
        0);
    assert_int_equal(st.state, 'T');
    assert_int_equal(st.major_faults, 17);
    assert_int_equal(st.n_threads, 3);
    assert_int_equal(st.start_ticks, 987654);
    assert_int_equal(st.cpu_ms, 300 * 1000 / sysconf(_SC_CLK_TCK));
    assert_int_equal(procfs_parse_stat("12 (cut short) S 1 2", &st), -1);
    assert_int_equal(procfs_parse_stat("", &st), -1);
    assert_int_equal(procfs_stat(getpid(), &st), 0);
    assert_int_equal(st.state, 'R');
    assert_false(st.exiting);
}

static void test_procfs__one_that_ends_is_known_before_it_has_ended(void **state)
{
    struct procfs_stat st;
    siginfo_t info;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(procfs_stat(pid, &st), 0);
    assert_true(st.exiting);
    waitpid(pid, NULL, 0);
    /* its flags are all that tells: 0x400100 of the case above, and PF_EXITING */
    assert_int_equal(procfs_parse_stat("12 (node) R 1 12 12 0 -1 4194564 100 0 17 0 200 100 0 0 "
                                       "20 0 2 0 987654 1 2 3\n",
                                       &st),
                     0);
    assert_true(st.exiting);
}

static void test_procfs__a_view_tells_until_the_end(void **state)
{
    struct subject s = begin("asleep");
    pid_t pid = s.pid;
    int status;
    struct procfs_view *v = procfs_open(pid);
    struct procfs_stat st;
    uint64_t bytes;

    (void)state;
    assert_non_null(v);
    assert_int_equal(procfs_look(v, &st), 0);
    assert_true(st.state != 'T');
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_int_equal(procfs_look(v, &st), 0);
    assert_int_equal(st.state, 'T');
    assert_int_equal(procfs_own_bytes(v, &bytes), 0);
    assert_in_range(bytes, 4096, 1 << 30);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    s.pid = -1;
    assert_int_equal(procfs_look(v, &st), -1);
    assert_int_equal(procfs_own_bytes(v, &bytes), -1);
    assert_null(procfs_open(pid));
    procfs_close(v);
    end(&s);
}

/* Pages of files can be given to others: a model that was read is no reason to refuse another. */
static void test_procfs__its_own_bytes_are_not_those_of_files(void **state)
{
    struct procfs_view *a, *b;
    struct subject small, large;
    uint64_t of_small, of_large;

    (void)state;
    if (!IS_PLAIN)
        skip();
    small = begin("asleep");
    large = begin("own");
    a = procfs_open(small.pid);
    b = procfs_open(large.pid);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(procfs_own_bytes(a, &of_small), 0);
    assert_int_equal(procfs_own_bytes(b, &of_large), 0);
    assert_in_range(of_large - of_small, OWN - (OWN >> 3), OWN + (OWN >> 3));
    procfs_close(a);
    procfs_close(b);
    end(&small);
    end(&large);
}

/* ---- threads ---- */

static void test_procfs__one_thread_of_many_may_be_at_work(void **state)
{
    struct subject s = begin("threads");
    struct procfs_threads seen;

    (void)state;
    seen = procfs_threads(s.pid);
    assert_true(seen.runnable);
    assert_false(seen.on_disk);
    assert_false(seen.hidden);
    end(&s);
}

/* What the last one to be ready does next takes a moment. */
static struct procfs_threads look_until(pid_t pid, bool (*is)(const struct procfs_threads *seen))
{
    int64_t until = clock_ms() + LONG_MS;
    struct procfs_threads seen;

    do
        seen = procfs_threads(pid);
    while (!is(&seen) && clock_ms() < until);
    return seen;
}

static bool is_asleep(const struct procfs_threads *seen)
{
    return !seen->runnable;
}

static bool waits_for_disk(const struct procfs_threads *seen)
{
    return seen->on_disk && !seen->runnable;
}

static void test_procfs__asleep_is_not_at_work(void **state)
{
    struct subject s = begin("asleep");
    struct procfs_threads seen = look_until(s.pid, is_asleep);

    (void)state;
    assert_false(seen.runnable);
    assert_false(seen.on_disk);
    assert_false(seen.hidden);
    end(&s);
}

static void test_procfs__a_disk_is_waited_for(void **state)
{
    struct procfs_threads seen;
    struct subject s;

    (void)state;
    if (!IS_PLAIN)
        skip();
    s = begin("disk");
    seen = look_until(s.pid, waits_for_disk);
    assert_true(seen.on_disk);
    assert_false(seen.runnable);
    end(&s);
}

static char *lines_of(pid_t pid)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);

    assert_non_null(f);
    procfs_put_threads(pid, f);
    fclose(f);
    return text;
}

static void test_procfs__what_cannot_be_seen_is_hidden(void **state)
{
    char *text = lines_of(NO_CHILD);

    (void)state;
    assert_true(procfs_threads(NO_CHILD).hidden);
    assert_string_equal(text, "rbee-hive: /proc does not tell of them\n");
    free(text);
}

static void test_procfs__a_line_tells_of_each_thread(void **state)
{
    struct subject s = begin("threads");
    int64_t until = clock_ms() + LONG_MS;
    char begins[64], *text = lines_of(s.pid);

    (void)state;
    while (!strstr(text, " (sleeper): state S, waits in ") && clock_ms() < until) {
        free(text); /* it is on its way to sleep */
        text = lines_of(s.pid);
    }
    snprintf(begins, sizeof begins, "rbee-hive: thread %d (", (int)s.pid);
    assert_non_null(strstr(text, begins));
    assert_non_null(strstr(text, " (spinner): state R, waits in "));
    assert_non_null(strstr(strstr(text, " (sleeper): state S, waits in "), ", system call "));
    free(text);
    end(&s);
}

static void test_procfs__each_thread_has_the_signal_once(void **state)
{
    struct subject s;
    int heard[3];

    (void)state;
    if (!IS_PLAIN)
        skip();
    s = begin("threads");
    procfs_signal_threads(s.pid, SIGUSR1);
    for (size_t i = 0; i < 3; i++) {
        heard[i] = hear(&s);
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(heard[k], heard[i]);
    }
    end(&s);
}

/* ---- who it is ---- */

static void copy_of_this(const char *to)
{
    char *bytes;
    size_t n;

    assert_int_equal(path_read_file("/proc/self/exe", 256 << 20, &bytes, &n, NULL), 0);
    assert_int_equal(path_write_file(to, bytes, n, 0700, NULL), 0);
    free(bytes);
}

/* An update puts another file in the program's place. */
static void test_procfs__a_program_that_was_replaced_keeps_its_path(void **state)
{
    char dir[] = "/tmp/rbee-procfs-XXXXXX", path[64], seen[256];
    struct subject s;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/program", dir);
    copy_of_this(path);
    s = begin_program(path, "asleep");
    assert_int_equal(procfs_exe(s.pid, seen, sizeof seen), 0);
    assert_string_equal(seen, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(procfs_exe(s.pid, seen, sizeof seen), 0);
    assert_string_equal(seen, path);
    end(&s);
    assert_int_equal(procfs_exe(NO_CHILD, seen, sizeof seen), -1);
    rmdir(dir);
}

static void test_procfs__an_argument_is_a_whole_one(void **state)
{
    struct subject s = begin("asleep");

    (void)state;
    assert_true(procfs_has_arg(s.pid, "asleep"));
    assert_false(procfs_has_arg(s.pid, "asle"));
    assert_false(procfs_has_arg(s.pid, "leep"));
    assert_false(procfs_has_arg(NO_CHILD, "asleep"));
    end(&s);
}

/* ---- the machine ---- */

static void test_procfs__the_machines_start_and_its_kills(void **state)
{
    char id[PROCFS_BOOT_BYTES], line[128];
    FILE *f = fopen("/proc/vmstat", "r");
    int64_t n_kills = -1;

    (void)state;
    procfs_boot_id(id);
    assert_int_equal(strlen(id), 36);
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (str_starts(line, "oom_kill "))
            n_kills = strtoll(line + strlen("oom_kill "), NULL, 10);
    fclose(f);
    assert_in_range(procfs_oom_kills(), n_kills, n_kills + 1000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_procfs__a_name_with_brackets_and_blanks),
        cmocka_unit_test(test_procfs__one_that_ends_is_known_before_it_has_ended),
        cmocka_unit_test(test_procfs__a_view_tells_until_the_end),
        cmocka_unit_test(test_procfs__its_own_bytes_are_not_those_of_files),
        cmocka_unit_test(test_procfs__one_thread_of_many_may_be_at_work),
        cmocka_unit_test(test_procfs__asleep_is_not_at_work),
        cmocka_unit_test(test_procfs__a_disk_is_waited_for),
        cmocka_unit_test(test_procfs__what_cannot_be_seen_is_hidden),
        cmocka_unit_test(test_procfs__a_line_tells_of_each_thread),
        cmocka_unit_test(test_procfs__each_thread_has_the_signal_once),
        cmocka_unit_test(test_procfs__a_program_that_was_replaced_keeps_its_path),
        cmocka_unit_test(test_procfs__an_argument_is_a_whole_one),
        cmocka_unit_test(test_procfs__the_machines_start_and_its_kills),
    };

    if (argc == 2)
        return be_looked_at(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
