/* cgroup.c - see cgroup.h. No state. Source: the kernel's Documentation/admin-guide/cgroup-v2.rst.
 */
#include "hive/process/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "hive/process/procfs.h"

#define MODE      0755
#define END_TRIES 10 /* to remove it: what was killed is gone a moment later */
#define END_MS    2

static int write_file(const char *dir, const char *name, const char *text)
{
    char path[PATH_MAX];
    int fd, rc;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    rc = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
    close(fd);
    return rc;
}

/* The text behind `key` in the first line of the file that has it; where it is within the line is
 * the caller's to say. */
static bool find_line(const char *file, bool (*is_it)(char *line, char *dst), char dst[PATH_MAX])
{
    FILE *f = fopen(file, "re");
    char line[PATH_MAX];
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        found = is_it(line, dst);
    }
    if (f)
        fclose(f);
    return found;
}

/* "30 23 0:26 / /sys/fs/cgroup rw ... - cgroup2 cgroup2 rw": the fifth field. */
static bool is_mount(char *line, char *dst)
{
    return strstr(line, " - cgroup2 ") && sscanf(line, "%*s %*s %*s %*s %4095s", dst) == 1;
}

/* "0::/user.slice/x" */
static bool is_own(char *line, char *dst)
{
    return str_starts(line, "0::/") && str_copy(dst, PATH_MAX, line + 3);
}

char *cgroup_base(void)
{
    char mount[PATH_MAX], own[PATH_MAX], *base;

    if (!find_line("/proc/self/mountinfo", is_mount, mount) ||
        !find_line("/proc/self/cgroup", is_own, own))
        return NULL;
    base = str_printf("%s%s/rbee", mount, str_eq(own, "/") ? "" : own);
    if (base && (mkdir(base, MODE) == 0 || errno == EEXIST) && access(base, W_OK) == 0) {
        write_file(base, "cgroup.subtree_control", "+memory"); /* where it may be */
        write_file(base, "cgroup.subtree_control", "+pids");
        return base;
    }
    free(base);
    return NULL;
}

char *cgroup_path(const char *base, const char *worker_id)
{
    return base ? str_printf("%s/%s", base, worker_id) : NULL;
}

/* A worker with more is ended anyway. Without the controller the file is not there. */
static void limit_threads(const char *path)
{
    char text[16];

    snprintf(text, sizeof text, "%d", PROCFS_THREADS_MAX);
    write_file(path, "pids.max", text);
}

int cgroup_make(const char *path)
{
    int fd = mkdir(path, MODE) == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd < 0)
        rmdir(path);
    else
        limit_threads(path);
    return fd;
}

int64_t cgroup_oom_kills(const char *path)
{
    char file[PATH_MAX], line[128];
    int64_t n = -1;
    FILE *f;

    if (!path)
        return -1;
    snprintf(file, sizeof file, "%s/memory.events", path);
    f = fopen(file, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "oom_kill %" SCNd64, &n) == 1)
            break;
    if (f)
        fclose(f);
    return n;
}

void cgroup_end(const char *path)
{
    if (!path || path[0] != '/' || !strstr(path, "/rbee/worker-") || strstr(path, ".."))
        return;
    write_file(path, "cgroup.kill", "1");
    for (int i = 0; i < END_TRIES && rmdir(path) && errno == EBUSY; i++)
        clock_sleep_ms(END_MS);
}
