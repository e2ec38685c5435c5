/*
 * cgroup.h - a cgroup of its own for each worker, where the hive may make some: never needed.
 *
 * With one, all that a worker's program has started ends with it (cgroup.kill), and the kernel
 * tells for certain whether it was killed for want of memory (memory.events), and keeps it from
 * having more threads than any worker needs (pids.max). Version 2 only; it must be writable, which
 * systemd's Delegate=yes, a container, or being root gives. Linux 5.14.
 */
#ifndef RBEE_HIVE_PROCESS_CGROUP_H
#define RBEE_HIVE_PROCESS_CGROUP_H

#include <stdint.h>

/* Makes "<the hive's own cgroup>/rbee"; its path (free()), or NULL where that cannot be. */
char *cgroup_base(void);

/* Where a worker's is to be: free(); NULL where base is. */
char *cgroup_path(const char *base, const char *worker_id);
/* Makes it: its folder, open, in which a process can be born (child.h); -1 where that cannot be. */
int cgroup_make(const char *path);

/* Of its processes the kernel has killed so many for want of memory; -1 where it is not told. */
int64_t cgroup_oom_kills(const char *path);

/* Kills what is left in it, and removes it. Only paths that end in /rbee/worker-...; else, and with
 * NULL, nothing happens. */
void cgroup_end(const char *path);

#endif
