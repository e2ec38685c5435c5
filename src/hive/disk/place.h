/*
 * place.h - brings a file that is here already to where it is to be, if possible without a copy.
 *
 * No byte of the source is changed. A copy has no right that the source's mode has not; a link has
 * its very mode: who must not look into the source's folder must not into the destination's either.
 * What comes last is one rename or one link, so that at the destination there is nothing or the
 * whole file. Any thread. Source: ioctl_ficlone(2), link(2), copy_file_range(2).
 */
#ifndef RBEE_HIVE_DISK_PLACE_H
#define RBEE_HIVE_DISK_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum place_wish {
    PLACE_SHARE, /* the first that works: reflink, hard link, reference */
    PLACE_WHOLE, /* reflink, hard link, copy: usable when the disk goes elsewhere */
    PLACE_COPY,  /* reflink or copy: shares no file with the source */
    PLACE_MOVE   /* the source's name is gone afterwards */
};

enum place_how { PLACED_REFLINK, PLACED_HARD_LINK, PLACED_REFERENCE, PLACED_COPY, PLACED_MOVE };

/* "reflink", "hard link", "reference in place", "copy", "move". */
const char *place_how_text(enum place_how how);

struct file_mark;

struct place_watch {
    /* Told while bytes are copied, unless NULL; returns true to give up. */
    bool (*copied)(void *arg, uint64_t n_more);
    void *arg;
    /* The source as it was when its digest was taken (NULL: when it is opened): a copy of anything
     * else gets no name. */
    const struct file_mark *was;
};

/*
 * `from` is the full path of a regular file, links resolved; the folder of `to` is there, and `to`
 * is not (ERR_CONFLICT, as for a source that changed while it was copied). Two may bring one file
 * to one place: the first to be done does. `watch` may be NULL. ERR_NO_SPACE, ERR_DENIED, ERR_IO,
 * ERR_CANCELLED.
 */
int place_file(const char *from, const char *to, enum place_wish wish,
               const struct place_watch *watch, enum place_how *how, struct err *err);

/* What deleting the name gives back to the disk: nothing for a link, or while another name is left.
 */
uint64_t place_freed_by(const char *path);

#endif
