/*
 * failing_sync.c - for LD_PRELOAD: the first fsync of a file that is still coming (*.part) lasts
 * until there is a file FAILING_SYNC, and then says that the disk could not keep its bytes (EIO).
 * As the kernel has it, nobody else is told of that.
 */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_part(int fd)
{
    char link[64], path[PATH_MAX];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n < 5)
        return false;
    path[n] = '\0';
    return strcmp(path + n - 5, ".part") == 0;
}

int fsync(int fd)
{
    static atomic_bool is_over;
    const char *until = getenv("FAILING_SYNC");

    if (!until || !is_part(fd) || atomic_exchange(&is_over, true))
        return (int)syscall(SYS_fsync, fd);
    while (access(until, F_OK) != 0)
        usleep(2000);
    errno = EIO;
    return -1;
}
