/*
 * detect.c - see detect.h.
 *
 * This build's engine computes on the CPU only. Other devices are shown, so that a person sees that
 * they were found, with the reason why they cannot be used.
 */
#include "hive/machine/detect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/backend.h"
#include "base/str.h"
#include "hive/http/reply.h"
#include "hive/machine/cuda.h"
#include "hive/machine/machine.h"

#define CPU_ONLY "this build computes on the CPU only"

static json_t *features_json(const char *features)
{
    json_t *list = json_array();

    for (const char *p = features; *p;) {
        size_t n = strcspn(p, " ");

        json_array_append_new(list, json_stringn(p, n));
        p += n + (p[n] == ' ');
    }
    return list;
}

static json_t *backend_json(const char *name, bool available, const char *reason, json_t *devices)
{
    return json_pack("{s:s, s:b, s:s?, s:o}", "name", name, "available", available, "reason",
                     reason, "devices", devices);
}

static json_t *cpu_json(void)
{
    struct machine m;
    json_t *device;

    machine_read(&m);
    device =
        json_pack("{s:i, s:s, s:i, s:I, s:I, s:o}", "index", 0, "name", m.cpu_model, "cores",
                  (int)m.n_cores, "memory_bytes", (json_int_t)m.memory_bytes, "memory_free_bytes",
                  (json_int_t)m.memory_free_bytes, "features", features_json(m.features));
    return backend_json("cpu", true, NULL, json_pack("[o]", device));
}

static json_t *cuda_json(void)
{
    struct cuda_devices *found = calloc(1, sizeof *found);
    json_t *devices = json_array(), *backend;

    if (!found)
        return backend_json("cuda", false, "out of memory", devices);
    cuda_list(found);
    for (size_t i = 0; i < found->n; i++)
        json_array_append_new(devices, json_pack("{s:i, s:s, s:I}", "index", (int)i, "name",
                                                 found->items[i].name, "memory_bytes",
                                                 (json_int_t)found->items[i].memory_bytes));
    backend = backend_json("cuda", false, found->n ? CPU_ONLY : found->reason, devices);
    free(found);
    return backend;
}

/* Takes the part about CUDA over. */
static json_t *all_json(json_t *cuda)
{
    const char *metal = "Metal is there on a Mac only";

    return json_pack("{s:[o, o, o, o]}", "backends", cpu_json(), cuda,
                     backend_json("metal", false, metal, json_array()),
                     backend_json("vulkan", false, CPU_ONLY, json_array()));
}

json_t *detect_without_drivers(const char *reason)
{
    return all_json(backend_json("cuda", false, reason, json_array()));
}

static void show_device(const char *backend, json_t *device)
{
    const char *name = json_string_value(json_object_get(device, "name"));
    json_int_t memory = json_integer_value(json_object_get(device, "memory_bytes"));
    json_int_t index = json_integer_value(json_object_get(device, "index"));
    json_t *cores = json_object_get(device, "cores"), *feature;
    char size[32];
    size_t i;

    printf("%-8s %-6lld %-10s %s", backend, (long long)index,
           str_human_bytes((uint64_t)memory, size, sizeof size), name);
    if (cores)
        printf(", %lld core%s", (long long)json_integer_value(cores),
               json_integer_value(cores) == 1 ? "" : "s");
    printf("\n");
    json_array_foreach(json_object_get(device, "features"), i, feature)
        printf("%s%s", i ? " " : "                           ", json_string_value(feature));
    if (i)
        printf("\n");
}

static void show_table(json_t *root)
{
    json_t *backend, *device;
    size_t i, k;

    printf("%-8s %-6s %-10s %s\n", "BACKEND", "DEVICE", "MEMORY", "NAME");
    json_array_foreach(json_object_get(root, "backends"), i, backend)
    {
        const char *name = json_string_value(json_object_get(backend, "name"));
        json_t *reason = json_object_get(backend, "reason");

        json_array_foreach(json_object_get(backend, "devices"), k, device)
            show_device(name, device);
        if (!json_is_true(json_object_get(backend, "available")))
            printf("%-8s not usable: %s\n", name, json_string_value(reason));
    }
}

int cmd_detect(const struct cli_command *self, int argc, char **argv)
{
    bool as_json = false;
    const struct cli_opt opts[] = {
        {"json", 0, CLI_FLAG, &as_json, 0, 0, NULL, "print JSON instead of a table", NULL}, {0}};
    int rc = cli_parse("rbee-hive", self, opts, argc, argv, NULL, 0, NULL);
    json_t *found;

    if (rc != CLI_GO)
        return rc;
    found = all_json(cuda_json());
    if (!found) {
        fprintf(stderr, "rbee-hive: out of memory\n");
        return CLI_ERROR;
    }
    if (as_json) {
        json_dumpf(found, stdout, JSON_COMPACT);
        printf("\n");
    } else {
        show_table(found);
    }
    json_decref(found);
    return cli_shown("rbee-hive");
}

int detect_choose(const char *asked, int64_t device, const char **backend, struct api_error *e)
{
    if (!backend_is_name(asked)) {
        api_error_set(e, API_BACKEND_UNAVAILABLE, REPLY_SRC,
                      "'%.40s' is no backend; there are cpu, cuda, metal, vulkan and auto, and "
                      "usable on this machine is: cpu",
                      asked);
        return -1;
    }
    if (!str_eq(asked, "cpu") && !str_eq(asked, "auto")) {
        api_error_set(e, API_BACKEND_UNAVAILABLE, REPLY_SRC,
                      "the backend %s cannot be used: " CPU_ONLY "; usable here is: cpu", asked);
        return -1;
    }
    if (device != 0) {
        api_error_set(e, API_DEVICE_NOT_FOUND, REPLY_SRC,
                      "the backend cpu has no device %lld; it has one, number 0",
                      (long long)device);
        return -1;
    }
    *backend = "cpu";
    return 0;
}
