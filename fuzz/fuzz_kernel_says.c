/*
 * fuzz_kernel_says.c - what the kernel writes of things that other users may name: a letter, then
 * 'a' a process's name and any line of stat, 'b' a path and a list of mounts; or 'c' a log of which
 * the last lines are asked for: a byte how many, one for how much room there is, and the log.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "hive/disk/logtail.h"
#include "hive/disk/mounts.h"
#include "hive/process/procfs.h"
#include "lines.h"
#include "scratch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_mounts(const uint8_t *data, size_t size)
{
    char *path = take_line(&data, &size), *text = str_ndup((const char *)data, size);
    const struct mount *found;
    struct mounts m;

    BUG_ON(!text || mounts_parse(text, &m, NULL));
    found = mounts_find(&m, path);
    if (found)
        BUG_ON(!str_starts(path, found->at) || !mounts_has(&m, found->id));
    for (size_t i = 0; i < m.n; i++) {
        size_t n = strlen(m.all[i].at);

        BUG_ON(m.all[i].at[0] != '/' || m.all[i].id < 0);
        if (str_eq(path, m.all[i].at))
            BUG_ON(!found || strlen(found->at) < n);
    }
    mounts_done(&m);
    free(text);
    free(path);
}

/* The name in it, which is anybody's, changes nothing of the rest. */
static void look_at_stat(const uint8_t *data, size_t size)
{
    char *name = take_line(&data, &size), *line;
    struct procfs_stat st;

    line = str_printf("17 (%.15s) S 1 17 17 0 -1 4194304 2 0 5 0 30 10 0 0 20 0 4 0 99 0 0", name);
    BUG_ON(!line || procfs_parse_stat(line, &st));
    BUG_ON(st.state != 'S' || st.major_faults != 5 || st.n_threads != 4 || st.start_ticks != 99);
    free(line);
    line = str_ndup((const char *)data, size);
    procfs_parse_stat(line, &st);
    free(line);
    free(name);
}

static void look_at_log(const uint8_t *data, size_t size)
{
    char path[SCRATCH_PATH_MAX];
    struct buf out;
    size_t n_lines, room, n = 0;

    if (size < 2)
        return;
    n_lines = data[0];
    room = data[1] * 16u;
    data += 2, size -= 2;
    BUG_ON(path_write_file(scratch_path(path, "log"), data, size, 0600, NULL));
    buf_init(&out, room);
    BUG_ON(logtail_read(path, n_lines, &out, NULL));
    BUG_ON(out.len > size || out.len > room);
    if (out.len)
        BUG_ON(memcmp(out.data, data + size - out.len, out.len) != 0);
    for (size_t i = 0; i + 1 < out.len; i++)
        n += out.data[i] == '\n';
    BUG_ON(out.len && n + 1 > n_lines);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if ((data[0] - 'a') % 3u == 0)
        look_at_stat(data + 1, size - 1);
    else if ((data[0] - 'a') % 3u == 1)
        look_at_mounts(data + 1, size - 1);
    else
        look_at_log(data + 1, size - 1);
    return 0;
}
