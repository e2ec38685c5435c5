/*
 * pool.c - see pool.h.
 *
 * A job's tasks are dealt out as one part for each thread, a range in one 64-bit word. A thread
 * takes runs from the front of its own part, each a share of what is left there, so that it goes
 * through memory as one stream: weights that are asked for ahead of their use are the ones it uses
 * next. Who has done its part takes runs from the end of the largest one left (as in work stealing:
 * Blumofe & Leiserson 1999); whoever is late, or was descheduled in the middle, is helped so. All
 * this is by compare-and-swap on the words, and nothing else says which job a range belongs to: all
 * are empty when a job is over, and its successor's fields stand before its ranges do. So the owner
 * waits for the tasks to be done, never for the threads to turn up.
 *
 * Sleep: `number` repeats the job's number as a futex word. A thread counts itself into `sleepers`
 * before it waits, the owner looks at `sleepers` after it has changed `number`; both are
 * sequentially consistent, so one of them sees the other. The owner sleeps on `left` likewise.
 *
 * Linux only (futex).
 */
#include "engine/kern/pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cgroups.h"
#include "base/cpus.h"
#include "base/thread.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Looks at a word before a thread sleeps: some 50 microseconds. */
#define POOL_SPINS 2000

#define CACHE_LINE 64

struct member {
    struct pool *pool;
    pthread_t thread;
    unsigned index;
};

/* Tasks begin .. end - 1 of the job, not handed out yet: begin << 32 | end. */
struct part {
    _Alignas(CACHE_LINE) _Atomic uint64_t range;
};

struct pool {
    /* the job: the owner writes it while no task is out; apart from what the threads fight for */
    _Alignas(CACHE_LINE) pool_fn *fn;
    void *arg;
    _Atomic uint32_t grain;                       /* read by those who are late, too */
    _Alignas(CACHE_LINE) _Atomic uint32_t left;   /* tasks not done yet; a futex word */
    _Alignas(CACHE_LINE) _Atomic uint32_t number; /* the job's number; a futex word */
    _Atomic uint32_t sleepers;                    /* threads in, or about to go into, futex_wait */
    atomic_bool owner_sleeps;
    atomic_bool stop;

    unsigned n_threads, n_started;
    int spins;
    struct member *members; /* n_threads - 1 */
    struct part *parts;     /* n_threads */
};

