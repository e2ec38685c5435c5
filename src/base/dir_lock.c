/* dir_lock.c - see dir_lock.h. Linux: flock(2). */
#include "base/dir_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sync.h"

#define POLL_MS  10
#define OLDER_MS 500 /* far more than a program of an early version takes for its change */

/* Made by root in another's folder it is that other's, who could not open it else. */
static void give_to_owner(int fd, int dir_fd)
{
    struct stat dir;

    if (geteuid() == 0 && fstat(dir_fd, &dir) == 0 && dir.st_uid != 0 &&
        fchown(fd, dir.st_uid, dir.st_gid) != 0)
        errno = 0;
}

/* A `chmod -R` has opened it to who could lock it then. */
static void keep_private(int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && (st.st_mode & 077) && fchmod(fd, 0600) != 0)
        errno = 0;
}

static int open_file(int dir_fd)
{
    const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = openat(dir_fd, DIR_LOCK_FILE, flags | O_CREAT | O_EXCL, 0600);

    if (fd >= 0)
        give_to_owner(fd, dir_fd);
    else if (errno == EEXIST)
        fd = openat(dir_fd, DIR_LOCK_FILE, flags);
    if (fd >= 0)
        keep_private(fd);
    return fd;
}

static int wait_for(int fd, const char *dir, int wait_ms, const volatile bool *stop,
                    struct err *err)
{
    for (int left_ms = wait_ms; flock(fd, LOCK_EX | LOCK_NB) != 0; left_ms -= POLL_MS) {
        if (errno != EWOULDBLOCK)
            return err_errno(err, ERR_IO, errno, "cannot lock %s", dir);
        if (stop && *stop)
            return err_set(err, ERR_CANCELLED, "cancelled while %s was locked by another process",
                           dir);
        if (left_ms <= 0)
            return err_set(err, ERR_BUSY, "cannot lock %s: another process has held it for %d ms",
                           dir, wait_ms);
        clock_sleep_ms(POLL_MS);
    }
    return 0;
}

int dir_lock_take(const char *dir, int wait_ms, const volatile bool *stop, struct dir_lock *out,
                  struct err *err)
{
    struct err older = {0};
    int rc = 0;

    *out = DIR_LOCK_NONE;
    out->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out->dir_fd < 0)
        return err_errno(err, ERR_IO, errno, "cannot open %s", dir);
    out->file_fd = open_file(out->dir_fd);
    if (out->file_fd < 0)
        rc = err_errno(err, ERR_IO, errno, "cannot open %s/" DIR_LOCK_FILE, dir);
    if (rc == 0)
        rc = wait_for(out->file_fd, dir, wait_ms, stop, err);
    if (rc == 0 && wait_for(out->dir_fd, dir, wait_ms < OLDER_MS ? wait_ms : OLDER_MS, stop,
                            &older) == ERR_CANCELLED)
        rc = err_set(err, ERR_CANCELLED, "%s", older.text);
    if (rc)
        dir_lock_release(out);
    return rc;
}

int dir_lock_sync(const struct dir_lock *l, const char *dir, struct err *err)
{
    int error = sync_bytes(l->dir_fd);

    return error ? err_errno(err, ERR_IO, error, "cannot write %s to disk", dir) : 0;
}

bool dir_lock_is_held(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (fd >= 0)
        close(fd);
    return held;
}

void dir_lock_release(struct dir_lock *l)
{
    if (l->file_fd >= 0)
        close(l->file_fd);
    if (l->dir_fd >= 0)
        close(l->dir_fd);
    *l = DIR_LOCK_NONE;
}
