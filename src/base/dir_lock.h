/*
 * dir_lock.h - the lock of a folder, which programs of rbee take to change files in it.
 *
 * It is on a file of the folder's, .lock (0600), and not on the folder: who may read that, as
 * others of the machine may where a person has made it so, could lock it for ever, and with it keep
 * keys from being revoked. The folder's own lock is taken besides, as early versions knew no other,
 * but not waited for long. Blocks; no state.
 */
#ifndef RBEE_BASE_DIR_LOCK_H
#define RBEE_BASE_DIR_LOCK_H

#include <stdbool.h>

#include "base/err.h"

#define DIR_LOCK_FILE ".lock"

struct dir_lock {
    int file_fd, dir_fd;
};
#define DIR_LOCK_NONE ((struct dir_lock){-1, -1})

/*
 * ERR_BUSY when another has it for longer than wait_ms, ERR_CANCELLED when *stop is true meanwhile
 * (stop may be NULL), ERR_IO; *out is DIR_LOCK_NONE then.
 */
int dir_lock_take(const char *dir, int wait_ms, const volatile bool *stop, struct dir_lock *out,
                  struct err *err);
/* The folder's entries are on the disk: no power cut brings back what was replaced or removed. */
int dir_lock_sync(const struct dir_lock *l, const char *dir, struct err *err);
void dir_lock_release(struct dir_lock *l); /* DIR_LOCK_NONE is fine */

/* Does a process hold the lock of that file, as a hive does of its home's? Says so without keeping
 * one from having it; false for a file that is not there or cannot be opened. */
bool dir_lock_is_held(const char *path);

#endif
