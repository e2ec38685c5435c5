/*
 * The life of workers, as far as it is arithmetic and files: the table of states, stuck told from
 * slow, the pace of passes, logs that are kept within bounds, and notes of what was started.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "hive/disk/home.h"
#include "hive/disk/logrotate.h"
#include "hive/process/cgroup.h"
#include "hive/process/child.h"
#include "hive/process/procfs.h"
#include "hive/workers/reaper.h"
#include "hive/workers/stall.h"
#include "hive/workers/worker_state.h"
#include "hive/workers/workers.h"
#include "net/sse.h"
#include "worker/jobs/pace.h"
#include "worker/sandbox/stacks.h"
#include "worker/server/lifecycle.h"

/*
 * Two programs, two clocks: what a worker gives its answers behind SIGTERM, and the time their last
 * words need, is over before its hive sends SIGKILL. When both were 10 s the answers broke off
 * without an error event and [DONE].
 */
_Static_assert(LIFECYCLE_SIGNAL_DRAIN_MS + LIFECYCLE_FLUSH_MS < WORKERS_TERM_MS,
               "a hive's patience behind SIGTERM is longer than a worker's drain");

/* What docs/contract.md promises, section 8. */
_Static_assert(WORKERS_DRAIN_MS + WORKERS_TERM_MS <= 30000, "a drain has 30 s at most");
_Static_assert(WORKERS_TERM_MS == 10000, "from SIGTERM to SIGKILL");
_Static_assert(WORKERS_RETRY_MS == 10000, "a failed load is not tried again for so long");
_Static_assert(WORKERS_HEALTH_LIMIT_MS == 5000, "for an answer to the question for its health");
_Static_assert(SSE_KEEPALIVE_MS == 10000, "a stream's comment of silence");

/* ---- states ---- */

static void test_state__a_whole_life(void **state)
{
    int s = WORKER_PREPARING;

    (void)state;
    s = worker_state_next((enum worker_state)s, WORKER_START);
    assert_int_equal(s, WORKER_LOADING);
    s = worker_state_next((enum worker_state)s, WORKER_IS_READY);
    assert_int_equal(s, WORKER_READY);
    s = worker_state_next((enum worker_state)s, WORKER_SUSPEND);
    assert_int_equal(s, WORKER_SUSPENDED);
    s = worker_state_next((enum worker_state)s, WORKER_RESUME);
    assert_int_equal(s, WORKER_LOADING);
    s = worker_state_next((enum worker_state)s, WORKER_CONDEMN);
    assert_int_equal(s, WORKER_CONDEMNED);
    s = worker_state_next((enum worker_state)s, WORKER_FAIL);
    assert_int_equal(s, WORKER_DEAD);
    assert_int_equal(worker_state_next((enum worker_state)s, WORKER_FORGET), WORKER_GONE);
}

static void test_state__what_cannot_be(void **state)
{
    static const struct {
        enum worker_state from;
        enum worker_event event;
    } never[] = {{WORKER_PREPARING, WORKER_IS_READY}, {WORKER_PREPARING, WORKER_STOP},
                 {WORKER_LOADING, WORKER_START},      {WORKER_LOADING, WORKER_RESUME},
                 {WORKER_READY, WORKER_IS_READY},     {WORKER_DRAINING, WORKER_STOP},
                 {WORKER_DRAINING, WORKER_IS_READY},  {WORKER_CONDEMNED, WORKER_CONDEMN},
                 {WORKER_CONDEMNED, WORKER_END},      {WORKER_DEAD, WORKER_START},
                 {WORKER_DEAD, WORKER_FAIL}};

    (void)state;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        assert_int_equal(worker_state_next(never[i].from, never[i].event), -1);
    for (int e = 0; e < WORKER_N_EVENTS; e++)
        assert_int_equal(worker_state_next(WORKER_GONE, (enum worker_event)e), -1);
}

/* Whatever its state, a process that ends is booked, and only the named three take part in work. */
static void test_state__every_process_can_end(void **state)
{
    (void)state;
    for (int s = WORKER_LOADING; s <= WORKER_CONDEMNED; s++)
        assert_int_equal(worker_state_next((enum worker_state)s, WORKER_FAIL), WORKER_DEAD);
    for (int s = 0; s < WORKER_N_STATES; s++) {
        assert_int_equal(worker_state_runs((enum worker_state)s),
                         s == WORKER_LOADING || s == WORKER_READY || s == WORKER_SUSPENDED);
        assert_true(strlen(worker_state_name((enum worker_state)s)) > 3);
    }
    for (int e = 0; e < WORKER_N_EVENTS; e++)
        assert_true(strlen(worker_event_name((enum worker_event)e)) > 2);
}

