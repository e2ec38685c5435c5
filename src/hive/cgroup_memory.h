/*
 * cgroup_memory.h - what the cgroups (version 2) leave to this process of the machine's memory.
 *
 * A limit holds for all that lies below its folder, so every folder counts from the process's own
 * up to the root, which in a container is the container's. The page cache is in memory.current,
 * too: a model that was just downloaded, most of all. The kernel gives it up before it refuses
 * memory, so it does not count as used; /proc/meminfo's MemAvailable takes it the same way. Source:
 * the kernel's Documentation/admin-guide/cgroup-v2.rst (memory.max, memory.current, memory.stat).
 */
#ifndef RBEE_HIVE_CGROUP_MEMORY_H
#define RBEE_HIVE_CGROUP_MEMORY_H

#include <stdint.h>

/*
 * Lowers the two numbers to what each folder allows. root: where the tree is mounted; own: the
 * process's place in it, as /proc/self/cgroup has it ("/", "/user.slice/x"). What cannot be read is
 * no limit.
 */
void cgroup_memory_apply(const char *root, const char *own, uint64_t *total_bytes,
                         uint64_t *free_bytes);

#endif
