/*
 * lease.h - the pipe whose other end only the hive holds: when it ends, so does the worker, be the
 * hive's end what it may. The loop's part is in lifecycle.c.
 */
#ifndef RBEE_WORKER_SANDBOX_LEASE_H
#define RBEE_WORKER_SANDBOX_LEASE_H

#include <stdbool.h>

/* The kernel is told to kill this process when the lease ends, if it can. */
void lease_bind(int fd);

/* Can a kernel of this release ("5.4.0-150-generic") be told? Before Linux 5.6 a pipe signals each
 * close of one of its files, not the last of the other side's alone (fs/pipe.c, pipe_release): the
 * end of one worker would kill all the others. */
bool lease_kernel_can(const char *release);

#endif
