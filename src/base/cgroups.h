/*
 * cgroups.h - the control groups that this process is in, and those above them: a limit holds for
 * all that lies below its folder. Version 2 has one tree, version 1 one for each set of
 * controllers; a machine may have both. Linux. Any thread, nothing cached. Source: cgroups(7).
 */
#ifndef RBEE_BASE_CGROUPS_H
#define RBEE_BASE_CGROUPS_H

#include <stdbool.h>
#include <stdint.h>

#define CGROUPS_LIST "/proc/self/cgroup" /* which groups the process is in */
#define CGROUPS_ROOT "/sys/fs/cgroup"    /* where they are mounted */

/*
 * Calls `each` for every folder that may limit what the controller ("cpu", "memory") deals out,
 * from the process's own up to where the tree is mounted, which in a container is the container's.
 * Not all of them need be there, and where a list cannot be read there are none.
 */
void cgroups_each(const char *list, const char *root, const char *controller,
                  void (*each)(void *arg, const char *dir, bool v2), void *arg);

/* A file of a folder that is one number; false for "max", too. */
bool cgroups_number(const char *dir, const char *file, uint64_t *out);

#endif