static void relax(void)
{
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Returns when *word may differ from `value`; spurious returns are fine. */
static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Counts tasks as done; the last ones wake the owner. */
static void tasks_done(struct pool *p, uint32_t n)
{
    if (atomic_fetch_sub(&p->left, n) == n && atomic_load(&p->owner_sleeps))
        futex_wake_all(&p->left);
}

static uint64_t range_of(uint32_t begin, uint32_t end)
{
    return (uint64_t)begin << 32 | end;
}

static uint32_t range_len(uint64_t range)
{
    return (uint32_t)range - (uint32_t)(range >> 32);
}

/* 1 / `shares` of what is left, but no less than is worth handing out. */
static uint32_t share_of(const struct pool *p, uint32_t left, uint32_t shares)
{
    uint32_t grain = atomic_load(&p->grain), share = left / shares;

    share = share > grain ? share : grain;
    return share < left ? share : left;
}

/* A run from the front of the thread's own part: how many tasks, from *begin on; 0 for none. */
static uint32_t part_take(struct pool *p, unsigned thread, uint32_t *begin)
{
    _Atomic uint64_t *range = &p->parts[thread].range;
    uint64_t now = atomic_load(range);

    while (range_len(now) > 0) {
        uint32_t n = share_of(p, range_len(now), 8);

        *begin = (uint32_t)(now >> 32);
        if (atomic_compare_exchange_weak(range, &now, range_of(*begin + n, (uint32_t)now)))
            return n;
    }
    return 0;
}

/* The part with the most tasks. */
static _Atomic uint64_t *largest_part(struct pool *p, uint64_t *range)
{
    _Atomic uint64_t *largest = NULL;

    *range = 0;
    for (unsigned i = 0; i < p->n_threads; i++) {
        uint64_t now = atomic_load(&p->parts[i].range);

        if (range_len(now) > range_len(*range)) {
            largest = &p->parts[i].range;
            *range = now;
        }
    }
    return largest;
}

/* A run from the end of the part with the most left; 0 when nothing is left anywhere. */
static uint32_t part_help(struct pool *p, uint32_t *begin)
{
    _Atomic uint64_t *from;
    uint64_t now;

    while ((from = largest_part(p, &now))) {
        uint32_t n = share_of(p, range_len(now), 4);

        *begin = (uint32_t)now - n;
        if (atomic_compare_exchange_weak(from, &now, range_of((uint32_t)(now >> 32), *begin)))
            return n;
    }
    return 0;
}

/* Works until all tasks of the job are handed out. */
static void job_work(struct pool *p, unsigned thread)
{
    uint32_t begin, n;

    while ((n = part_take(p, thread, &begin)) > 0 || (n = part_help(p, &begin)) > 0) {
        p->fn(p->arg, begin, begin + n, thread);
        tasks_done(p, n);
    }
}

/* Waits for a job other than `seen` and returns its number. */
static uint32_t job_wait(struct pool *p, uint32_t seen)
{
    uint32_t now;

    for (int i = 0; i < p->spins; i++) {
        if ((now = atomic_load(&p->number)) != seen)
            return now;
        relax();
    }
    atomic_fetch_add(&p->sleepers, 1);
    while ((now = atomic_load(&p->number)) == seen)
        futex_wait(&p->number, seen);
    atomic_fetch_sub(&p->sleepers, 1);
    return now;
}

static void *member_main(void *arg)
{
    struct member *m = arg;
    struct pool *p = m->pool;
    uint32_t seen = 0;

    for (;;) {
        seen = job_wait(p, seen);
        if (atomic_load(&p->stop))
            return NULL;
        job_work(p, m->index);
    }
}

/* Deals the tasks out, as many parts as have work for a thread; the job's fields must stand. */
static void job_deal(struct pool *p, uint32_t n_tasks)
{
    uint32_t grain = atomic_load(&p->grain);
    uint64_t n_parts = (n_tasks - 1) / grain + 1;

    if (n_parts > p->n_threads)
        n_parts = p->n_threads;
    atomic_store(&p->left, n_tasks);
    for (uint64_t i = 0; i < n_parts; i++)
        atomic_store(&p->parts[i].range, range_of((uint32_t)(n_tasks * i / n_parts),
                                                  (uint32_t)(n_tasks * (i + 1) / n_parts)));
}

/* Tells the members that there is something new, and wakes those who sleep. */
static void members_call(struct pool *p)
{
    atomic_fetch_add(&p->number, 1);
    if (atomic_load(&p->sleepers) > 0)
        futex_wake_all(&p->number);
}

/* The owner's wait for tasks that other threads still work on. */
static void owner_wait(struct pool *p)
{
    uint32_t left;

    for (int i = 0; i < p->spins; i++) {
        if (atomic_load(&p->left) == 0)
            return;
        relax();
    }
    atomic_store(&p->owner_sleeps, true);
    while ((left = atomic_load(&p->left)) != 0)
        futex_wait(&p->left, left);
    atomic_store(&p->owner_sleeps, false);
}

void pool_run(struct pool *p, pool_fn *fn, void *arg, size_t n_tasks, size_t grain)
{
    BUG_ON(grain == 0);
    if (n_tasks == 0)
        return;
    if (p->n_threads == 1 || n_tasks <= grain) {
        fn(arg, 0, n_tasks, 0);
        return;
    }
    BUG_ON(n_tasks > UINT32_MAX);
    p->fn = fn;
    p->arg = arg;
    atomic_store(&p->grain, (uint32_t)grain);
    job_deal(p, (uint32_t)n_tasks);
    members_call(p);
    job_work(p, 0);
    owner_wait(p);
}

/* Starts member i without the signals that are for the program's own threads. */
static int member_start(struct pool *p, unsigned i, struct err *err)
{
    sigset_t old;
    int rc;

    p->members[i] = (struct member){.pool = p, .index = i + 1};
    thread_block_signals(&old);
    rc = pthread_create(&p->members[i].thread, NULL, member_main, &p->members[i]);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return err_errno(err, ERR_NO_MEMORY, rc, "cannot start compute thread %u of %u", i + 2,
                         p->n_threads);
    p->n_started++;
    return 0;
}

int pool_create(unsigned n_threads, struct pool **out, struct err *err)
{
    struct pool *p;
    int rc = 0;

    if (n_threads < 1 || n_threads > POOL_MAX_THREADS)
        return err_set(err, ERR_INVALID, "%u compute threads asked for; 1 to %d are possible",
                       n_threads, POOL_MAX_THREADS);
    p = aligned_alloc(CACHE_LINE, sizeof *p);
    if (!p)
        return err_no_memory(err, sizeof *p, "the thread pool");
    memset(p, 0, sizeof *p);
    p->n_threads = n_threads;
    /* more threads than CPUs: whoever spins keeps another from working */
    p->spins = n_threads <= pool_usable_cpus() ? POOL_SPINS : 0;
    p->members = calloc(n_threads, sizeof *p->members);
    p->parts = aligned_alloc(CACHE_LINE, n_threads * sizeof *p->parts);
    if (p->parts)
        memset(p->parts, 0, n_threads * sizeof *p->parts);
    if (!p->members || !p->parts)
        rc = err_no_memory(err, n_threads * sizeof *p->members, "the thread pool");
    for (unsigned i = 0; rc == 0 && i + 1 < n_threads; i++)
        rc = member_start(p, i, err);
    if (rc != 0) {
        pool_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, true);
    members_call(p);
    for (unsigned i = 0; i < p->n_started; i++)
        pthread_join(p->members[i].thread, NULL);
    free(p->members);
    free(p->parts);
    free(p);
}

unsigned pool_n_threads(const struct pool *p)
{
    return p->n_threads;
}

/* ---- how many ---- */

/* Written once, under `once` below: the process may lose the right to read it (a sandbox). */
static unsigned quota_at_start;

static void read_quota(void)
{
    quota_at_start = cpus_quota(CGROUPS_LIST, CGROUPS_ROOT);
}

unsigned pool_usable_cpus(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, read_quota);
    return cpus_usable(quota_at_start);
}
