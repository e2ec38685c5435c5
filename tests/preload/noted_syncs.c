/*
 * noted_syncs.c - for LD_PRELOAD: what a process renames, and the folders that it has the disk
 * keep, in this order, one a line, in the file NOTED_SYNCS: "rename PATH" (the new one), "sync
 * PATH".
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void note(const char *what, const char *path)
{
    const char *log = getenv("NOTED_SYNCS");
    int fd = log ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return;
    dprintf(fd, "%s %s\n", what, path);
    close(fd);
}

int rename(const char *from, const char *to)
{
    int rc = renameat(AT_FDCWD, from, AT_FDCWD, to);

    if (rc == 0)
        note("rename", to);
    return rc;
}

int fsync(int fd)
{
    int rc = (int)syscall(SYS_fsync, fd);
    char link[64], path[PATH_MAX];
    struct stat st;
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (rc != 0 || fstat(fd, &st) != 0 || !S_ISDIR(st.st_mode) ||
        (n = readlink(link, path, sizeof path - 1)) < 0)
        return rc;
    path[n] = '\0';
    note("sync", path);
    return rc;
}
