/*
 * editor.h - lines that a person types, or that stand in a file or a pipe.
 *
 * On a terminal a line can be edited and earlier ones called back (editline.h, where libedit is
 * installed; else with what the terminal itself can do); prompts go to stderr. Elsewhere lines are
 * read as they are, without a prompt. An interrupt ends a read.
 */
#ifndef RBEE_KEEPER_CHAT_EDITOR_H
#define RBEE_KEEPER_CHAT_EDITOR_H

#include <stdbool.h>

#include "base/buf.h"
#include "keeper/chat/history.h"

struct editor;

/* `history` (borrowed until editor_close) is what can be called back. */
int editor_open(const struct history *history, struct editor **out, struct err *err);
void editor_close(struct editor *e); /* NULL is fine */

bool editor_is_interactive(const struct editor *e); /* stdin is a terminal */

enum editor_end {
    EDITOR_LINE, /* `line`, without its line feed; may hold others, when it was pasted */
    EDITOR_OVER, /* no more: end of file, Ctrl+D; `line` may hold a last one without a feed */
    EDITOR_INTERRUPTED, /* Ctrl+C */
    EDITOR_FAILED       /* *err */
};
/* Into a cleared `line`; past its maximum the line is read on, and *err is ERR_LIMIT (FAILED). */
enum editor_end editor_read(struct editor *e, const char *prompt, struct buf *line,
                            struct err *err);

/* The newest of the history can be called back from now on. */
void editor_remember(struct editor *e, const char *text);

#endif
