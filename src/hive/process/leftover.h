/*
 * leftover.h - processes that nobody needs any more, and that may not die at once.
 *
 * A process that waits for a disk or a filesystem (sshfs, NFS, a drive that fails) does not die of
 * SIGKILL before that has answered: in minutes, or never. The loop must not wait for it. Loop
 * thread only.
 */
#ifndef RBEE_HIVE_PROCESS_LEFTOVER_H
#define RBEE_HIVE_PROCESS_LEFTOVER_H

#include "hive/process/child.h"

struct event_base;

/* Kills the child and takes its pidfd over: it is reaped from the loop when it has ended, and by
 * the system when the hive ends first. Returns at once. Without a pidfd nothing happens. */
void leftover_leave(struct event_base *base, struct child *c);

#endif
