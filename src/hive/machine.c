/*
 * machine.c - see machine.h. Sources: proc(5), the kernel's cgroup-v2 document. What cannot be read
 * is left at a harmless value: knowing less about the machine must never fail a start.
 */
#include "hive/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "hive/cgroup_memory.h"

#define LINE_MAX_BYTES 8192
#define CGROUP_ROOT    "/sys/fs/cgroup"

/* Feature flags as /proc/cpuinfo spells them, that some kernel of the engine may use. */
static const char *const wanted_features[] = {
    "sse4_2",   "avx",         "f16c",     "fma",      "avx2",  "avx_vnni", "avx512f",
    "avx512bw", "avx512_vnni", "amx_int8", "amx_bf16", "asimd", "asimdhp",  "asimddp",
    "i8mm",     "bf16",        "sve",      "sve2",     NULL};

static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = words; (p = strstr(p, word)) != NULL; p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

static void put_features(const char *words, struct machine *m)
{
    size_t len = 0;

    for (const char *const *f = wanted_features; *f; f++) {
        int n = has_word(words, *f) ? snprintf(m->features + len, sizeof m->features - len, "%s%s",
                                               len ? " " : "", *f)
                                    : 0;

        len += (size_t)n;
    }
}

/* The text behind "name<blanks>:", or NULL when the line is another one. */
static char *field_of(char *line, const char *name)
{
    char *colon = strchr(line, ':');

    if (!colon || !str_starts(line, name) ||
        strspn(line + strlen(name), " \t") + strlen(name) != (size_t)(colon - line))
        return NULL;
    line[strcspn(line, "\n")] = '\0';
    return colon + 1 + strspn(colon + 1, " ");
}

static void read_cpuinfo(struct machine *m)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[LINE_MAX_BYTES];

    str_copy(m->cpu_model, sizeof m->cpu_model, "unknown");
    m->features[0] = '\0';
    while (f && fgets(line, sizeof line, f) && line[0] != '\n') { /* the first processor only */
        char *value;

        if ((value = field_of(line, "model name")))
            str_copy(m->cpu_model, sizeof m->cpu_model, value);
        else if ((value = field_of(line, "flags")) || (value = field_of(line, "Features")))
            put_features(value, m);
    }
    if (f)
        fclose(f);
}

/* One small file's first line, without its newline. */
static bool read_line(const char *path, char *dst, size_t dst_size)
{
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(dst, (int)dst_size, f);

    if (f)
        fclose(f);
    if (ok)
        dst[strcspn(dst, "\n")] = '\0';
    return ok;
}

/* This process's place in the cgroup v2 tree; the root where it is not told. */
static void cgroup_own(char *dst, size_t dst_size)
{
    char line[1024];

    if (!read_line("/proc/self/cgroup", line, sizeof line) || !str_starts(line, "0::/") ||
        !str_copy(dst, dst_size, line + 3))
        str_copy(dst, dst_size, "/");
}

/* A file of the folder or, where a container shows only its own part of the tree, of the root. */
static bool cgroup_line(const char *name, char *dst, size_t dst_size)
{
    char own[1024], path[1300];

    cgroup_own(own, sizeof own);
    if (snprintf(path, sizeof path, CGROUP_ROOT "%s/%s", own, name) < (int)sizeof path &&
        read_line(path, dst, dst_size))
        return true;
    snprintf(path, sizeof path, CGROUP_ROOT "/%s", name);
    return read_line(path, dst, dst_size);
}

/* "QUOTA PERIOD" in microseconds, or "max PERIOD". */
static unsigned quota_cores(unsigned n)
{
    char text[64];
    unsigned long long quota, period;

    if (!cgroup_line("cpu.max", text, sizeof text) ||
        sscanf(text, "%llu %llu", &quota, &period) != 2 || period == 0)
        return n;
    quota = (quota + period - 1) / period;
    return quota > 0 && quota < n ? (unsigned)quota : n;
}

static unsigned usable_cores(void)
{
    cpu_set_t set;
    unsigned n = 1;

    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        n = (unsigned)CPU_COUNT(&set);
    return quota_cores(n);
}

static uint64_t meminfo_bytes(char *line, const char *name)
{
    char *value = field_of(line, name);

    return value ? strtoull(value, NULL, 10) * 1024 : 0;
}

void machine_memory(uint64_t *total_bytes, uint64_t *free_bytes)
{
    FILE *f = fopen("/proc/meminfo", "re");
    char line[256], own[1024];
    uint64_t v;

    *total_bytes = *free_bytes = 0;
    while (f && fgets(line, sizeof line, f)) {
        if ((v = meminfo_bytes(line, "MemTotal")))
            *total_bytes = v;
        else if ((v = meminfo_bytes(line, "MemAvailable")))
            *free_bytes = v;
    }
    if (f)
        fclose(f);
    cgroup_own(own, sizeof own);
    cgroup_memory_apply(CGROUP_ROOT, own, total_bytes, free_bytes);
}

void machine_read(struct machine *out)
{
    read_cpuinfo(out);
    out->n_cores = usable_cores();
    machine_memory(&out->memory_bytes, &out->memory_free_bytes);
}
