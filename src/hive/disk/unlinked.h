/*
 * unlinked.h - files that have lost their names, and whose bytes the disk does not have back yet.
 *
 * The larger a file, the longer its deletion: whoever lets go of it last waits until what the
 * memory holds of it has been thrown away, 0.2 s a gigabyte. So names go at once, and a helper lets
 * go; an answer that says how much is free now comes behind that.
 */
#ifndef RBEE_HIVE_DISK_UNLINKED_H
#define RBEE_HIVE_DISK_UNLINKED_H

#include <stddef.h>

#define UNLINKED_MAX       512        /* of a model's files; but descriptors are dear: */
#define UNLINKED_SHARE     8          /* no more than one of so many that the process may have */
#define UNLINKED_MIN_BYTES (1u << 20) /* what is smaller goes at once */

struct unlinked { /* all zero: none */
    int fds[UNLINKED_MAX];
    size_t n;
};

/* unlink(2): 0 or errno. A large file is kept open; where that cannot be, or u is NULL, it goes
 * while the caller waits. */
int unlinked_add(struct unlinked *u, const char *path);
/* Lets go of all. */
void unlinked_close(struct unlinked *u);

#endif
