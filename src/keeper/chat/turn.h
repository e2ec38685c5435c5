/*
 * turn.h - lines of input put together to what a person says at once.
 *
 * A line is a turn, unless it ends with a backslash (the next one belongs to it) or begins with
 * three quotes (all up to three quotes at a line's end do). A text of several lines that came in
 * one piece, because it was pasted, is one turn, too.
 */
#ifndef RBEE_KEEPER_CHAT_TURN_H
#define RBEE_KEEPER_CHAT_TURN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define TURN_QUOTES "\"\"\""

struct turn {
    struct buf text; /* the turn, without its quotes and backslashes */
    enum { TURN_FRESH, TURN_QUOTED, TURN_CONTINUED } state;
    bool literal; /* it was quoted, or came as several lines: never a command */
    bool spoiled; /* it lacks a line */
};

void turn_init(struct turn *t);
void turn_done(struct turn *t);
/* Forgets what there is. */
void turn_clear(struct turn *t);

enum turn_step {
    TURN_MORE,  /* it goes on */
    TURN_READY, /* t->text; turn_clear before the next line */
    TURN_BLANK, /* nothing was said */
    TURN_BAD    /* too long, not UTF-8, or it holds a NUL: *err, and all of it is forgotten */
};
/* `line` without its line feed. */
enum turn_step turn_line(struct turn *t, const char *line, size_t n, struct err *err);

/* A line was too long to be read, and that was told. Within quotes the rest up to their end is
 * taken in and is TURN_BAD; what a backslash went on is forgotten. */
void turn_spoil(struct turn *t);

/* The input is over. TURN_BAD when quotes stand open. */
enum turn_step turn_over(struct turn *t, struct err *err);

#endif
