/*
 * sync.h - what is written comes to the disk, and what cannot come there is not read as if it had.
 *
 * Where bytes do not get to the disk (it fails, a thin volume is full), Linux says so once, to the
 * fsync, and from then on takes the pages for clean: whoever reads the file gets what was written,
 * as long as memory is left, and the next fsync finds nothing to do (fsync(2), ERRORS; PostgreSQL's
 * "Fsync Errors", 2018). So after a failure, and where the disk itself is in question, what memory
 * holds of the file is let go, and the next reader sees what is there. Blocks; no state.
 */
#ifndef RBEE_BASE_SYNC_H
#define RBEE_BASE_SYNC_H

/* The file's bytes, or the folder's names, are on the disk: 0, or the errno why they are not. A
 * file system that has no sync for it (one that is only read; vboxsf and 9p of folders) does not
 * fail. */
int sync_bytes(int fd);
/* What is read of it from now on comes from the disk; but for what is mapped, or not written yet.
 */
void sync_forget(int fd);

#endif
