/*
 * sandbox.h - a process gives up every right that it does not need to compute.
 *
 * Called once, in the only thread there is, when all that will be needed is open (the model's
 * files, the listening socket, pipes) and before a byte of a model is read. From then on, for the
 * process and every thread it starts:
 *
 *   files        none can be opened, made, changed or removed (Landlock; seccomp)
 *   network      no socket, no bind, no connect; connections that come to the listening socket
 *                are accepted (seccomp; Landlock's rules for TCP)
 *   processes    no fork, no exec, no signal to another process (seccomp; Landlock's scopes)
 *   memory       none that can be executed is made (seccomp)
 *   the rest     what is no part of serving answers EPERM; what only an intruder asks for (ptrace,
 *                mount, bpf, keys, kernel modules ...) ends the process with SIGSYS
 *   beside it    no_new_privs, no capabilities, no core dumps, nothing to read in /proc by others
 *                of the same user, umask 077, no environment but TZ, no inherited descriptor but
 *                0, 1, 2 and those named
 *
 * What a kernel does not know is left out and shows in the level (api/sandbox.h). Landlock needs
 * Linux 5.13; seccomp's filter is made for x86-64 and AArch64.
 *
 * Sources: the kernel's userspace-api/landlock.rst and seccomp_filter.rst; landlock(7), seccomp(2).
 */
#ifndef RBEE_WORKER_SANDBOX_SANDBOX_H
#define RBEE_WORKER_SANDBOX_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include "api/sandbox.h"
#include "base/err.h"

/* A file that the process writes to (its log) grows to this size at most. */
#define SANDBOX_LOG_MAX (1ull << 30)

enum sandbox_mode {
    SANDBOX_MODE_AUTO, /* as far as the kernel goes */
    SANDBOX_MODE_OFF,
    SANDBOX_MODE_REQUIRED /* whole, or an error */
};

/* "auto", "off", "required"; NULL is auto. ERR_INVALID. */
int sandbox_mode_from(const char *name, enum sandbox_mode *out, struct err *err);
#define SANDBOX_MODE_HELP "auto (default: as far as the kernel goes), required or off"

struct sandbox_rules {
    enum sandbox_mode mode;
    const int *keep; /* inherited descriptors that stay besides 0, 1 and 2; below 0: none */
    size_t n_keep;
    /* limits; 0 = as they are */
    uint64_t file_max; /* bytes of a file written to */
    uint64_t data_max; /* bytes of memory, without what is mapped from files */
    uint64_t cpu_s;    /* seconds of computing */
};

/*
 * *out tells how far it went. ERR_UNSUPPORTED when the mode is REQUIRED and that is not all the
 * way: the process has given up what it could and should end.
 */
int sandbox_enter(const struct sandbox_rules *rules, struct sandbox_level *out, struct err *err);

/* Takes a variable out of the environment and wipes it where the process began with it. */
void sandbox_forget(const char *variable);

#endif
