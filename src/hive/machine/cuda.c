/*
 * cuda.c - see cuda.h. The driver's library is opened at run time, so that the program starts on
 * machines without it. Source: the CUDA driver API reference (cuInit, cuDeviceGetCount,
 * cuDeviceGet, cuDeviceGetName, cuDeviceTotalMem_v2).
 */
#include "hive/machine/cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

struct cuda_driver {
    int (*init)(unsigned flags);
    int (*device_get_count)(int *count);
    int (*device_get)(int *device, int ordinal);
    int (*device_get_name)(char *name, int len, int device);
    int (*device_total_mem)(size_t *bytes, int device);
};

/* POSIX lets a function's address travel through void *; C needs the detour over the bytes. */
static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);

    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static bool load(struct cuda_driver *d, char *reason)
{
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);

    if (!library) {
        str_copy(reason, CUDA_REASON_MAX, "no NVIDIA driver: libcuda.so.1 is not there");
        return false;
    }
    if (find(library, "cuInit", &d->init) &&
        find(library, "cuDeviceGetCount", &d->device_get_count) &&
        find(library, "cuDeviceGet", &d->device_get) &&
        find(library, "cuDeviceGetName", &d->device_get_name) &&
        find(library, "cuDeviceTotalMem_v2", &d->device_total_mem))
        return true;
    str_copy(reason, CUDA_REASON_MAX, "libcuda.so.1 lacks functions that every driver has");
    return false;
}

void cuda_list(struct cuda_devices *out)
{
    struct cuda_driver d;
    int count = 0, rc;

    *out = (struct cuda_devices){.n = 0};
    if (!load(&d, out->reason))
        return;
    rc = d.init(0);
    if (rc == 0)
        rc = d.device_get_count(&count);
    if (rc != 0 || count <= 0) {
        snprintf(out->reason, sizeof out->reason,
                 "the NVIDIA driver shows no device (CUDA error %d)", rc);
        return;
    }
    for (int i = 0; i < count && out->n < CUDA_DEVICES_MAX; i++) {
        struct cuda_device *item = &out->items[out->n];
        size_t bytes = 0;
        int device;

        if (d.device_get(&device, i) != 0)
            continue;
        if (d.device_get_name(item->name, CUDA_NAME_MAX - 1, device) != 0)
            str_copy(item->name, sizeof item->name, "unnamed device");
        d.device_total_mem(&bytes, device);
        item->memory_bytes = bytes;
        out->n++;
    }
}
