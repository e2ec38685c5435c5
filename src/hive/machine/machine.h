/*
 * machine.h - what this computer is: its processor and its memory, as far as this process may use
 * them. Linux: /proc and cgroups. Any thread, nothing cached.
 */
#ifndef RBEE_HIVE_MACHINE_MACHINE_H
#define RBEE_HIVE_MACHINE_MACHINE_H

#include <stdint.h>

#include "base/buf.h"

#define MACHINE_MODEL_MAX    128
#define MACHINE_FEATURES_MAX 512

struct machine {
    char cpu_model[MACHINE_MODEL_MAX];   /* "unknown" when the kernel does not tell */
    char features[MACHINE_FEATURES_MAX]; /* those that matter here, with a blank between */
    unsigned n_cores;                    /* usable: affinity and cgroup quota, at least 1 */
    uint64_t memory_bytes;               /* of the machine, or the cgroup's limit when lower */
    uint64_t memory_free_bytes;          /* what new processes may take without swapping */
};
void machine_read(struct machine *out);

/* Only the two numbers of memory. */
void machine_memory(uint64_t *total_bytes, uint64_t *free_bytes);

#endif
