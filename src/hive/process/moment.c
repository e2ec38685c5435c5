/* moment.c - see moment.h. No state. */
#include "hive/process/moment.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fds.h"

static _Noreturn void run(pid_t parent, int (*look)(const void *arg), const void *arg, int answer)
{
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || (answer >= 0 && dup2(answer, 0) < 0))
        _exit(1);
    fds_close_from(answer >= 0 ? 1 : 0);
    _exit(look(arg));
}

/* fork, but with its pidfd or not at all: one that could not be watched could not be waited for,
 * either, as it may hang. Source: clone(2), whose first three arguments are the same everywhere. */
static pid_t fork_watched(int *pidfd)
{
    return (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, pidfd, NULL, NULL);
}

int moment_start(int (*look)(const void *arg), const void *arg, int answer, struct child *out,
                 struct err *err)
{
    pid_t parent = getpid(), pid;
    sigset_t all, before;
    int pidfd = -1, error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork_watched(&pidfd);
    error = errno;
    if (pid == 0)
        run(parent, look, arg, answer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        return err_errno(err, ERR_IO, error, "no process can be had that looks");
    *out = (struct child){.pid = pid, .pidfd = pidfd};
    return 0;
}
