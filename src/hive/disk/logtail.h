/* logtail.h - the last lines of a log. Any thread. */
#ifndef RBEE_HIVE_DISK_LOGTAIL_H
#define RBEE_HIVE_DISK_LOGTAIL_H

#include "base/buf.h"
#include "base/err.h"

#define LOGTAIL_BYTES_MAX (256u << 10) /* looked at, from the end backwards */

/*
 * Puts the last n_lines lines (each with its newline) of the file to `out`: as many as fit, of a
 * last one that does not fit its end. What it lacks since it was last emptied (logrotate.h) comes
 * from its older piece. ERR_NOT_FOUND, ERR_IO, ERR_NO_MEMORY.
 */
int logtail_read(const char *path, size_t n_lines, struct buf *out, struct err *err);

#endif
