/*
 * moment.h - a process of a moment: it asks the kernel one thing that may hang, so that the loop
 * need not. A fork without a program: there is none that every machine has. Linux: clone, pidfd.
 */
#ifndef RBEE_HIVE_PROCESS_MOMENT_H
#define RBEE_HIVE_PROCESS_MOMENT_H

#include "hive/process/child.h"

/*
 * Runs look(arg) in a process of its own, which makes system calls only, keeps none of the hive's
 * connections open, however long it hangs, and ends with what that returns. Its descriptor 0 is
 * `answer` (-1: none). 0 with *out, to be reaped (child.h) or left (leftover.h); ERR_IO, and no
 * process then.
 */
int moment_start(int (*look)(const void *arg), const void *arg, int answer, struct child *out,
                 struct err *err);

#endif
