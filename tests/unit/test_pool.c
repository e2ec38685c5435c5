/* test_pool.c - the team of threads of the forward pass, and how many CPUs it may have. */
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cpus.h"
#include "base/err.h"
#include "engine/kern/pool.h"

#define MAX_TASKS 200

/* What a job writes: how often each task was done, and a value derived from what the owner wrote.
 */
struct work {
    uint32_t seed; /* changes from job to job; plain memory on purpose */
    uint32_t count[MAX_TASKS];
    uint32_t value[MAX_TASKS];
    unsigned n_threads;
    _Atomic int bad_thread;
};

static void work_do(void *arg, size_t begin, size_t end, unsigned thread)
{
    struct work *w = arg;

    if (thread >= w->n_threads)
        atomic_store(&w->bad_thread, 1);
    for (size_t i = begin; i < end; i++) {
        w->count[i]++;
        w->value[i] = w->seed + (uint32_t)i;
    }
}

static struct pool *pool_of(unsigned n)
{
    struct pool *p = NULL;
    struct err err;

    assert_int_equal(pool_create(n, &p, &err), 0);
    assert_int_equal(pool_n_threads(p), n);
    return p;
}

static void run_and_check(struct pool *p, struct work *w, size_t n_tasks, size_t grain)
{
    memset(w->count, 0, sizeof w->count);
    w->seed++;
    pool_run(p, work_do, w, n_tasks, grain);
    for (size_t i = 0; i < MAX_TASKS; i++) {
        assert_int_equal(w->count[i], i < n_tasks ? 1 : 0);
        if (i < n_tasks)
            assert_int_equal(w->value[i], w->seed + i);
    }
    assert_int_equal(w->bad_thread, 0);
}

static void test_pool__does_every_task_once(void **state)
{
    struct work w = {0};

    (void)state;
    srand(1);
    for (unsigned n = 1; n <= 8; n++) {
        struct pool *p = pool_of(n);
        w.n_threads = n;
        for (int round = 0; round < 1500; round++)
            run_and_check(p, &w, (size_t)(rand() % (MAX_TASKS + 1)), (size_t)(1 + rand() % 9));
        pool_free(p);
    }
}

/* Threads that sleep between jobs are woken for the next. */
static void test_pool__wakes_for_a_job_after_a_pause(void **state)
{
    struct work w = {.n_threads = 4};
    struct pool *p = pool_of(4);

    (void)state;
    for (int round = 0; round < 20; round++) {
        usleep(3000);
        run_and_check(p, &w, MAX_TASKS, 1);
    }
    pool_free(p);
}

/* Waits until all threads of the team are in the same job at once: fails by never ending. */
struct meeting {
    _Atomic unsigned here;
    unsigned n_threads;
};

static void meet(void *arg, size_t begin, size_t end, unsigned thread)
{
    struct meeting *m = arg;

    (void)begin;
    (void)end;
    (void)thread;
    atomic_fetch_add(&m->here, 1);
    while (atomic_load(&m->here) < m->n_threads)
        usleep(100);
}

static void test_pool__all_threads_take_part(void **state)
{
    struct meeting m = {.n_threads = 5};
    struct pool *p = pool_of(5);

    (void)state;
    pool_run(p, meet, &m, 5, 1);
    assert_int_equal(m.here, 5);
    pool_free(p);
}

struct masks {
    struct meeting meeting;
    sigset_t of[5];
};

static void look_at_mask(void *arg, size_t begin, size_t end, unsigned thread)
{
    struct masks *m = arg;

    pthread_sigmask(SIG_BLOCK, NULL, &m->of[thread]);
    meet(&m->meeting, begin, end, thread);
}

/*
 * A blocked SIGBUS passes its handler by: of a model's file that was cut, the log often said
 * nothing. A blocked SIGQUIT writes no stack: of a worker that hung, only one of the threads that
 * computed was in the log. What is for the process is not for these threads.
 */
static void test_pool__threads_take_the_signals_that_are_their_own(void **state)
{
    struct masks m = {.meeting.n_threads = 5};
    struct pool *p = pool_of(5);

    (void)state;
    pool_run(p, look_at_mask, &m, 5, 1);
    for (unsigned i = 1; i < 5; i++) {
        assert_false(sigismember(&m.of[i], SIGBUS));
        assert_false(sigismember(&m.of[i], SIGQUIT));
        assert_false(sigismember(&m.of[i], SIGSEGV));
        assert_true(sigismember(&m.of[i], SIGTERM));
        assert_true(sigismember(&m.of[i], SIGINT));
    }
    pool_free(p);
}

/* How often all threads of this process gave up their CPU by themselves. */
static long sleeps(void)
{
    struct rusage u;

    assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
    return u.ru_nvcsw;
}

