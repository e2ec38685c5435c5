/* interrupt.c - see interrupt.h. */
#include "keeper/shell/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"

static volatile bool interrupted;
static volatile sig_atomic_t n_interrupts;
static volatile sig_atomic_t n_to_end = 2; /* the how many-th ends the process */

static const int stops[] = {SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define N_STOPS (sizeof stops / sizeof stops[0])
static struct sigaction before[N_STOPS];
static volatile sig_atomic_t end_signal; /* the one that came while it was put off, 0 = none */

static volatile sig_atomic_t styled;      /* stdout's terminal shows things otherwise */
static volatile sig_atomic_t stop_wanted; /* Ctrl+Z, while it was put off */

/* To a terminal that takes something: one that is stopped (Ctrl+S), or that nobody reads, would
 * keep the process from ending. */
static void put_now(int fd, const char *text, size_t n)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    ssize_t done = poll(&p, 1, 0) == 1 ? write(fd, text, n) : 0;

    (void)done;
}

/* What no other can do any more: the shell would go on in this style. */
static void drop_style(void)
{
    static const char plain[] = "\033[0m";

    if (styled)
        put_now(STDOUT_FILENO, plain, sizeof plain - 1);
}

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    n_interrupts = n_interrupts + 1;
    if (n_interrupts >= n_to_end) {
        drop_style();
        put_now(STDERR_FILENO, "\n", 1); /* the shell's prompt gets a row of its own */
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

/* Then what the signal does: SA_RESETHAND has put that back. Who was stopped goes on in style. */
static void on_end_in_style(int signal_number)
{
    drop_style();
    raise(signal_number);
    if (styled)
        put_now(STDOUT_FILENO, INTERRUPT_STYLE, sizeof INTERRUPT_STYLE - 1);
    interrupt_styled(styled);
}

void interrupt_styled(bool now_styled)
{
    struct sigaction was,
        now = {.sa_handler = now_styled ? on_end_in_style : SIG_DFL,
               .sa_flags = SA_RESTART | (now_styled ? (int)SA_RESETHAND | SA_NODEFER : 0)};

    sigemptyset(&now.sa_mask);
    styled = now_styled;
    for (size_t i = 0; i < N_STOPS; i++)
        if (sigaction(stops[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
            sigaction(stops[i], &now, NULL);
}

static void on_end(int signal_number)
{
    if (signal_number == SIGTSTP)
        stop_wanted = 1;
    else
        end_signal = signal_number;
}

void interrupt_put_off_end(void)
{
    struct sigaction later = {.sa_handler = on_end}; /* no SA_RESTART: waits end */

    sigemptyset(&later.sa_mask);
    for (size_t i = 0; i < N_STOPS; i++)
        if (sigaction(stops[i], NULL, &before[i]) == 0 && before[i].sa_handler != SIG_IGN)
            sigaction(stops[i], &later, NULL);
}

static void put_back(void)
{
    for (size_t i = 0; i < N_STOPS; i++)
        sigaction(stops[i], &before[i], NULL);
}

void interrupt_take_end(void)
{
    put_back();
    if (end_signal)
        raise(end_signal);
    if (stop_wanted)
        raise(SIGTSTP);
    end_signal = stop_wanted = 0;
}

bool interrupt_stop_wanted(void)
{
    return stop_wanted != 0;
}

void interrupt_take_stop(void)
{
    put_back();
    stop_wanted = 0;
    raise(SIGTSTP); /* until somebody wants us to go on */
    interrupt_put_off_end();
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
