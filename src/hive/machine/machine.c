/*
 * machine.c - see machine.h. Source: proc(5). What cannot be read is left at a harmless value:
 * knowing less about the machine must never fail a start.
 */
#include "hive/machine/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cgroups.h"
#include "base/cpus.h"
#include "base/str.h"
#include "hive/process/cgroup_memory.h"

#define LINE_MAX_BYTES 8192

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

static uint64_t meminfo_bytes(char *line, const char *name)
{
    char *value = field_of(line, name);

    return value ? strtoull(value, NULL, 10) * 1024 : 0;
}

void machine_memory(uint64_t *total_bytes, uint64_t *free_bytes)
{
    FILE *f = fopen("/proc/meminfo", "re");
    char line[256];
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
    cgroup_memory_apply(CGROUPS_LIST, CGROUPS_ROOT, total_bytes, free_bytes);
}

void machine_read(struct machine *out)
{
    read_cpuinfo(out);
    out->n_cores = cpus_usable(cpus_quota(CGROUPS_LIST, CGROUPS_ROOT));
    machine_memory(&out->memory_bytes, &out->memory_free_bytes);
}