/* ---- stuck or slow ---- */

#define FLOOR 1000

/* Looks every 250 ms for `ms`; the last verdict. cpu_each: processor time a look. */
static enum stall_verdict watch(struct stall *s, struct stall_look *look, int64_t ms,
                                uint64_t cpu_each)
{
    enum stall_verdict v = STALL_FINE;

    for (int64_t t = 0; t < ms; t += 250) {
        look->now_ms += 250;
        look->cpu_ms += cpu_each;
        v = stall_judge(s, look, FLOOR);
    }
    return v;
}

static struct stall_look busy_look(void)
{
    return (struct stall_look){.now_ms = 5000, .steps = 7, .has_work = true, .p99_ms = 10};
}

static void test_stall__asleep_with_work_is_stuck_at_the_floor(void **state)
{
    struct stall s = {0};
    struct stall_look look = busy_look();

    (void)state;
    assert_int_equal(stall_judge(&s, &look, FLOOR), STALL_FINE);
    assert_int_equal(watch(&s, &look, 750, 0), STALL_SILENT);
    assert_int_equal(watch(&s, &look, 250, 0), STALL_STUCK);
}

static void test_stall__a_step_begins_anew(void **state)
{
    struct stall s = {0};
    struct stall_look look = busy_look();

    (void)state;
    stall_judge(&s, &look, FLOOR);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(watch(&s, &look, 750, 0), STALL_SILENT);
        look.steps++;
        assert_int_equal(watch(&s, &look, 250, 0), STALL_FINE);
    }
}

static void test_stall__its_own_pace_counts(void **state)
{
    struct stall s = {0};
    struct stall_look look = busy_look();

    (void)state;
    look.p99_ms = 200; /* 25 times that is 5 s */
    stall_judge(&s, &look, FLOOR);
    assert_int_equal(stall_limit_ms(&s, FLOOR), 5000);
    assert_int_equal(watch(&s, &look, 4750, 250), STALL_SILENT);
    assert_int_equal(watch(&s, &look, 250, 250), STALL_STUCK);
}

/* The first chunk of a huge model's prompt on a slow processor: nothing is known of it yet. */
static void test_stall__new_and_computing_has_more_time(void **state)
{
    struct stall s = {0};
    struct stall_look look = busy_look();

    (void)state;
    look.p99_ms = 0;
    look.runnable = true;
    stall_judge(&s, &look, FLOOR);
    assert_int_equal(watch(&s, &look, 9750, 500), STALL_SILENT);
    assert_int_equal(watch(&s, &look, 250, 500), STALL_STUCK);
}

static void test_stall__new_and_asleep_has_not(void **state)
{
    struct stall s = {0};
    struct stall_look look = busy_look();

    (void)state;
    look.p99_ms = 0;
    stall_judge(&s, &look, FLOOR);
    assert_int_equal(watch(&s, &look, 1000, 0), STALL_STUCK);
}

static void test_stall__stopped_swapping_or_waiting_for_a_disk_is_not_stuck(void **state)
{
    struct stall s = {0};
    struct stall_look look = busy_look();

    (void)state;
    stall_judge(&s, &look, FLOOR);
    look.stopped = true;
    assert_int_equal(watch(&s, &look, 600000, 0), STALL_SILENT);
    look.stopped = false;
    look.on_disk = true;
    for (int i = 0; i < 10; i++) { /* it gives something now and then */
        assert_int_equal(watch(&s, &look, STALL_DISK_MS, 0), STALL_SILENT);
        look.n_reads++;
    }
    look.on_disk = false;
    for (int i = 0; i < 1000; i++) {
        look.n_reads += 3;
        assert_int_equal(watch(&s, &look, 250, 0), STALL_SILENT);
    }
    assert_true(s.silent_ms == 0);
    assert_int_equal(watch(&s, &look, 1000, 0), STALL_STUCK);
}

/* A model on NFS whose server is gone: the thread that needs a page of it waits for ever, and its
 * clients did. */
