/* path_write.c - path.h's files that are written. No state. Linux: flock(2). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "base/sweep.h"
#include "base/sync.h"
#include "base/uuid.h"

#define TEMP_TRIES 8

static int write_all(int fd, const char *path, const char *bytes, size_t n, struct err *err)
{
    while (n) {
        ssize_t put = write(fd, bytes, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_errno(err, ERR_IO, errno, "cannot write %s", path);
        bytes += put;
        n -= (size_t)put;
    }
    return 0;
}

int path_write_at(int fd, const void *bytes, size_t n, uint64_t offset)
{
    const char *at = bytes;

    while (n) {
        ssize_t put = pwrite(fd, at, n, (off_t)offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno;
        at += put;
        offset += (uint64_t)put;
        n -= (size_t)put;
    }
    return 0;
}

/*
 * What root replaces in another's folder stays that other's, who could not read it else; where
 * root has no right to that, it is root's. Only a file that has no other name is given away: it may
 * have waited for root under this one.
 */
static void keep_owner(int fd, const char *path)
{
    struct stat old, made;

    if (geteuid() == 0 && stat(path, &old) == 0 && old.st_uid != 0 && fstat(fd, &made) == 0 &&
        S_ISREG(made.st_mode) && made.st_nlink == 1 && fchown(fd, old.st_uid, old.st_gid) != 0)
        errno = 0;
}

/* Process ids are one's own only within a container, and a home may be in several. */
int path_create_beside(const char *path, mode_t mode, char **temp)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    uint64_t tail = (uint64_t)getpid();
    struct stat old;
    bool anew = lstat(path, &old) != 0;
    int fd = -1;

    for (int i = 0; i < TEMP_TRIES; i++) {
        *temp = str_printf("%s.tmp-%llu", path, (unsigned long long)tail);
        if (*temp)
            fd = anew ? path_open_made(*temp, flags, mode) : open(*temp, flags, mode);
        if (fd >= 0 && !sweep_hold(fd)) {
            close(fd);
            fd = -1;
            errno = EEXIST;
        }
        if (fd >= 0 || !*temp || errno != EEXIST || i + 1 == TEMP_TRIES)
            break;
        free(*temp);
        tail = random_u64() % 10000000000;
    }
    return fd;
}

static int sync_file(int fd, const char *path, struct err *err)
{
    if (fsync(fd) == 0)
        return 0;
    return err_errno(err, ERR_IO, errno, "cannot write %s to disk", path);
}

/* The new content under the old name; *fd stays open. */
static int replace(const char *path, const void *bytes, size_t n, mode_t mode, bool sync, int *fd,
                   struct err *err)
{
    char *temp;
    int rc;

    *fd = path_create_beside(path, mode, &temp);
    if (!temp)
        return err_no_memory(err, strlen(path) + 32, "a path");
    if (*fd < 0) {
        rc = err_errno(err, errno == EACCES ? ERR_DENIED : ERR_IO, errno, "cannot create %s", temp);
        free(temp);
        return rc;
    }
    keep_owner(*fd, path);
    rc = write_all(*fd, path, bytes, n, err);
    if (rc == 0 && sync)
        rc = sync_file(*fd, path, err);
    if (rc == 0 && rename(temp, path) != 0)
        rc = err_errno(err, ERR_IO, errno, "cannot put %s in its place", path);
    if (rc) {
        unlink(temp);
        close(*fd);
    }
    free(temp);
    return rc;
}

int path_write_file(const char *path, const void *bytes, size_t n, mode_t mode, struct err *err)
{
    int fd, rc = replace(path, bytes, n, mode, true, &fd, err);

    if (rc == 0)
        close(fd);
    return rc;
}

int path_write_open(const char *path, const void *bytes, size_t n, mode_t mode, int *fd,
                    struct err *err)
{
    return replace(path, bytes, n, mode, false, fd, err);
}

int path_sync_folder(const char *path, struct err *err)
{
    char *dir = str_dup(path), *slash = dir ? strrchr(dir, '/') : NULL;
    int fd = -1, error = ENOMEM;

    if (slash)
        *slash = '\0';
    if (slash)
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (slash)
        error = fd < 0 ? errno : sync_bytes(fd);
    if (fd >= 0)
        close(fd);
    free(dir);
    return error ? err_errno(err, ERR_IO, error, "cannot sync the folder of %s", path) : 0;
}

int path_write_finish(int fd, const char *path, struct err *err)
{
    int rc = sync_file(fd, path, err);

    close(fd);
    return rc;
}

int path_write_note(const char *path, const void *bytes, size_t n, mode_t mode, struct err *err)
{
    int fd, rc = path_write_open(path, bytes, n, mode, &fd, err);

    if (rc == 0)
        close(fd);
    return rc;
}
