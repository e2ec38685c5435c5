/* cgroup_memory.c - see cgroup_memory.h. No state. */
#include "hive/process/cgroup_memory.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "base/cgroups.h"
#include "base/str.h"

struct room {
    uint64_t total_bytes, free_bytes;
};

/* A line of version 2, or of version 1, whose lines without "total_" leave out the folders below.
 */
static bool is_cache(const char *line, bool v2, uint64_t *bytes)
{
    static const char *const names[2][2] = {{"total_inactive_file ", "total_active_file "},
                                            {"inactive_file ", "active_file "}};

    for (int i = 0; i < 2; i++)
        if (str_starts(line, names[v2][i]))
            return sscanf(line, "%*s %" SCNu64, bytes) == 1;
    return false;
}

/* The page cache, also that of the folders below: clean pages are given up at once, dirty ones
 * once they are written. */
static uint64_t cache_bytes(const char *dir, bool v2)
{
    char path[PATH_MAX + 64], line[128];
    uint64_t sum = 0, n;
    FILE *f;

    snprintf(path, sizeof path, "%s/memory.stat", dir);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (is_cache(line, v2, &n) && __builtin_add_overflow(sum, n, &sum))
            sum = UINT64_MAX;
    if (f)
        fclose(f);
    return sum;
}

/* The least of the files that set one; UINT64_MAX = none does. */
static uint64_t limit_of(const char *dir, bool v2)
{
    static const char *const files[2][2] = {{"memory.limit_in_bytes", NULL},
                                            {"memory.max", "memory.high"}};
    uint64_t least = UINT64_MAX, n;

    for (int i = 0; i < 2 && files[v2][i]; i++)
        if (cgroups_number(dir, files[v2][i], &n) && n < least)
            least = n;
    return least;
}

static void apply_one(void *arg, const char *dir, bool v2)
{
    uint64_t limit = limit_of(dir, v2), used, cache, left;
    struct room *r = arg;

    if (limit == UINT64_MAX)
        return;
    if (limit < r->total_bytes)
        r->total_bytes = limit;
    if (!cgroups_number(dir, v2 ? "memory.current" : "memory.usage_in_bytes", &used))
        used = 0;
    cache = cache_bytes(dir, v2);
    used -= cache < used ? cache : used;
    left = used < limit ? limit - used : 0;
    if (left < r->free_bytes)
        r->free_bytes = left;
}

void cgroup_memory_apply(const char *list, const char *root, uint64_t *total_bytes,
                         uint64_t *free_bytes)
{
    struct room r = {*total_bytes, *free_bytes};

    cgroups_each(list, root, "memory", apply_one, &r);
    *total_bytes = r.total_bytes;
    *free_bytes = r.free_bytes;
}
