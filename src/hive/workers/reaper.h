/*
 * reaper.h - what an earlier hive of this home may have left behind: found, ended, tidied up.
 *
 * A hive notes each process that it starts for a worker in run/ID.worker, and removes the note when
 * that has ended. A process id alone means nothing a moment later, so a note also has: the id of
 * the machine's boot, the process's start in ticks since then, its program where that can be seen,
 * and the worker's id, which is one of its arguments. Only a process that agrees with all of it is
 * one of ours. It is held by a pidfd before it is looked at, and only the pidfd is signalled: no
 * other process can take its place in between. Linux.
 *
 * A home may be copied while its hive runs, notes and all, and a hive be started on the copy: all
 * of that is true then of the other hive's workers. So a note also names the folder it was written
 * into, by device and inode; one that lies elsewhere is a copy, and tells of nothing of ours. One
 * of the first version names none: nothing is ended by it. One of a later version is kept for the
 * hive that wrote it. What still lives by them is told in the log.
 */
#ifndef RBEE_HIVE_WORKERS_REAPER_H
#define RBEE_HIVE_WORKERS_REAPER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define REAPER_WAIT_MS 1000 /* for those that were killed to be gone */

/* Notes a child that runs, with the cgroup it is in ("" = none of its own); pid 0: that cgroup,
 * which is about to be made, and a child in it. A later note takes the place of an earlier one. */
int reaper_note(const char *run_dir, const char *worker_id, pid_t pid, const char *cgroup,
                struct err *err);
void reaper_forget(const char *run_dir, const char *worker_id);

/*
 * At a start, with the home's lock held: kills what the notes tell of and still lives, waits until
 * it is gone, and removes the notes, and those that were copied here. What does not go (it hangs in
 * a disk or a filesystem), or may be ours and is hidden by /proc (mount option hidepid), keeps its
 * note for the next start. How many were killed.
 */
size_t reaper_run(const char *run_dir);

#endif
