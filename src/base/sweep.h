/*
 * sweep.h - the half-written copies that path_create_beside leaves beside a file when its process
 * is killed, or the machine loses its power: "keys.rbee.tmp-4711". They hold what the file holds,
 * keys too. Earlier versions left "keys.tmp-4711".
 */
#ifndef RBEE_BASE_SWEEP_H
#define RBEE_BASE_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

#define SWEEP_OLD_S 3600 /* as old is what is deleted where others write */

/* The name of a copy of the file at `path`; that of a long one is cut, so that it can be a name.
 * free(); NULL without memory. */
char *sweep_name(const char *path, uint64_t digits);

/* Does a name end as theirs do? */
bool sweep_is_copy(const char *name);

/* Deletes those of the file at `path`. Only within rbee's own folders, and for who keeps all others
 * from writing it just then. */
void sweep_copies(const char *path);

/*
 * In folders of a person's, where other programs have files too, and others may be exporting to:
 * whoever makes such a copy holds it. Deleted are those with our name that are this user's, that
 * nothing was written to for SWEEP_OLD_S, and that nobody holds; none on a file system without
 * locks. `ended` (NULL is fine) is told each. sweep_hold says false when it was deleted between its
 * making and this call. The descriptor's end lets go.
 */
bool sweep_hold(int fd);
void sweep_abandoned(const char *path, void (*ended)(const char *path));

#endif
