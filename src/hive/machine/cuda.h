/* cuda.h - which NVIDIA devices the driver on this machine shows. */
#ifndef RBEE_HIVE_MACHINE_CUDA_H
#define RBEE_HIVE_MACHINE_CUDA_H

#include <stddef.h>
#include <stdint.h>

#define CUDA_DEVICES_MAX 64
#define CUDA_NAME_MAX    128
#define CUDA_REASON_MAX  256

struct cuda_device {
    char name[CUDA_NAME_MAX];
    uint64_t memory_bytes;
};

struct cuda_devices {
    struct cuda_device items[CUDA_DEVICES_MAX];
    size_t n;
    char reason[CUDA_REASON_MAX]; /* why there is none; "" when there is one */
};

/*
 * Loads the driver's library into this process for good: call it only in a process that ends soon.
 * Never fails; what is not there is told in `reason`.
 */
void cuda_list(struct cuda_devices *out);

#endif
