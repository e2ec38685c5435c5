/*
 * rehash.h - the digest of a file on disk, as a chore's step tells of it; and whether the file is
 * still the one that was read. From a step's thread.
 */
#ifndef RBEE_HIVE_CHORES_REHASH_H
#define RBEE_HIVE_CHORES_REHASH_H

#include "hive/chores/chore.h"
#include "hive/disk/digest.h"
#include "hive/disk/file_mark.h"

/*
 * Reads the whole file. ERR_NOT_FOUND, ERR_DENIED, ERR_IO, ERR_CANCELLED; ERR_CONFLICT when it is
 * no regular file (a pipe is not waited for), or changed meanwhile. *mark (may be NULL) is what the
 * system says of it.
 */
int rehash_file(const char *path, struct chore *c, char sha256[DIGEST_SHA256_BYTES],
                struct file_mark *mark, struct err *err);
/* The same of what the disk has, though memory may hold the file (sync.h). */
int rehash_disk(const char *path, struct chore *c, char sha256[DIGEST_SHA256_BYTES],
                struct file_mark *mark, struct err *err);

/* ERR_CONFLICT when the file is not as it was at that mark. */
int rehash_same(const char *path, const struct file_mark *mark, struct err *err);

#endif
