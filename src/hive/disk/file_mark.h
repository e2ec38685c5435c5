/*
 * file_mark.h - a file as it was when it was looked at: device, number, size, times of its last
 * change. What changed in any way, or was replaced, has another mark. Any thread.
 */
#ifndef RBEE_HIVE_DISK_FILE_MARK_H
#define RBEE_HIVE_DISK_FILE_MARK_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

/* A file changed less than this ago might change again without its times telling. */
#define FILE_MARK_SETTLED_MS 1000

struct file_mark {
    dev_t device;
    ino_t number;
    off_t size_bytes;
    struct timespec modified, changed;
};

/* What the system says of a file; false when it is not there. */
bool file_mark_of(const char *path, struct file_mark *out);
bool file_mark_of_open(int fd, struct file_mark *out);
bool file_mark_same(const struct file_mark *a, const struct file_mark *b);
/* One file, with the same bytes. Its name, its owner and who may read it can be others: so a model
 * that moved is the same. */
bool file_mark_same_bytes(const struct file_mark *a, const struct file_mark *b);
/* Has it not changed so lately that its mark might hold for other bytes, too? */
bool file_mark_is_settled(const struct file_mark *m);

#endif
