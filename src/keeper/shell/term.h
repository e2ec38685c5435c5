/*
 * term.h - what the keeper tells a person: lines and one progress line, on stderr.
 *
 * On a terminal a progress line is redrawn in place, ten times a second at most, and marks are
 * "✓"; elsewhere, with NO_COLOR set or TERM=dumb all is plain ASCII ("ok"), and where stderr is no
 * terminal progress is one line a second at most. Everything printed goes through clean.h. `quiet`
 * silences all but term_say. Main thread only.
 */
#ifndef RBEE_KEEPER_SHELL_TERM_H
#define RBEE_KEEPER_SHELL_TERM_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/shell/progress.h"

struct term {
    bool tty;   /* stderr can redraw a line */
    bool ascii; /* no character beyond ASCII, no colour */
    bool quiet;
    bool drawn;      /* a progress line stands in the current row */
    int64_t next_ms; /* no progress line before this time */
};

void term_init(struct term *t, bool quiet);

/* "✓ text"; "text" as it is; the same even when quiet (errors). A newline is added. */
void term_ok(struct term *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void term_note(struct term *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void term_say(struct term *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Shows how far something is; may show nothing when it is too early for another line. */
void term_progress(struct term *t, const struct progress *p);
/* Takes the progress line away. */
void term_progress_end(struct term *t);

#endif
