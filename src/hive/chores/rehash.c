/* rehash.c - see rehash.h. */
#include "hive/chores/rehash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sync.h"

#define SLICE_BYTES (1u << 20)

static struct file_mark mark_of(const struct stat *st)
{
    return (struct file_mark){st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
}

/* A new link to the file changes the time of its change, but not its bytes: that is not looked at.
 */
static bool is_same(const struct file_mark *a, const struct file_mark *b)
{
    return a->device == b->device && a->number == b->number && a->size_bytes == b->size_bytes &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

int rehash_same(const char *path, const struct file_mark *mark, struct err *err)
{
    struct file_mark now;
    struct stat st;

    if (stat(path, &st) == 0) {
        now = mark_of(&st);
        if (is_same(&now, mark))
            return 0;
    }
    return err_set(err, ERR_CONFLICT,
                   "%s changed while it was read; try again when nothing writes "
                   "to it",
                   path);
}

static int put_all(int fd, const char *path, struct digest *d, struct chore *c, struct err *err)
{
    unsigned char *slice = malloc(SLICE_BYTES);
    int rc = slice ? 0 : err_no_memory(err, SLICE_BYTES, "hashing");
    ssize_t n = 1;

    while (rc == 0 && n != 0) {
        n = read(fd, slice, SLICE_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = err_errno(err, ERR_IO, errno, "cannot read %s", path);
        else
            digest_put(d, slice, (size_t)n);
        if (rc == 0 && chore_count(c, (uint64_t)n))
            rc = err_set(err, ERR_CANCELLED, "the reading of %s was given up", path);
    }
    free(slice);
    return rc;
}

static int rehash(const char *path, bool from_disk, struct chore *c,
                  char sha256[DIGEST_SHA256_BYTES], struct file_mark *mark, struct err *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), rc = 0;
    struct digest *d = fd < 0 ? NULL : digest_create(); /* which has its own errno */
    struct file_mark before;
    struct stat st;

    if (fd < 0)
        rc = err_errno(err,
                       errno == ENOENT   ? ERR_NOT_FOUND
                       : errno == EACCES ? ERR_DENIED
                                         : ERR_IO,
                       errno, "cannot read %s", path);
    else if (!d)
        rc = err_no_memory(err, 256, "hashing");
    else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        rc = err_set(err, ERR_CONFLICT, "%s is not a regular file", path);
    else if (from_disk)
        sync_forget(fd);
    if (rc == 0)
        rc = put_all(fd, path, d, c, err);
    if (rc == 0) {
        before = mark_of(&st);
        digest_end(d, sha256);
        rc = rehash_same(path, &before, err);
        if (mark)
            *mark = before;
    }
    digest_free(d);
    if (fd >= 0)
        close(fd);
    return rc;
}

int rehash_file(const char *path, struct chore *c, char sha256[DIGEST_SHA256_BYTES],
                struct file_mark *mark, struct err *err)
{
    return rehash(path, false, c, sha256, mark, err);
}

int rehash_disk(const char *path, struct chore *c, char sha256[DIGEST_SHA256_BYTES],
                struct file_mark *mark, struct err *err)
{
    return rehash(path, true, c, sha256, mark, err);
}
