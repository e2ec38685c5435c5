/* sync.c - see sync.h. Linux: posix_fadvise(2) lets go of clean pages. */
#include "base/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* squashfs, iso9660, folders on vboxsf ... : fsync(2). EROFS is none of these: so ext4 says that it
 * has given up, and what was written with it. */
static bool has_no_sync(int error)
{
    return error == EINVAL || error == ENOSYS;
}

void sync_forget(int fd)
{
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

int sync_bytes(int fd)
{
    int error = fsync(fd) == 0 ? 0 : errno;

    if (error == 0 || has_no_sync(error))
        return 0;
    sync_forget(fd);
    return error;
}
