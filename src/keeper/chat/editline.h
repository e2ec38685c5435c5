/*
 * editline.h - lines edited on a terminal, by libedit.
 *
 * The library is loaded when it is asked for, and only then: linked, it and the three that it needs
 * would make every other command of the keeper start later (see ARCHITECTURE.md). What is pasted
 * comes as one piece, where the terminal says what is pasted (xterm's bracketed paste). The user's
 * ~/.editrc is heeded.
 */
#ifndef RBEE_KEEPER_CHAT_EDITLINE_H
#define RBEE_KEEPER_CHAT_EDITLINE_H

#include "base/buf.h"
#include "keeper/chat/editor.h"

struct editline;

/* NULL where libedit is not installed, or cannot work with this terminal. */
struct editline *editline_open(const struct history *history);
void editline_close(struct editline *e); /* NULL is fine */

/* See editor_read and editor_remember. */
enum editor_end editline_read(struct editline *e, const char *prompt, struct buf *line,
                              struct err *err);
void editline_remember(struct editline *e, const char *text);

#endif
