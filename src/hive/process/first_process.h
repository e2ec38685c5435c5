/*
 * first_process.h - the hive as process 1, in a container without an init of its own.
 *
 * The kernel gives process 1 every process whose parent has ended. The hive waits for the processes
 * that it has started, each by its pidfd; those it would never reap, and each keeps a number. So
 * process 1 does only that, and the hive is its child.
 */
#ifndef RBEE_HIVE_PROCESS_FIRST_PROCESS_H
#define RBEE_HIVE_PROCESS_FIRST_PROCESS_H

/*
 * In process 1 it returns in a child of it, which goes on as the hive; process 1 hands signals on
 * to that, reaps, and exits as it does (128 and the signal's number when it was killed). Elsewhere,
 * and where no process can be had, nothing happens. Before any thread is made and anything is held.
 */
void first_process_leave(void);

#endif
