/*
 * cpus.h - how many CPUs a process may use, from the kernel's files. For pool.c and its tests.
 */
#ifndef RBEE_ENGINE_KERN_CPUS_H
#define RBEE_ENGINE_KERN_CPUS_H

/*
 * The CPU quota of the control groups this process is in, rounded up to whole CPUs; 0 when there is
 * none. `proc_cgroup` is the list of groups (/proc/self/cgroup), `root` where they are mounted
 * (/sys/fs/cgroup). Version 2 (cpu.max) and version 1 (cpu.cfs_quota_us) are read, and the parents
 * of a group too, as the tightest counts. What cannot be read sets no limit.
 */
unsigned cpus_quota(const char *proc_cgroup, const char *root);

#endif
