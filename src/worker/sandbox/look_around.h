/*
 * look_around.h - what libraries would open files for later (CPUs, the time zone, random bytes),
 * looked up while the process may still open any. Before threads.
 */
#ifndef RBEE_WORKER_SANDBOX_LOOK_AROUND_H
#define RBEE_WORKER_SANDBOX_LOOK_AROUND_H

void look_around(void);

#endif
