/*
 * log.c - see log.h. The level, the name, the place and the count of lost lines are the program's
 * only globals beside the CPU table.
 *
 * When a write would wait is asked in two ways. Of a pipe or socket that can be written to, poll(2)
 * promises a page (a socket: most of its buffer) free, more than a line takes. A terminal promises
 * one byte; so it is opened once more, not to wait, where that can be. An open file shared with
 * others (a shell) is not set to that itself.
 */
#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/str.h"

#define LOG_LINE_MAX 2048
#define LOG_TERMINAL "/proc/self/fd/2"

_Static_assert(LOG_LINE_MAX <= PIPE_BUF, "a line goes into a pipe whole, or not at all");

static const char *const level_names[] = {"debug", "info", "warn", "error", "silent"};
static enum log_level log_least = LOG_INFO;
static char log_program[32] = "rbee";
static int log_fd = STDERR_FILENO;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows, and that */
static uint64_t log_n_lost; /* since the last line that was taken */
static bool log_cut;        /* the last one was taken in part */

void log_init(const char *program, enum log_level least)
{
    str_copy(log_program, sizeof log_program, program);
    log_least = least;
    if (log_fd != STDERR_FILENO)
        close(log_fd);
    log_fd = isatty(STDERR_FILENO)
                 ? open(LOG_TERMINAL, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
                 : -1;
    if (log_fd < 0)
        log_fd = STDERR_FILENO;
}

int log_level_from(const char *name, enum log_level *out)
{
    for (int i = LOG_DEBUG; i <= LOG_SILENT; i++) {
        if (str_eq(name, level_names[i])) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

/* The line's first words; what follows may take the rest. Returns their number of bytes. */
static size_t begin_line(char line[LOG_LINE_MAX], enum log_level level)
{
    char when[CLOCK_ISO_BYTES];

    snprintf(line, LOG_LINE_MAX, "%s %-5s %s: ", clock_iso8601(clock_unix_ms(), when),
             level_names[level], log_program);
    return strlen(line);
}

/* False when it is not taken, or in part, or only after a wait of nobody knows how long. */
static bool put(const char *line, size_t len)
{
    struct pollfd out = {.fd = log_fd, .events = POLLOUT};
    ssize_t n;

    if (poll(&out, 1, 0) <= 0 || !(out.revents & POLLOUT))
        return false;
    n = write(log_fd, line, len);
    if (n > 0)
        log_cut = line[n - 1] != '\n';
    return n == (ssize_t)len;
}

static bool tell_lost(void)
{
    char line[LOG_LINE_MAX];
    size_t len = begin_line(line, LOG_WARN);

    snprintf(line + len, sizeof line - len, "%llu line%s of the log %s lost\n",
             (unsigned long long)log_n_lost, log_n_lost == 1 ? "" : "s",
             log_n_lost == 1 ? "was" : "were");
    if ((log_cut && !put("\n", 1)) || !put(line, strlen(line)))
        return false;
    log_n_lost = 0;
    return true;
}

/* Look and write belong together: what is free for one thread is not for two. */
static void put_or_lose(const char *line, size_t len)
{
    pthread_mutex_lock(&log_lock);
    if ((log_n_lost && !tell_lost()) || !put(line, len))
        log_n_lost++;
    pthread_mutex_unlock(&log_lock);
}

void log_write(enum log_level level, const char *fmt, ...)
{
    char line[LOG_LINE_MAX];
    va_list ap;
    size_t len;

    if (level < log_least)
        return;
    len = begin_line(line, level);
    va_start(ap, fmt);
    vsnprintf(line + len, sizeof line - len - 1, fmt, ap);
    va_end(ap);
    clean_line(line); /* what it tells of may be a name or an error from elsewhere */
    len = strlen(line);
    line[len++] = '\n';
    put_or_lose(line, len);
}
