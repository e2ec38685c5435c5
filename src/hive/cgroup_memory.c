/* cgroup_memory.c - see cgroup_memory.h. No state. */
#include "hive/cgroup_memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static FILE *open_in(const char *dir, const char *name)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path ? fopen(path, "re")
                                                                              : NULL;
}

/* A file that is one number; false for "max", too. */
static bool read_number(const char *dir, const char *name, uint64_t *out)
{
    FILE *f = open_in(dir, name);
    bool ok = f && fscanf(f, "%" SCNu64, out) == 1;

    if (f)
        fclose(f);
    return ok;
}

/* The page cache, also that of the folders below: clean pages are given up at once, dirty ones
 * once they are written. */
static uint64_t cache_bytes(const char *dir)
{
    FILE *f = open_in(dir, "memory.stat");
    uint64_t sum = 0, n;
    char line[128];

    while (f && fgets(line, sizeof line, f))
        if ((sscanf(line, "inactive_file %" SCNu64, &n) == 1 ||
             sscanf(line, "active_file %" SCNu64, &n) == 1) &&
            __builtin_add_overflow(sum, n, &sum))
            sum = UINT64_MAX;
    if (f)
        fclose(f);
    return sum;
}

static void apply_one(const char *dir, uint64_t *total_bytes, uint64_t *free_bytes)
{
    uint64_t limit, used, cache, left;

    if (!read_number(dir, "memory.max", &limit))
        return;
    if (limit < *total_bytes)
        *total_bytes = limit;
    if (!read_number(dir, "memory.current", &used))
        used = 0;
    cache = cache_bytes(dir);
    used -= cache < used ? cache : used;
    left = used < limit ? limit - used : 0;
    if (left < *free_bytes)
        *free_bytes = left;
}

void cgroup_memory_apply(const char *root, const char *own, uint64_t *total_bytes,
                         uint64_t *free_bytes)
{
    char dir[PATH_MAX];
    size_t root_len = strlen(root);
    char *slash;

    if (snprintf(dir, sizeof dir, "%s%s", root, own) >= (int)sizeof dir)
        str_copy(dir, sizeof dir, root);
    while (strlen(dir) > root_len && (slash = strrchr(dir, '/')) != NULL) {
        apply_one(dir, total_bytes, free_bytes);
        *slash = '\0';
    }
    apply_one(root, total_bytes, free_bytes);
}