static void test_stall__a_disk_that_gives_nothing_is_waited_for_so_long(void **state)
{
    struct stall s = {0};
    struct stall_look look = busy_look();

    (void)state;
    look.on_disk = true;
    stall_judge(&s, &look, FLOOR);
    assert_int_equal(watch(&s, &look, STALL_DISK_MS, 0), STALL_SILENT);
    assert_int_equal(watch(&s, &look, FLOOR - 250, 0), STALL_SILENT);
    assert_int_equal(watch(&s, &look, 250, 0), STALL_STUCK);
}

/* Ten milliseconds of processor in a quarter of a second: others have the rest. */
static void test_stall__starved_is_slow(void **state)
{
    struct stall s = {0};
    struct stall_look look = busy_look();

    (void)state;
    look.runnable = true;
    stall_judge(&s, &look, FLOOR);
    assert_int_equal(watch(&s, &look, 99 * 250, 10), STALL_SILENT);
    assert_int_equal(watch(&s, &look, 250, 10),
                     STALL_STUCK); /* after 25 s, of which 1 s was its own */
}

/* The machine slept, or the hive was stopped, for an hour. */
static void test_stall__time_nobody_looked_does_not_count(void **state)
{
    struct stall s = {0};
    struct stall_look look = busy_look();

    (void)state;
    stall_judge(&s, &look, 2 * FLOOR);
    look.now_ms += 3600000;
    assert_int_equal(stall_judge(&s, &look, 2 * FLOOR), STALL_SILENT);
    assert_int_equal(s.silent_ms, STALL_LOOK_MS);
}

static void test_stall__without_work_or_limit_nothing_is_stuck(void **state)
{
    struct stall s = {0};
    struct stall_look look = busy_look();

    (void)state;
    look.has_work = false;
    assert_int_equal(watch(&s, &look, 3600000, 0), STALL_FINE);
    look.has_work = true;
    look.now_ms += 250;
    assert_int_equal(stall_judge(&s, &look, FLOOR), STALL_FINE); /* work has only just come */
    for (int i = 0; i < 100; i++) {
        look.now_ms += 250;
        assert_int_equal(stall_judge(&s, &look, -1), STALL_SILENT);
    }
}

/* ---- pace ---- */

static void test_pace__the_99th_of_100(void **state)
{
    struct pace p = {0};

    (void)state;
    for (int i = 0; i < PACE_LEAST - 1; i++)
        pace_learn(&p, 5000000);
    assert_int_equal(pace_p99_ms(&p), 0);
    for (int i = 0; i < 980; i++)
        pace_learn(&p, 5000000);
    assert_in_range(pace_p99_ms(&p), 5, 6); /* never too little, at most a quarter too much */
    pace_learn(&p, 900000000);              /* one in a thousand */
    assert_in_range(pace_p99_ms(&p), 5, 6);
    for (int i = 0; i < 40; i++)
        pace_learn(&p, 900000000);
    assert_in_range(pace_p99_ms(&p), 900, 1125);
}

/* Among fewer than a hundred the 99th is the longest: after one pass amid which the machine was
 * paused for ten minutes a worker that hung was found out four and a half hours later. */
static void test_pace__one_that_stood_still_tells_little(void **state)
{
    struct pace p = {0};

    (void)state;
    for (int i = 0; i < 50; i++)
        pace_learn(&p, 20000000);
    pace_learn(&p, 600000000000);
    assert_in_range(pace_p99_ms(&p), 1000, 3000);
}

static void test_pace__forgets_and_takes_any_time(void **state)
{
    struct pace p = {0};

    (void)state;
    pace_learn(&p, UINT64_MAX);
    pace_learn(&p, 0);
    for (int i = 0; i < 100; i++)
        pace_learn(&p, 800000000);
    for (int i = 0; i < 20 * PACE_KEEP; i++)
        pace_learn(&p, 2000000);
    assert_in_range(pace_p99_ms(&p), 2, 3);
    assert_true(p.n <= PACE_KEEP);
}

