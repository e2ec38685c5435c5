/*
 * sweep.h - the half-written copies that path_write_file leaves beside a file when its process is
 * killed, or the machine loses its power: "keys.tmp-4711". They hold what the file holds, keys too.
 */
#ifndef RBEE_BASE_SWEEP_H
#define RBEE_BASE_SWEEP_H

#include <stdbool.h>

/* Does a name end as theirs do? */
bool sweep_is_copy(const char *name);

/* Deletes those of the file at `path`. Only for who keeps all others from writing it just then. */
void sweep_copies(const char *path);

/*
 * Where others may be writing it: whoever makes such a copy holds it, and those that nobody holds
 * are deleted; none on a file system without locks. False: it was deleted between its making and
 * this call. The descriptor's end lets go.
 */
bool sweep_hold(int fd);
void sweep_abandoned(const char *path);

#endif
