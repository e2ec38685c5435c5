/*
 * stacks.c - see stacks.h. One thread writes at a time, so that stacks do not mix; the others sleep
 * a little and look again, as no lock may be taken (nanosleep is async-signal-safe).
 */
#include "worker/sandbox/stacks.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define NAME_BYTES 16 /* of a thread, its NUL included: prctl(2) */
#define LOOK_NS    1000000
#define LOOKS_MAX  200 /* somebody died within: write all the same */

static atomic_flag writing = ATOMIC_FLAG_INIT;

static void put(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return; /* there is nobody to be told */
}

static void on_quit(int signal_number)
{
    void *calls[STACKS_DEPTH];
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    char name[NAME_BYTES] = "";
    int before = errno, n = backtrace(calls, STACKS_DEPTH);

    (void)signal_number;
    for (int i = 0; i < LOOKS_MAX && atomic_flag_test_and_set(&writing); i++)
        nanosleep(&pause, NULL);
    prctl(PR_GET_NAME, name);
    put("stack of thread ");
    put(name);
    put(":\n");
    backtrace_symbols_fd(calls, n, STDERR_FILENO);
    atomic_flag_clear(&writing);
    errno = before;
}

/* Several threads may come to the same place at once; none ends the process before its line is
 * written. What another process sent tells nothing of the file. */
static void on_bus(int signal_number, siginfo_t *info, void *where)
{
    (void)where;
    if (info->si_code > 0)
        put("SIGBUS: the model's file was cut, or cannot be read any more, while it is mapped\n");
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void stacks_install(void)
{
    struct sigaction action = {.sa_handler = on_quit, .sa_flags = SA_RESTART};
    struct sigaction bus = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
    void *first[1];

    backtrace(first, 1); /* the first call loads a library */
    sigfillset(&action.sa_mask);
    sigaction(SIGQUIT, &action, NULL);
    sigaction(SIGBUS, &bus, NULL);
}
