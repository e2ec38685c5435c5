/*
 * cpus.h - how many CPUs a process may use, from the kernel's files. Linux. Any thread, nothing
 * cached.
 */
#ifndef RBEE_BASE_CPUS_H
#define RBEE_BASE_CPUS_H

/*
 * The CPU quota of the control groups this process is in, rounded up to whole CPUs; 0 when there is
 * none. `list` and `root` as in cgroups.h. Version 2 (cpu.max) and version 1 (cpu.cfs_quota_us) are
 * read, and the parents of a group too, as the tightest counts. What cannot be read sets no limit.
 */
unsigned cpus_quota(const char *list, const char *root);

/* CPUs in the affinity mask, and no more than the quota (0 = none): at least 1. */
unsigned cpus_usable(unsigned quota);

#endif
