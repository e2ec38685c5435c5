/* log.c - see log.h. The level and the name are the program's only globals beside the CPU table. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/str.h"

#define LOG_LINE_MAX 2048

static const char *const level_names[] = {"debug", "info", "warn", "error", "silent"};
static enum log_level log_least = LOG_INFO;
static char log_program[32] = "rbee";

void log_init(const char *program, enum log_level least)
{
    str_copy(log_program, sizeof log_program, program);
    log_least = least;
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

void log_write(enum log_level level, const char *fmt, ...)
{
    char line[LOG_LINE_MAX], when[CLOCK_ISO_BYTES];
    va_list ap;
    size_t len;

    if (level < log_least)
        return;
    snprintf(line, sizeof line, "%s %-5s %s: ", clock_iso8601(clock_unix_ms(), when),
             level_names[level], log_program);
    len = strlen(line);
    va_start(ap, fmt);
    vsnprintf(line + len, sizeof line - len - 1, fmt, ap);
    va_end(ap);
    clean_line(line); /* what it tells of may be a name or an error from elsewhere */
    len = strlen(line);
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        return; /* nowhere left to say it */
}
