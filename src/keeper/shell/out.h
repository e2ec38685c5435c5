/*
 * out.h - the keeper's stdout: written at once, never through a library's buffer.
 *
 * On a terminal text goes through clean.h; into a pipe or a file it goes as it is. Who reads may go
 * away (`| head -1`): the first write that says so marks `out` closed, later puts do nothing, and
 * the command ends quietly with OUT_EXIT_CLOSED, as a tool that SIGPIPE ended would have. Or who
 * is to read does not (`| less`): then Ctrl+C ends the wait, what was to come behind it is not put
 * either (but on a terminal), and the command ends with CLI_INTERRUPTED.
 */
#ifndef RBEE_KEEPER_SHELL_OUT_H
#define RBEE_KEEPER_SHELL_OUT_H

#include <stdbool.h>
#include <stddef.h>

#define OUT_EXIT_CLOSED 141 /* 128 + SIGPIPE, what a shell reports of other tools */
#define OUT_TEXT_MAX    (16u << 20)

struct out {
    bool tty;
    bool mid_line;   /* the last byte put was no line feed */
    bool closed;     /* nobody reads any more */
    bool cut;        /* an interrupt came while nobody read: something is missing */
    int error_errno; /* any other failure: disk full, ... */
};

void out_init(struct out *o);

/* Bytes as they are, except on a terminal. 0, or -1 once closed, failed or cut. */
int out_put(struct out *o, const char *text, size_t n);
int out_printf(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line feed if the last byte was none. */
int out_end_line(struct out *o);

/* How what follows is shown on a terminal; nothing elsewhere. */
enum out_style { OUT_PLAIN, OUT_DIM };
int out_style(struct out *o, enum out_style style);

#endif
