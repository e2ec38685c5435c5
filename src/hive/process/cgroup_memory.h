/*
 * cgroup_memory.h - what the cgroups leave to this process of the machine's memory.
 *
 * Every folder counts from the process's own up to the root (cgroups.h). The page cache is in what
 * is used, too: a model that was just downloaded, most of all. The kernel gives it up before it
 * refuses memory, so it does not count as used; /proc/meminfo's MemAvailable takes it the same way.
 * Above memory.high nothing is refused, and all goes slowly: it is a limit like memory.max. Source:
 * the kernel's Documentation/admin-guide/cgroup-v2.rst (memory.max, memory.high, memory.current,
 * memory.stat) and cgroup-v1/memory.rst (memory.limit_in_bytes, memory.usage_in_bytes).
 */
#ifndef RBEE_HIVE_PROCESS_CGROUP_MEMORY_H
#define RBEE_HIVE_PROCESS_CGROUP_MEMORY_H

#include <stdint.h>

/* Lowers the two numbers to what each folder allows; list and root as in cgroups.h. What cannot be
 * read is no limit. */
void cgroup_memory_apply(const char *list, const char *root, uint64_t *total_bytes,
                         uint64_t *free_bytes);

#endif
