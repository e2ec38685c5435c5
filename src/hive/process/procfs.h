/*
 * procfs.h - what Linux tells of a process in /proc. Every answer is of a moment; a process that
 * has ended gives -1. Source: proc(5).
 */
#ifndef RBEE_HIVE_PROCESS_PROCFS_H
#define RBEE_HIVE_PROCESS_PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define PROCFS_BOOT_BYTES 37 /* a UUID with its NUL */

#define PROCFS_THREADS_MAX                                                                         \
    1024 /* looked at; a worker has at most 256 that compute, and a dozen                          \
          */

struct procfs_stat {
    char state;   /* R S D T t Z ... of its first thread */
    bool exiting; /* that thread has begun to end, or has ended: no file is closed before */
    uint32_t n_threads;
    uint64_t major_faults;
    uint64_t cpu_ms;      /* of all threads */
    uint64_t start_ticks; /* since boot */
};

int procfs_stat(pid_t pid, struct procfs_stat *out);
/* The line of /proc/PID/stat; -1 when it is none. A name may hold blanks and brackets. */
int procfs_parse_stat(const char *line, struct procfs_stat *out);

/*
 * A process that is looked at for as long as it lives. Where /proc hides processes (mount option
 * hidepid, systemd's ProtectProc=) it hides those that are not dumpable from their own user, too,
 * as workers are from their sandbox on: only files that were opened before still tell.
 */
struct procfs_view;

struct procfs_view *procfs_open(pid_t pid); /* NULL: hidden already, ended, or no descriptors */
void procfs_close(struct procfs_view *v);
int procfs_look(const struct procfs_view *v, struct procfs_stat *out);
/* Bytes that nobody gets before it ends: its own pages, not those of files. */
int procfs_own_bytes(const struct procfs_view *v, uint64_t *out);

/* Of its first PROCFS_THREADS_MAX threads each does the following. */

/* Whether one has the processor or wants it (R), and one waits for a disk (D). */
struct procfs_threads {
    bool runnable, on_disk;
    bool hidden; /* /proc does not tell of any */
};
struct procfs_threads procfs_threads(pid_t pid);

/* A line for each: name, state, the call it waits in where that may be known. */
void procfs_put_threads(pid_t pid, FILE *out);
/* Sends the signal to each by itself, or to the process when /proc hides them. It must be a child
 * not yet reaped. */
void procfs_signal_threads(pid_t pid, int signal_number);

/* Its program's path, or -1. A program that was replaced on disk keeps its path. */
int procfs_exe(pid_t pid, char *dst, size_t dst_size);
bool procfs_has_arg(pid_t pid, const char *arg);

/* Which start of the machine this is; "" where it is not told. */
void procfs_boot_id(char dst[PROCFS_BOOT_BYTES]);

/* How many processes the kernel has killed for want of memory since boot; -1: it is not told, or
 * cannot be read now. */
int64_t procfs_oom_kills(void);

#endif
