/*
 * logrotate.h - keeps a log that another process appends to within bounds.
 *
 * The writer keeps its descriptor (O_APPEND), so the file is copied to PATH.1 and emptied; older
 * ones move on to PATH.2 ... and the last goes. What is written between the copy and the emptying
 * is lost. Between two checks a log can grow past its size; LOGROTATE_HARD_BYTES is what the kernel
 * lets a worker write at all (RLIMIT_FSIZE): behind it lines are lost until the next check.
 */
#ifndef RBEE_HIVE_DISK_LOGROTATE_H
#define RBEE_HIVE_DISK_LOGROTATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LOGROTATE_BYTES      (4u << 20) /* of a worker's log */
#define LOGROTATE_KEPT       3          /* older pieces of it */
#define LOGROTATE_HARD_BYTES (4 * LOGROTATE_BYTES)

/* Rotates when the file has more than max_bytes. No file is no error. ERR_IO, ERR_NO_SPACE: it
 * could not be opened and is as it was, or its piece could not be written, and it was emptied all
 * the same. */
int logrotate_check(const char *path, uint64_t max_bytes, unsigned kept, bool *rotated,
                    struct err *err);

/* The log and its older pieces. */
void logrotate_remove(const char *path, unsigned kept);

#endif
