/* logrotate.c - see logrotate.h. No state. */
#include "hive/disk/logrotate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"

static const char *piece(const char *path, unsigned n, char dst[PATH_MAX])
{
    snprintf(dst, PATH_MAX, "%s.%u", path, n);
    return dst;
}

/* PATH.1 becomes PATH.2 and so on; the last is written over. */
static void move_on(const char *path, unsigned kept)
{
    char from[PATH_MAX], to[PATH_MAX];

    for (unsigned n = kept; n-- > 1;)
        rename(piece(path, n, from), piece(path, n + 1, to)); /* it may not be there */
}

/* At most max_bytes, from the beginning. */
static int copy(int from, const char *to, uint64_t n_bytes, struct err *err)
{
    int fd = path_open_made(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600),
        rc = 0;
    off_t at = 0;

    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "cannot write %s", to);
    while (rc == 0 && (uint64_t)at < n_bytes) {
        ssize_t n = sendfile(fd, from, &at, (size_t)(n_bytes - (uint64_t)at));

        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            rc = err_errno(err, ERR_IO, errno, "cannot write %s", to);
    }
    close(fd);
    return rc;
}

int logrotate_check(const char *path, uint64_t max_bytes, unsigned kept, bool *rotated,
                    struct err *err)
{
    char first[PATH_MAX];
    struct stat st;
    int fd, spare, rc = 0;

    *rotated = false;
    if (stat(path, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size <= max_bytes)
        return 0;
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "cannot open %s", path);
    spare = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (spare < 0) { /* nor would the copy have one: the log stays as it is for now */
        rc = err_errno(err, ERR_IO, errno, "cannot open %s", path);
        close(fd);
        return rc;
    }
    close(spare);
    move_on(path, kept);
    if (kept > 0)
        rc = copy(fd, piece(path, 1, first), (uint64_t)st.st_size, err);
    if (ftruncate(fd, 0) && rc == 0)
        rc = err_errno(err, ERR_IO, errno, "cannot empty %s", path);
    close(fd);
    *rotated = rc == 0;
    return rc;
}

void logrotate_remove(const char *path, unsigned kept)
{
    char name[PATH_MAX];

    unlink(path);
    for (unsigned n = 1; n <= kept; n++)
        unlink(piece(path, n, name));
}
