/*
 * progress.h - the text of a progress line: how far, how fast, how long yet. Pure; no terminal.
 */
#ifndef RBEE_KEEPER_SHELL_PROGRESS_H
#define RBEE_KEEPER_SHELL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_LINE_MAX 512 /* bytes of a line, its NUL included */

struct progress {
    const char *verb;     /* "Downloading" */
    const char *name;     /* what; cut when the line is too long */
    uint64_t done, total; /* bytes; total 0 = not known */
    double per_sec;       /* bytes a second; 0 = not known */
};

/*
 * Writes at most `width` columns, as utf8_columns counts them, and returns dst. Where
 * the room is short the bar goes first, then the time left, the speed, the end of the name, the
 * bytes, the percents: no number is cut.
 */
char *progress_line(const struct progress *p, unsigned width, bool ascii, char *dst,
                    size_t dst_size);

/* "0:07", "12:34", "1:02:03"; dst_size >= 16. Returns dst. */
char *progress_time(int64_t seconds, char *dst, size_t dst_size);

/* The speed, smoothed over some seconds. Start with {0}. */
struct progress_rate {
    int64_t at_ms; /* 0 = no sample yet */
    uint64_t bytes;
    double per_sec;
};
/* Returns the bytes a second, 0 while not known. */
double progress_rate_add(struct progress_rate *r, int64_t now_ms, uint64_t bytes);

#endif
