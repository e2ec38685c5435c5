/* file_mark.c - see file_mark.h. */
#include "hive/disk/file_mark.h"

#include <stdint.h>
#include <sys/stat.h>

#include "base/clock.h"

bool file_mark_of(const char *path, struct file_mark *out)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return false;
    *out = (struct file_mark){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
    return true;
}

bool file_mark_of_open(int fd, struct file_mark *out)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    *out = (struct file_mark){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
    return true;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool file_mark_same_bytes(const struct file_mark *a, const struct file_mark *b)
{
    return a->device == b->device && a->number == b->number && a->size_bytes == b->size_bytes &&
           same_time(&a->modified, &b->modified);
}

bool file_mark_same(const struct file_mark *a, const struct file_mark *b)
{
    return file_mark_same_bytes(a, b) && same_time(&a->changed, &b->changed);
}

bool file_mark_is_settled(const struct file_mark *m)
{
    int64_t changed_ms = clock_unix_ms_of(&m->changed);

    return changed_ms + FILE_MARK_SETTLED_MS < clock_unix_ms();
}
