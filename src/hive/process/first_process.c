/* first_process.c - see first_process.h. Source: pid_namespaces(7). */
#include "hive/process/first_process.h"

#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED_CODE 128 /* as shells tell it */

/* Returns when there is nothing to reap; ends when it was the hive. */
static void reap(pid_t hive)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == hive)
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : KILLED_CODE + WTERMSIG(status));
}

/* A terminal's Ctrl+C comes to both already; its end (SIGHUP) only to the first. */
static void hand_on(const siginfo_t *info, pid_t hive)
{
    if (info->si_signo != SIGCHLD && (info->si_code != SI_KERNEL || info->si_signo == SIGHUP))
        kill(hive, info->si_signo);
}

/* All signals are blocked: none that came before this is lost. */
static _Noreturn void wait_for(pid_t hive)
{
    siginfo_t info;
    sigset_t all;

    sigfillset(&all);
    for (;;) {
        reap(hive);
        if (sigwaitinfo(&all, &info) > 0)
            hand_on(&info, hive);
    }
}

void first_process_leave(void)
{
    sigset_t all, before;
    pid_t hive;

    if (getpid() != 1)
        return;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    signal(SIGCHLD, SIG_DFL); /* handed down as ignored, the end of the hive would never be told */
    hive = fork();
    if (hive > 0)
        wait_for(hive);
    sigprocmask(SIG_SETMASK, &before, NULL);
}
