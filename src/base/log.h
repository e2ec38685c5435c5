/*
 * log.h - lines on stderr for programs; libraries do not log.
 *
 * A line is "2026-01-31T12:00:00.123Z LEVEL program: text", written with one write(), so that lines
 * of threads and of processes that share a file do not mix. Never give it a prompt, a reply or a
 * key.
 *
 * Nobody waits for the log: a line that standard error does not take at once is lost (a terminal
 * stopped by Ctrl+S, a pipe whose reader does not read), and how many were is told before the next
 * one that is taken. A file on a disk that does not answer is waited for all the same, and so is a
 * pipe that another process fills between our look and our write, and the last line to a terminal
 * that does not read, where it cannot be opened once more (no /proc, another user's).
 */
#ifndef RBEE_BASE_LOG_H
#define RBEE_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_SILENT };

/* Sets the program's name and the least level shown, and looks where standard error leads. Before
 * any thread starts, and before a sandbox. */
void log_init(const char *program, enum log_level least);
int log_level_from(const char *name, enum log_level *out); /* debug info warn error silent; or -1 */

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
