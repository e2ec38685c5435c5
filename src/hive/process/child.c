/*
 * child.c - see child.h.
 *
 * Between fork and exec only async-signal-safe calls are made: other threads of the hive (name
 * look-ups, hashing) may hold any lock at that moment. Whether exec worked comes back through a
 * pipe that exec closes.
 */
#include "hive/process/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define FD_FLOOR    CHILD_FDS_MAX /* where descriptors are parked, out of the way of the child's */
#define EXIT_NO_RUN 127           /* the shell's exit code for "cannot run it" */

/* What the child needs, all of it made before fork. */
struct plan {
    const struct child_params *params;
    int fds[CHILD_FDS_MAX]; /* parked copies, all from FD_FLOOR on */
    int report;             /* write end: errno of a failed exec */
    pid_t parent;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void done_plan(struct plan *p)
{
    for (size_t i = 0; i < CHILD_FDS_MAX; i++)
        close_fd(&p->fds[i]);
    close_fd(&p->report);
}

static int no_descriptor(struct err *err, int why, const char *what)
{
    struct rlimit limit;

    if (why != EMFILE || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_errno(err, ERR_IO, why, "cannot make %s for a new process", what);
    return err_set(err, ERR_IO,
                   "cannot make %s for a new process: the hive may have %llu open files, and has "
                   "them; `ulimit -n` where it is started, or LimitNOFILE of its service, allows "
                   "more",
                   what, (unsigned long long)limit.rlim_cur);
}

static int park(int fd, int *out, struct err *err)
{
    int source = fd >= 0 ? fd : open("/dev/null", O_RDWR | O_CLOEXEC), error;

    *out = source >= 0 ? fcntl(source, F_DUPFD_CLOEXEC, FD_FLOOR) : -1;
    error = errno;
    if (fd < 0)
        close_fd(&source);
    if (*out < 0)
        return no_descriptor(err, error, "a descriptor");
    return 0;
}

static int make_plan(const struct child_params *params, struct plan *p, int *report_read,
                     struct err *err)
{
    int pipe_fds[2] = {-1, -1}, rc = 0;

    BUG_ON(params->n_fds < 3 || params->n_fds > CHILD_FDS_MAX);
    *p = (struct plan){.params = params, .report = -1, .parent = getpid()};
    for (size_t i = 0; i < CHILD_FDS_MAX; i++)
        p->fds[i] = -1;
    for (size_t i = 0; i < params->n_fds && rc == 0; i++)
        rc = park(params->fds[i], &p->fds[i], err);
    if (rc == 0 && pipe2(pipe_fds, O_CLOEXEC) != 0)
        rc = no_descriptor(err, errno, "a pipe");
    if (rc == 0)
        rc = park(pipe_fds[1], &p->report, err);
    close_fd(&pipe_fds[1]);
    *report_read = pipe_fds[0];
    if (rc) {
        close_fd(report_read);
        done_plan(p);
    }
    return rc;
}

static void reset_signals(void)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        sigaction(i, &by_default, NULL); /* fails for those that cannot be handled anyway */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Runs in the child; async-signal-safe calls only. */
static _Noreturn void become(const struct plan *p)
{
    const struct child_params *params = p->params;
    int error;

    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != p->parent)
        _exit(EXIT_NO_RUN); /* the hive went before the kernel was told */
    for (size_t i = 0; i < params->n_fds; i++)
        if (dup2(p->fds[i], (int)i) < 0)
            _exit(EXIT_NO_RUN);
    /* Everything is O_CLOEXEC already; this is for what a library forgot. */
    syscall(SYS_close_range, (unsigned)params->n_fds, ~0u, CLOSE_RANGE_CLOEXEC);
    reset_signals();
    execve(params->path, (char *const *)(uintptr_t)params->argv,
           (char *const *)(uintptr_t)params->envp);
    error = errno;
    if (write(p->report, &error, sizeof error) < 0)
        _exit(EXIT_NO_RUN);
    _exit(EXIT_NO_RUN);
}

/*
 * Born in its cgroup: a process that is moved there later makes whoever moves it wait until all
 * CPUs have been idle or switched (10 to 30 ms of the loop, each time), and has used memory
 * elsewhere. The hive's page tables are copied for it, under a millisecond; they would not be with
 * CLONE_VM, which needs a stack and assembly. Linux 5.7; -1 where it is refused, in containers by
 * seccomp.
 */
static pid_t fork_into(const struct plan *p)
{
    struct clone_args args = {.flags = CLONE_INTO_CGROUP,
                              .exit_signal = SIGCHLD,
                              .cgroup = (uint64_t)p->params->cgroup_fd};

    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

/*
 * The child borrows our memory until it has become the program: page tables are not copied, which
 * for a hive takes longer than the exec, and `become` changes nothing of ours but errno.
 */
static pid_t fork_beside(const struct plan *p)
{
    pid_t pid = vfork();

    if (pid == 0)
        become(p);
    return pid;
}

/* With every signal blocked, so that no handler of ours runs in the child. Its pid, or -1. */
static pid_t fork_quietly(const struct plan *p, bool *in_cgroup)
{
    sigset_t all, before;
    pid_t pid = -1;
    int fork_errno;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (p->params->cgroup_fd >= 0)
        pid = fork_into(p);
    if (pid == 0)
        become(p);
    *in_cgroup = pid > 0;
    if (pid < 0)
        pid = fork_beside(p);
    fork_errno = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = fork_errno;
    return pid;
}

/* 0 when exec worked, else its errno. */
static int read_report(int fd)
{
    int error = 0;
    ssize_t n;

    do
        n = read(fd, &error, sizeof error);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof error ? error : 0;
}

int child_start(const struct child_params *params, struct child *out, struct err *err)
{
    struct plan plan;
    int report, error, rc = make_plan(params, &plan, &report, err);

    if (rc)
        return rc;
    *out = (struct child){.pidfd = -1};
    out->pid = fork_quietly(&plan, &out->in_cgroup);
    error = out->pid < 0 ? errno : 0;
    done_plan(&plan);
    if (out->pid < 0) {
        close(report);
        return err_errno(err, error == ENOMEM ? ERR_NO_MEMORY : ERR_IO, error,
                         "cannot start a process for %s", params->path);
    }
    error = read_report(report);
    close(report);
    if (error) {
        waitpid(out->pid, NULL, 0);
        return err_errno(err,
                         error == ENOENT   ? ERR_NOT_FOUND
                         : error == EACCES ? ERR_DENIED
                                           : ERR_IO,
                         error, "cannot run %s", params->path);
    }
    out->pidfd = pidfd_open(out->pid, 0);
    if (out->pidfd >= 0)
        return 0;
    error = errno;
    kill(out->pid, SIGKILL);
    waitpid(out->pid, NULL, 0);
    return err_errno(err, ERR_IO, error, "cannot watch the process of %s", params->path);
}

void child_signal(struct child *c, int signal_number)
{
    if (c->pidfd < 0)
        return;
    pidfd_send_signal(c->pidfd, signal_number, NULL, 0);
    if (signal_number == SIGKILL && c->killed_ms == 0)
        c->killed_ms = clock_ms();
}

bool child_has_ended(const struct child *c, int64_t wait_ms)
{
    struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
    int64_t until = clock_ms() + wait_ms, left = wait_ms;
    int n;

    do
        n = poll(&p, 1, left > 0 ? (int)left : 0);
    while (n < 0 && errno == EINTR && (left = until - clock_ms()) > 0);
    return n > 0;
}

struct child_end child_reap(struct child *c)
{
    struct child_end end = {.code = CHILD_END_UNKNOWN};
    siginfo_t info = {0};

    /* si_pid stays 0 where a debugger has it still. */
    if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
        end.by_signal = info.si_code != CLD_EXITED;
        end.code = info.si_status;
    }
    close_fd(&c->pidfd);
    return end;
}

const char *child_end_text(const struct child_end *end, char *dst, size_t dst_size)
{
    const char *name = end->by_signal ? sigabbrev_np(end->code) : NULL;

    if (end->code == CHILD_END_UNKNOWN)
        snprintf(dst, dst_size, "an end that the system does not tell");
    else if (!end->by_signal)
        snprintf(dst, dst_size, "exit code %d", end->code);
    else if (name)
        snprintf(dst, dst_size, "signal SIG%s (%s)", name, sigdescr_np(end->code));
    else
        snprintf(dst, dst_size, "signal %d", end->code);
    return dst;
}