static double cpu_seconds(void)
{
    struct rusage u;

    assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

#define SLEEPS_MAX 5 /* in 200 ms: this thread's own, and those of a thread sanitizer's helper */

/*
 * Threads that spin take CPU, and those that look again and again wake up; asleep they do neither.
 * A machine that is held up may let them fall asleep late: it is looked at until it is quiet.
 */
static void test_pool__costs_nothing_while_idle(void **state)
{
    struct work w = {.n_threads = 4};
    struct pool *p = pool_of(4);
    double used = 0;
    long n = 0;

    (void)state;
    run_and_check(p, &w, MAX_TASKS, 1);
    for (int i = 0; i < 25; i++) {
        used = cpu_seconds();
        n = sleeps();
        usleep(200000);
        used = cpu_seconds() - used;
        n = sleeps() - n;
        if (used <= 0.005 && n <= SLEEPS_MAX)
            break;
    }
    if (used > 0.005 || n > SLEEPS_MAX)
        fail_msg("an idle pool used %.1f ms of CPU in 200 ms, and slept %ld times", used * 1e3, n);
    pool_free(p);
}

static void test_pool__starts_and_ends_many_times(void **state)
{
    struct work w = {0};

    (void)state;
    for (unsigned i = 0; i < 150; i++) {
        struct pool *p = pool_of(1 + i % 6);
        w.n_threads = 1 + i % 6;
        if (i % 3)
            run_and_check(p, &w, 10, 1);
        pool_free(p);
    }
    pool_free(NULL);
}

static void test_pool__refuses_a_senseless_size(void **state)
{
    struct pool *p = NULL;
    struct err err;

    (void)state;
    assert_int_equal(pool_create(0, &p, &err), ERR_INVALID);
    assert_int_equal(pool_create(POOL_MAX_THREADS + 1, &p, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "257"));
    assert_null(p);
}

/* A made-up tree of control groups in a folder of its own. */
struct tree {
    char dir[64];
    char list[128];
};

static void tree_write(const struct tree *t, const char *dir, const char *file, const char *text)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof path, "%s%s", t->dir, dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s%s/%s", t->dir, dir, file);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void tree_init(struct tree *t)
{
    snprintf(t->dir, sizeof t->dir, "/tmp/rbee-test-cpus-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->list, sizeof t->list, "%s/list", t->dir);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *where)
{
    (void)st;
    (void)flag;
    (void)where;
    return remove(path);
}

static void tree_done(struct tree *t)
{
    assert_int_equal(nftw(t->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void test_cpus__version_2_takes_the_tightest_of_the_parents(void **state)
{
    struct tree t;

    (void)state;
    tree_init(&t);
    tree_write(&t, "", "list", "0::/a/b\n");
    tree_write(&t, "/a", "cpu.max", "max 100000\n");
    tree_write(&t, "/a/b", "cpu.max", "max 100000\n");
    assert_int_equal(cpus_quota(t.list, t.dir), 0);
    tree_write(&t, "/a/b", "cpu.max", "350000 100000\n");
    assert_int_equal(cpus_quota(t.list, t.dir), 4);
    tree_write(&t, "/a", "cpu.max", "150000 100000\n");
    assert_int_equal(cpus_quota(t.list, t.dir), 2);
    tree_write(&t, "", "cpu.max", "1000 100000\n");
    assert_int_equal(cpus_quota(t.list, t.dir), 1);
    tree_done(&t);
}

static void test_cpus__version_1(void **state)
{
    struct tree t;

    (void)state;
    tree_init(&t);
    tree_write(&t, "", "list", "7:cpuset:/x\n4:cpu,cpuacct:/g\n");
    tree_write(&t, "/cpu,cpuacct", "tasks", "");
    tree_write(&t, "/cpu,cpuacct/g", "cpu.cfs_period_us", "100000\n");
    tree_write(&t, "/cpu,cpuacct/g", "cpu.cfs_quota_us", "-1\n");
    assert_int_equal(cpus_quota(t.list, t.dir), 0);
    tree_write(&t, "/cpu,cpuacct/g", "cpu.cfs_quota_us", "200000\n");
    assert_int_equal(cpus_quota(t.list, t.dir), 2);
    tree_done(&t);
}

static void test_cpus__what_cannot_be_read_sets_no_limit(void **state)
{
    struct tree t;

    (void)state;
    tree_init(&t);
    assert_int_equal(cpus_quota(t.list, t.dir), 0);
    tree_write(&t, "", "list", "0::/a\n\nnonsense\n1:cpu\n");
    assert_int_equal(cpus_quota(t.list, t.dir), 0);
    tree_write(&t, "/a", "cpu.max", "100000 0\n");
    assert_int_equal(cpus_quota(t.list, t.dir), 0);
    tree_write(&t, "/a", "cpu.max", "");
    assert_int_equal(cpus_quota(t.list, t.dir), 0);
    tree_done(&t);
}

static void test_cpus__there_is_at_least_one(void **state)
{
    (void)state;
    assert_in_range(pool_usable_cpus(), 1, sysconf(_SC_NPROCESSORS_CONF));
    assert_in_range(cpus_usable(0), 1, sysconf(_SC_NPROCESSORS_CONF));
    assert_int_equal(cpus_usable(1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool__does_every_task_once),
        cmocka_unit_test(test_pool__wakes_for_a_job_after_a_pause),
        cmocka_unit_test(test_pool__all_threads_take_part),
        cmocka_unit_test(test_pool__threads_take_the_signals_that_are_their_own),
        cmocka_unit_test(test_pool__costs_nothing_while_idle),
        cmocka_unit_test(test_pool__starts_and_ends_many_times),
        cmocka_unit_test(test_pool__refuses_a_senseless_size),
        cmocka_unit_test(test_cpus__version_2_takes_the_tightest_of_the_parents),
        cmocka_unit_test(test_cpus__version_1),
        cmocka_unit_test(test_cpus__what_cannot_be_read_sets_no_limit),
        cmocka_unit_test(test_cpus__there_is_at_least_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
