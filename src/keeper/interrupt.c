/* interrupt.c - see interrupt.h. */
#include "keeper/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"

static volatile bool interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    if (interrupted) {
        ssize_t n = write(STDERR_FILENO, "\n", 1); /* the shell's prompt gets a row of its own */

        (void)n;
        _exit(CLI_INTERRUPTED);
    }
    interrupted = true;
}

void interrupt_install(void)
{
    struct sigaction was, now = {.sa_handler = on_interrupt}; /* no SA_RESTART: writes end too */

    sigemptyset(&now.sa_mask);
    if (sigaction(SIGINT, NULL, &was) == 0 && was.sa_handler != SIG_IGN)
        sigaction(SIGINT, &now, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool interrupt_seen(void)
{
    return interrupted;
}

const volatile bool *interrupt_flag(void)
{
    return &interrupted;
}

bool interrupt_sleep_ms(int64_t ms)
{
    int64_t end = clock_ms() + ms;

    for (;;) {
        int64_t left = end - clock_ms();

        if (interrupted)
            return false;
        if (left <= 0)
            return true;
        clock_sleep_ms(left < INTERRUPT_LOOK_MS ? left : INTERRUPT_LOOK_MS);
    }
}
