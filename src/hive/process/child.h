/*
 * child.h - starting a program so that it inherits only what it should and never outlives the hive.
 *
 * The child gets exactly the descriptors and the environment that are named, a session of its own
 * (a Ctrl+C at the hive's terminal is not its business), default signals, and SIGKILL from the
 * kernel when the thread that started it ends. That thread must therefore be the main one. Linux:
 * pidfd, prctl, close_range, clone3.
 */
#ifndef RBEE_HIVE_PROCESS_CHILD_H
#define RBEE_HIVE_PROCESS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define CHILD_FDS_MAX     8
#define CHILD_END_UNKNOWN (-1) /* the kernel did not tell how it ended */

struct child_params {
    const char *path;        /* of the program; not looked up */
    const char *const *argv; /* NULL behind the last */
    const char *const *envp; /* the whole environment, NULL behind the last */
    int fds[CHILD_FDS_MAX];  /* fds[i] becomes the child's descriptor i; -1 = /dev/null */
    size_t n_fds;            /* at least 3 */
    int cgroup_fd;           /* the folder of a cgroup it is to be born in; -1 = the hive's own */
};

struct child {
    pid_t pid;
    int pidfd;      /* readable once the process has ended; -1 = none */
    bool in_cgroup; /* false, too, where the kernel does not take cgroup_fd: it runs all the same */
    int64_t killed_ms; /* when SIGKILL was first sent (clock_ms); 0 = it was not */
};

struct child_end {
    bool by_signal;
    int code; /* the signal's number or the exit code; CHILD_END_UNKNOWN */
};

/*
 * 0 once the program runs. ERR_NOT_FOUND, ERR_DENIED or ERR_IO when it cannot be run (the text
 * names it), ERR_IO, ERR_NO_MEMORY when no process can be had. The descriptors given stay the
 * caller's.
 */
int child_start(const struct child_params *params, struct child *out, struct err *err);

/* Nothing happens when it has ended already. SIGKILL ends it some time later: a process that waits
 * for a disk or a filesystem dies when that has answered, which may be never. */
void child_signal(struct child *c, int signal_number);

/* Has it ended? Waits for that, at most so long. */
bool child_has_ended(const struct child *c, int64_t wait_ms);

/* How it ended, once it has; gives the pidfd back. Never waits: for one that may live see
 * leftover.h. */
struct child_end child_reap(struct child *c);

/* "exit code 1", "signal SIGSEGV (Segmentation fault)"; dst_size >= 64. Returns dst. */
const char *child_end_text(const struct child_end *end, char *dst, size_t dst_size);

#endif
