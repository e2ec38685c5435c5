/* unlinked.c - see unlinked.h. */
#include "hive/disk/unlinked.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t most(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur / UNLINKED_SHARE > UNLINKED_MAX)
        return UNLINKED_MAX;
    return limit.rlim_cur / UNLINKED_SHARE;
}

/* -1: it is not there, or need not be held, or cannot be. */
static int hold(const struct unlinked *u, const char *path)
{
    struct stat st;
    int fd = u->n < most() ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;

    if (fd < 0 || (fstat(fd, &st) == 0 && st.st_size >= UNLINKED_MIN_BYTES))
        return fd;
    close(fd);
    return -1;
}

int unlinked_add(struct unlinked *u, const char *path)
{
    int fd = u ? hold(u, path) : -1;
    int error = unlink(path) == 0 ? 0 : errno;

    if (fd >= 0 && error == 0)
        u->fds[u->n++] = fd;
    else if (fd >= 0)
        close(fd);
    return error;
}

void unlinked_close(struct unlinked *u)
{
    while (u->n > 0)
        close(u->fds[--u->n]);
}
