/* interrupt.c - see interrupt.h. */
#include "keeper/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"

static volatile bool interrupted;
static volatile sig_atomic_t n_interrupts;
static volatile sig_atomic_t n_to_end = 2; /* the how many-th ends the process */

static const int ends[] = {SIGTERM, SIGHUP, SIGQUIT};
#define N_ENDS (sizeof ends / sizeof ends[0])
static struct sigaction before[N_ENDS];
static volatile sig_atomic_t end_signal; /* the one that came while it was put off, 0 = none */

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    n_interrupts = n_interrupts + 1;
    if (n_interrupts >= n_to_end) {
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

static void on_end(int signal_number)
{
    end_signal = signal_number;
}

void interrupt_put_off_end(void)
{
    struct sigaction later = {.sa_handler = on_end}; /* no SA_RESTART: waits end */

    sigemptyset(&later.sa_mask);
    for (size_t i = 0; i < N_ENDS; i++)
        if (sigaction(ends[i], NULL, &before[i]) == 0 && before[i].sa_handler != SIG_IGN)
            sigaction(ends[i], &later, NULL);
}

void interrupt_take_end(void)
{
    for (size_t i = 0; i < N_ENDS; i++)
        sigaction(ends[i], &before[i], NULL);
    if (end_signal)
        raise(end_signal);
    end_signal = 0;
}

bool interrupt_end_wanted(void)
{
    return end_signal != 0;
}

void interrupt_session(void)
{
    n_to_end = INTERRUPT_SESSION_END;
}

void interrupt_clear(void)
{
    interrupted = false;
    n_interrupts = 0;
}

bool interrupt_seen(void)
{
    return interrupted;
}

bool interrupt_repeated(void)
{
    return n_interrupts > 1;
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
