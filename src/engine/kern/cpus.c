/*
 * cpus.c - see cpus.h and pool_usable_cpus in pool.h. Any thread. Linux only.
 * Source: the kernel's cgroup-v2.rst and sched-bwc.rst.
 */
#include "engine/kern/cpus.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kern/pool.h"

/* Longest line of /proc/self/cgroup that is looked at. */
#define LINE_BYTES (PATH_MAX + 256)

/* Both numbers of "quota period", from one file or two; false when there is no limit. */
static bool read_numbers(const char *dir, const char *file, long long *first, long long *second)
{
    char path[PATH_MAX + 64];
    FILE *f;
    int n;

    if (snprintf(path, sizeof path, "%s/%s", dir, file) >= (int)sizeof path)
        return false;
    f = fopen(path, "re");
    if (!f)
        return false;
    n = second ? fscanf(f, "%lld %lld", first, second) : fscanf(f, "%lld", first);
    fclose(f);
    return n == (second ? 2 : 1);
}

/* The quota set on one group's folder, in whole CPUs; 0 for none. */
static unsigned group_quota(const char *dir, bool v2)
{
    long long quota, period;

    if (v2 ? !read_numbers(dir, "cpu.max", &quota, &period)
           : !read_numbers(dir, "cpu.cfs_quota_us", &quota, NULL) ||
                 !read_numbers(dir, "cpu.cfs_period_us", &period, NULL))
        return 0;
    if (quota <= 0 || period <= 0 || quota / period >= INT_MAX)
        return 0;
    return (unsigned)((quota - 1) / period + 1);
}

static unsigned tighter(unsigned a, unsigned b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* The tightest quota of the folder base + group and of its parents up to base. */
static unsigned path_quota(const char *base, const char *group, bool v2)
{
    char dir[PATH_MAX];
    const size_t base_len = strlen(base);
    unsigned quota = 0;

    if (snprintf(dir, sizeof dir, "%s%s", base, group) >= (int)sizeof dir)
        return 0;
    for (;;) {
        quota = tighter(quota, group_quota(dir, v2));
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < base_len || dir[base_len] == '\0')
            return quota;
        *slash = '\0';
    }
}

/* True when the comma-separated list has the entry "cpu". */
static bool lists_cpu(const char *list)
{
    for (; *list; list += strcspn(list, ","), list += *list == ',') {
        if (strcspn(list, ",") == 3 && strncmp(list, "cpu", 3) == 0)
            return true;
    }
    return false;
}

/* One line "number:controllers:group"; version 2 has no controllers. */
static unsigned line_quota(char *line, const char *root)
{
    char base[PATH_MAX];
    char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;

    if (!group)
        return 0;
    *list++ = '\0';
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*list == '\0')
        return path_quota(root, group, true);
    if (!lists_cpu(list) || snprintf(base, sizeof base, "%s/%s", root, list) >= (int)sizeof base)
        return 0;
    return path_quota(base, group, false);
}

unsigned cpus_quota(const char *proc_cgroup, const char *root)
{
    char line[LINE_BYTES];
    unsigned quota = 0;
    FILE *f = fopen(proc_cgroup, "re");

    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        quota = tighter(quota, line_quota(line, root));
    fclose(f);
    return quota;
}

/* CPUs in the affinity mask; the mask's size is found by trying, as a machine may have many. */
static unsigned affinity_cpus(void)
{
    for (int n = 1024; n <= 1 << 20; n *= 2) {
        cpu_set_t *set = CPU_ALLOC(n);
        unsigned count = 0;

        if (!set)
            break;
        if (sched_getaffinity(0, CPU_ALLOC_SIZE(n), set) == 0)
            count = (unsigned)CPU_COUNT_S(CPU_ALLOC_SIZE(n), set);
        CPU_FREE(set);
        if (count > 0)
            return count;
    }
    return 1;
}

/* Written once, under `once` below: the process may lose the right to read it (a sandbox). */
static unsigned quota_at_start;

static void read_quota(void)
{
    quota_at_start = cpus_quota("/proc/self/cgroup", "/sys/fs/cgroup");
}

unsigned pool_usable_cpus(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, read_quota);
    return tighter(affinity_cpus(), quota_at_start);
}
