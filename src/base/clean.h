/*
 * clean.h - text from elsewhere on its way to a terminal.
 *
 * A model's words, a hive's error and a file's name are data: none of them may move the cursor, set
 * the window's title or ring. Line feeds and tabs stay, carriage returns go, every other control
 * character (C0, DEL, C1) and every byte that is not UTF-8 becomes a question mark. Lines of logs
 * are cleaned, too: terminals show them.
 */
#ifndef RBEE_BASE_CLEAN_H
#define RBEE_BASE_CLEAN_H

#include <stddef.h>

#include "base/buf.h"

/* 0, or -1 when `out` is full. `text` should not end within a UTF-8 sequence. */
int clean_put(struct buf *out, const char *text, size_t n);

/* The same for one line: line feeds and tabs become blanks. */
int clean_put_line(struct buf *out, const char *text, size_t n);
/* The same in place; it may get shorter. Needs no memory. */
void clean_line(char *text);

#endif