/* ---- logs ---- */

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void assert_file(const char *path, const char *text)
{
    char got[64] = "";
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    got[fread(got, 1, sizeof got - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(got, text);
}

/* A folder of the test's own. */
static char *enter_folder(char name[32])
{
    snprintf(name, 32, "/tmp/rbee-life-XXXXXX");
    assert_non_null(mkdtemp(name));
    assert_int_equal(chdir(name), 0);
    return name;
}

static void test_logrotate__keeps_so_many_and_no_more(void **state)
{
    char folder[32], text[24];
    bool rotated;

    (void)state;
    enter_folder(folder);
    assert_int_equal(logrotate_check("w.log", 4, 2, &rotated, NULL), 0);
    assert_false(rotated); /* there is none */
    put_file("w.log", "1234");
    assert_int_equal(logrotate_check("w.log", 4, 2, &rotated, NULL), 0);
    assert_false(rotated);
    for (int i = 1; i <= 4; i++) {
        snprintf(text, sizeof text, "piece %d", i);
        put_file("w.log", text);
        assert_int_equal(logrotate_check("w.log", 4, 2, &rotated, NULL), 0);
        assert_true(rotated);
        assert_file("w.log", "");
    }
    assert_file("w.log.1", "piece 4");
    assert_file("w.log.2", "piece 3");
    assert_int_equal(access("w.log.3", F_OK), -1);
    logrotate_remove("w.log", 2);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Without one for the copy the older pieces had moved on, and the log was emptied for nothing. */
static void test_logrotate__without_descriptors_nothing_is_lost(void **state)
{
    struct rlimit old, few;
    char folder[32];
    bool rotated;
    int next, rc;

    (void)state;
    enter_folder(folder);
    put_file("w.log", "lately");
    put_file("w.log.1", "before");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    next = dup(0);
    close(next);
    few = (struct rlimit){.rlim_cur = (rlim_t)next + 1, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    rc = logrotate_check("w.log", 4, 2, &rotated, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    if (rc) { /* else the limit is not the kernel's: valgrind */
        assert_false(rotated);
        assert_file("w.log", "lately");
        assert_file("w.log.1", "before");
        assert_int_equal(logrotate_check("w.log", 4, 2, &rotated, NULL), 0);
    }
    assert_file("w.log", "");
    assert_file("w.log.1", "lately");
    assert_file("w.log.2", "before");
    logrotate_remove("w.log", 2);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Who writes keeps its descriptor: it goes on at the beginning of the emptied file. */
static void test_logrotate__the_writer_goes_on(void **state)
{
    char folder[32];
    bool rotated;
    FILE *writer;

    (void)state;
    enter_folder(folder);
    writer = fopen("w.log", "a");
    assert_non_null(writer);
    fputs("before", writer);
    fflush(writer);
    assert_int_equal(logrotate_check("w.log", 4, 1, &rotated, NULL), 0);
    fputs("behind", writer);
    fclose(writer);
    assert_file("w.log.1", "before");
    assert_file("w.log", "behind");
    logrotate_remove("w.log", 1);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

static bool is_told(void *arg, const char *path)
{
    const char *const *wanted = arg;

    return strcmp(path, *wanted) == 0;
}

/*
 * Old logs were deleted at a hive's start only, so those of one that ran for weeks grew without
 * bound. While it runs, a log that is old may be that of a worker which has said nothing for long.
 */
static void test_home__the_newest_logs_stay_and_those_that_are_wanted(void **state)
{
    const int n = HOME_LOGS_KEPT + 5;
    char folder[32], path[64], oldest[64];
    const char *wanted = oldest;

    (void)state;
    enter_folder(folder);
    snprintf(oldest, sizeof oldest, "%s/worker-000.log", folder);
    for (int i = 0; i < n; i++) {
        const struct timespec times[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};

        snprintf(path, sizeof path, "worker-%03d.log", i);
        put_file(path, "x");
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    put_file("worker-001.log.1", "x");
    home_tidy_logs(folder, is_told, &wanted);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "worker-%03d.log", i);
        assert_int_equal(access(path, F_OK), i == 0 || i >= n - HOME_LOGS_KEPT ? 0 : -1);
        if (i > 0)
            unlink(path);
    }
    assert_int_equal(access("worker-001.log.1", F_OK), -1);
    assert_int_equal(unlink("worker-000.log"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void assert_no_home(int (*make)(const char *dir, char **full, struct err *err),
                           const char *dir, const char *says)
{
    struct err err = {0};
    char *full;

    assert_int_equal(make(dir, &full, &err), ERR_INVALID);
    assert_null(full);
    if (!strstr(err.text, says))
        fail_msg("'%s' does not say '%s'", err.text, says);
}

/*
 * JSON is UTF-8. Under a home whose path is not, models were imported and workers started that no
 * answer could tell of: they were on no list, nothing could end them, and each program said that
 * the hive was out of memory.
 */
static void test_home__a_path_that_cannot_be_told_is_no_home(void **state)
{
    char folder[32], path[64], *full;

    (void)state;
    enter_folder(folder);
    snprintf(path, sizeof path, "%s/x\xff", folder);
    assert_no_home(home_make, path, "/x?, is not UTF-8, so that nobody could be told");
    assert_no_home(home_make_models, path, "[hive] models_dir");
    assert_int_equal(symlink(path, "link"), 0); /* a name that can be told, of the same folder */
    snprintf(path, sizeof path, "%s/link", folder);
    assert_no_home(home_make_models, path, "/x?, is not UTF-8");
    assert_int_equal(unlink("link"), 0);
    assert_int_equal(rmdir("x\xff"), 0); /* and nothing was made in it */
    snprintf(path, sizeof path, "%s/h\xc3\xbc", folder);
    assert_int_equal(home_make_models(path, &full, NULL), 0);
    assert_string_equal(full, path);
    free(full);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void assert_not_there(const char *dir, const char *says)
{
    struct err err = {0};
    char *full;

    assert_int_equal(home_make_models(dir, &full, &err), ERR_NOT_FOUND);
    assert_null(full);
    if (!strstr(err.text, says) || !strstr(err.text, "is its disk mounted?"))
        fail_msg("'%s' does not say '%s'", err.text, says);
}

/* The disk was not mounted: all folders of the path were made on the one that is always there, and
 * the models fetched into it once more. A link to such a place was "File exists". */
static void test_home__no_folder_is_made_above_that_of_the_models(void **state)
{
    char folder[32], path[64], says[160], *full;

    (void)state;
    enter_folder(folder);
    snprintf(path, sizeof path, "%s/mnt/big/models", folder);
    snprintf(says, sizeof says, "there is no %s/mnt, and the folder of the models is to be %s",
             folder, path);
    assert_not_there(path, says);
    assert_int_equal(symlink("/nowhere/models", "link"), 0);
    snprintf(path, sizeof path, "%s/link", folder);
    assert_not_there(path, "is a link to /nowhere/models, which is not there");
    assert_int_equal(unlink("link"), 0);
    snprintf(path, sizeof path, "%s/models/", folder);
    assert_int_equal(home_make_models(path, &full, NULL), 0);
    free(full);
    assert_int_equal(rmdir("models"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else was made */
}

/* ---- /proc and notes ---- */

static bool proc_hides_all;

int __real_procfs_stat(pid_t pid, struct procfs_stat *out); /* GNU ld --wrap: its own names */
int __wrap_procfs_stat(pid_t pid, struct procfs_stat *out);

int __wrap_procfs_stat(pid_t pid, struct procfs_stat *out)
{
    return proc_hides_all ? -1 : __real_procfs_stat(pid, out);
}

/* memory.events as the kernel's cgroup-v2.rst has it: "oom" is how often memory ran out, and
 * "oom_group_kill" whole groups; neither is a process killed. */
static void test_cgroup__kills_for_want_of_memory(void **state)
{
    static const struct {
        const char *events;
        int64_t kills;
    } cases[] = {
        {"low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n", 2},
        {"low 0\nhigh 0\nmax 12\noom 3\noom_kill 0\noom_group_kill 1\n", 0},
        {"low 0\nhigh 0\nmax 12\noom 3\n", -1}, /* Linux before 4.13 */
        {"", -1},
    };
    char name[32];

    (void)state;
    enter_folder(name);
    assert_int_equal(cgroup_oom_kills(name), -1); /* no memory controller */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            path_write_file("memory.events", cases[i].events, strlen(cases[i].events), 0600, NULL),
            0);
        assert_int_equal(cgroup_oom_kills(name), cases[i].kills);
    }
    assert_int_equal(cgroup_oom_kills(NULL), -1);
    assert_int_equal(unlink("memory.events"), 0);
    cgroup_end(name); /* it is none of ours: nothing happens */
    assert_int_equal(rmdir(name), 0);
}

/* A child that waits for a line that never comes, with the worker's id among its arguments. */
static pid_t start_waiter(const char *id, int *line)
{
    int ready[2], lines[2];
    pid_t pid;
    char byte;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(lines, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        dup2(lines[0], STDIN_FILENO);
        execl("/bin/sh", "sh", "-c", "read line", id, (char *)NULL);
        _exit(127);
    }
    close(ready[1]);
    close(lines[0]);
    assert_int_equal(read(ready[0], &byte, 1), 0); /* closed by exec */
    close(ready[0]);
    *line = lines[1];
    return pid;
}

static bool has_ended(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) == pid;
}

static void test_reaper__ends_what_the_note_tells_of(void **state)
{
    char folder[32];
    int line;
    pid_t pid = start_waiter("worker-one", &line);
    mode_t mask = umask(0);
    struct stat st;

    (void)state;
    enter_folder(folder);
    assert_int_equal(reaper_note(folder, "worker-none", 0, "/nowhere/rbee/worker-none", NULL), 0);
    assert_int_equal(reaper_note(folder, "worker-one", pid, "", NULL), 0);
    umask(mask);
    assert_int_equal(stat("worker-one.worker", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600); /* it says what the next hive kills */
    assert_int_equal(reaper_run(folder), 1);
    assert_true(has_ended(pid)); /* it waited until then */
    assert_int_equal(reaper_run(folder), 0);
    close(line);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0); /* the note is gone */
}

/* One that could not be read counted as torn: the worker it told of was nobody's from then on. */
static void test_reaper__keeps_a_note_that_cannot_be_read(void **state)
{
    char folder[32];
    struct stat st;

    (void)state;
    enter_folder(folder);
    assert_int_equal(symlink("unread.worker", "unread.worker"), 0); /* ELOOP, for root as well */
    assert_int_equal(path_write_file("torn.worker", "rbee", 4, 0600, NULL), 0);
    assert_int_equal(reaper_run(folder), 0);
    assert_int_equal(lstat("unread.worker", &st), 0);
    assert_int_equal(access("torn.worker", F_OK), -1);
    unlink("unread.worker");
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

/*
 * A process that hangs in a disk does not die of SIGKILL at once. Its note was taken away all the
 * same, so no later hive knew of it. Here a tracer (this process) holds it on its way out.
 */
static void test_reaper__keeps_the_note_of_what_does_not_die(void **state)
{
    char folder[32];
    int line, status = 0;
    pid_t pid = start_waiter("worker-one", &line);
    size_t n_killed;
    bool noted;

    (void)state;
    if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(uintptr_t)PTRACE_O_TRACEEXIT)) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        close(line);
        skip(); /* no process may be held here */
    }
    enter_folder(folder);
    assert_int_equal(reaper_note(folder, "worker-one", pid, "", NULL), 0);
    n_killed = reaper_run(folder);
    noted = access("worker-one.worker", F_OK) == 0;
    assert_int_equal(waitpid(pid, &status, __WALL), pid);
    assert_int_equal(status >> 8, SIGTRAP | PTRACE_EVENT_EXIT << 8);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(n_killed, 1);
    assert_true(noted);
    assert_int_equal(reaper_run(folder), 0);
    close(line);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0); /* it is gone, and its note, too */
}

/*
 * A /proc that hides processes (mount option hidepid, systemd's ProtectProc=) hides workers from
 * their own user. Nothing agreed with the note then, so it was taken away while the worker lived,
 * and no later hive could end it.
 */
static void test_reaper__keeps_the_note_of_what_is_hidden(void **state)
{
    char folder[32];
    int line;
    pid_t pid = start_waiter("worker-one", &line);

    (void)state;
    enter_folder(folder);
    assert_int_equal(reaper_note(folder, "worker-one", pid, "", NULL), 0);
    proc_hides_all = true;
    assert_int_equal(reaper_run(folder), 0);
    assert_int_equal(access("worker-one.worker", F_OK), 0);
    assert_false(has_ended(pid));
    proc_hides_all = false;
    assert_int_equal(reaper_run(folder), 1);
    assert_true(has_ended(pid));
    close(line);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0); /* and now the note is gone */
}

/* Replaces the first `from` in the note by `to`, of the same length. */
static void change_note(const char *name, const char *from, const char *to)
{
    char text[4096] = "", *at;
    FILE *f = fopen(name, "r+");

    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    at = strstr(text, from);
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    rewind(f);
    fputs(text, f);
    fclose(f);
}

/* The process id is right in each case, and something else is not. */
static void test_reaper__leaves_alone_who_is_somebody_else(void **state)
{
    char folder[32], boot[PROCFS_BOOT_BYTES], start[32];
    int line;
    pid_t pid = start_waiter("worker-two", &line);
    struct procfs_stat st;

    (void)state;
    enter_folder(folder);
    procfs_boot_id(boot);
    assert_int_equal(procfs_stat(pid, &st), 0);
    snprintf(start, sizeof start, "\n%llu\n", (unsigned long long)st.start_ticks);
    for (int i = 0; i < 4; i++) {
        char other[64];

        assert_int_equal(reaper_note(folder, "worker-two", pid, "", NULL), 0);
        snprintf(other, sizeof other, "%s", i == 1 ? boot : start);
        if (i == 0) /* another start */
            other[1] = other[1] == '9' ? '8' : '9';
        if (i == 1) /* another boot */
            other[0] = other[0] == 'a' ? 'b' : 'a';
        if (i == 0)
            change_note("worker-two.worker", start, other);
        else if (i == 1)
            change_note("worker-two.worker", boot, other);
        else if (i == 2) /* another program */
            change_note("worker-two.worker", "/bin/", "/bim/");
        else /* another worker's id */
            change_note("worker-two.worker", "worker-two", "worker-too");
        assert_int_equal(reaper_run(folder), 0);
        assert_false(has_ended(pid));
        assert_int_equal(access("worker-two.worker", F_OK), -1);
    }
    put_file("torn.worker", "rbee worker 2\nworker-two\n");
    put_file("binary.worker", "\377\376\n");
    assert_int_equal(mkfifo("pipe.worker", 0600), 0); /* the hive's start waited for its writer */
    assert_int_equal(reaper_run(folder), 0);
    assert_false(has_ended(pid));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(line);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* After a downgrade: the note of a newer hive was taken away, and the worker lived on, known to
 * nobody. By one of the first version, which may be a copy, nothing is ended; it goes with the
 * process. */
static void test_reaper__keeps_notes_of_other_versions(void **state)
{
    char folder[32], boot[PROCFS_BOOT_BYTES], text[256];
    int line;
    pid_t pid = start_waiter("worker-one", &line);
    struct procfs_stat st;

    (void)state;
    enter_folder(folder);
    procfs_boot_id(boot);
    assert_int_equal(procfs_stat(pid, &st), 0);
    snprintf(text, sizeof text, "rbee worker 1\nworker-one\n%d\n%llu\n%s\n\n\n", (int)pid,
             (unsigned long long)st.start_ticks, boot);
    put_file("worker-one.worker", text);
    put_file("worker-new.worker", "rbee worker 3\n{\"what\":\"nobody here knows\"}\n");
    put_file("worker-none.worker", "rbee worker x\n");
    assert_int_equal(reaper_run(folder), 0);
    assert_false(has_ended(pid));
    assert_int_equal(access("worker-one.worker", F_OK), 0);
    assert_int_equal(access("worker-none.worker", F_OK), -1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(reaper_run(folder), 0);
    assert_int_equal(access("worker-one.worker", F_OK), -1);
    assert_int_equal(unlink("worker-new.worker"), 0); /* it was kept */
    close(line);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* The same bytes in another folder, as `cp -a` of a home makes them. */
static void copy_file(const char *from, const char *to)
{
    char text[4096];
    FILE *f = fopen(from, "r");

    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    put_file(to, text);
}

/*
 * A home was copied while its hive ran, and a hive started on the copy, to try something: it killed
 * the healthy workers of the first one, of which its copied notes told all that is true of them.
 * The notes of a home that was moved are still its own.
 */
static void test_reaper__leaves_alone_what_a_copied_note_tells_of(void **state)
{
    char folder[32], group[64];
    int line;
    pid_t pid = start_waiter("worker-one", &line);

    (void)state;
    enter_folder(folder);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(
            mkdir(((const char *[]){"run", "copy", "rbee", "rbee/worker-one"})[i], 0700), 0);
    snprintf(group, sizeof group, "%s/rbee/worker-one", folder);
    put_file("rbee/worker-one/cgroup.kill", "");
    assert_int_equal(reaper_note("run", "worker-one", pid, group, NULL), 0);
    copy_file("run/worker-one.worker", "copy/worker-one.worker");
    assert_int_equal(reaper_run("copy"), 0);
    assert_false(has_ended(pid));
    assert_file("rbee/worker-one/cgroup.kill", "");
    assert_int_equal(rmdir("copy"), 0); /* the copy of the note is gone */
    assert_int_equal(rename("run", "moved"), 0);
    assert_int_equal(reaper_run("moved"), 1);
    assert_true(has_ended(pid));
    assert_file("rbee/worker-one/cgroup.kill", "1");
    close(line);
    assert_int_equal(unlink("rbee/worker-one/cgroup.kill"), 0);
    assert_int_equal(rmdir("rbee/worker-one") || rmdir("rbee") || rmdir("moved"), 0);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* A model's file that was cut ended its worker by a signal, and its log said nothing of why. */
static void test_stacks__a_cut_file_is_named(void **state)
{
    char path[] = "/tmp/rbee-test-cut-XXXXXX", said[200] = "";
    int pipe_of[2], file = mkstemp(path), status;
    pid_t child;

    (void)state;
    assert_true(file >= 0 && pipe(pipe_of) == 0);
    assert_int_equal(ftruncate(file, 4096), 0);
    child = fork();
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        volatile char *bytes = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);

        setrlimit(RLIMIT_CORE, &no_core);
        dup2(pipe_of[1], STDERR_FILENO);
        stacks_install();
        _exit(ftruncate(file, 0) == 0 ? bytes[0] : 1);
    }
    assert_true(child > 0);
    close(pipe_of[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    assert_true(read(pipe_of[0], said, sizeof said - 1) > 0);
    assert_non_null(strstr(said, "the model's file was cut"));
    close(pipe_of[0]);
    close(file);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state__a_whole_life),
        cmocka_unit_test(test_state__what_cannot_be),
        cmocka_unit_test(test_state__every_process_can_end),
        cmocka_unit_test(test_stall__asleep_with_work_is_stuck_at_the_floor),
        cmocka_unit_test(test_stall__a_step_begins_anew),
        cmocka_unit_test(test_stall__its_own_pace_counts),
        cmocka_unit_test(test_stall__new_and_computing_has_more_time),
        cmocka_unit_test(test_stall__new_and_asleep_has_not),
        cmocka_unit_test(test_stall__stopped_swapping_or_waiting_for_a_disk_is_not_stuck),
        cmocka_unit_test(test_stall__a_disk_that_gives_nothing_is_waited_for_so_long),
        cmocka_unit_test(test_stall__starved_is_slow),
        cmocka_unit_test(test_stall__time_nobody_looked_does_not_count),
        cmocka_unit_test(test_stall__without_work_or_limit_nothing_is_stuck),
        cmocka_unit_test(test_pace__the_99th_of_100),
        cmocka_unit_test(test_pace__one_that_stood_still_tells_little),
        cmocka_unit_test(test_pace__forgets_and_takes_any_time),
        cmocka_unit_test(test_logrotate__keeps_so_many_and_no_more),
        cmocka_unit_test(test_logrotate__without_descriptors_nothing_is_lost),
        cmocka_unit_test(test_logrotate__the_writer_goes_on),
        cmocka_unit_test(test_home__the_newest_logs_stay_and_those_that_are_wanted),
        cmocka_unit_test(test_home__a_path_that_cannot_be_told_is_no_home),
        cmocka_unit_test(test_home__no_folder_is_made_above_that_of_the_models),
        cmocka_unit_test(test_cgroup__kills_for_want_of_memory),
        cmocka_unit_test(test_reaper__ends_what_the_note_tells_of),
        cmocka_unit_test(test_reaper__keeps_a_note_that_cannot_be_read),
        cmocka_unit_test(test_reaper__keeps_the_note_of_what_does_not_die),
        cmocka_unit_test(test_reaper__keeps_the_note_of_what_is_hidden),
        cmocka_unit_test(test_reaper__leaves_alone_who_is_somebody_else),
        cmocka_unit_test(test_reaper__keeps_notes_of_other_versions),
        cmocka_unit_test(test_reaper__leaves_alone_what_a_copied_note_tells_of),
        cmocka_unit_test(test_stacks__a_cut_file_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
