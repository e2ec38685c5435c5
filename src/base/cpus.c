/* cpus.c - see cpus.h. Source: the kernel's cgroup-v2.rst and sched-bwc.rst. */
#include "base/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cgroups.h"

/* "QUOTA PERIOD", or "max PERIOD". */
static bool read_cpu_max(const char *dir, long long *quota, long long *period)
{
    char path[PATH_MAX + 64];
    FILE *f;
    int n;

    snprintf(path, sizeof path, "%s/cpu.max", dir);
    f = fopen(path, "re");
    n = f ? fscanf(f, "%lld %lld", quota, period) : 0;
    if (f)
        fclose(f);
    return n == 2;
}

/* Without a limit the quota is -1, which is no number of these. */
static bool read_cfs(const char *dir, long long *quota, long long *period)
{
    uint64_t q, p;

    if (!cgroups_number(dir, "cpu.cfs_quota_us", &q) || q > INT64_MAX ||
        !cgroups_number(dir, "cpu.cfs_period_us", &p) || p > INT64_MAX)
        return false;
    *quota = (long long)q;
    *period = (long long)p;
    return true;
}

static unsigned tighter(unsigned a, unsigned b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* The quota set on one group's folder, in whole CPUs. */
static void apply_group(void *arg, const char *dir, bool v2)
{
    unsigned *least = arg;
    long long quota, period;

    if (!(v2 ? read_cpu_max(dir, &quota, &period) : read_cfs(dir, &quota, &period)))
        return;
    if (quota > 0 && period > 0 && quota / period < INT_MAX)
        *least = tighter(*least, (unsigned)((quota - 1) / period + 1));
}

unsigned cpus_quota(const char *list, const char *root)
{
    unsigned least = 0;

    cgroups_each(list, root, "cpu", apply_group, &least);
    return least;
}

/* The mask's size is found by trying, as a machine may have many. */
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

unsigned cpus_usable(unsigned quota)
{
    return tighter(affinity_cpus(), quota);
}
