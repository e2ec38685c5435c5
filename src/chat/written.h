/*
 * written.h - the JSON of calls, read as models write it. Any thread; no state.
 */
#ifndef RBEE_CHAT_WRITTEN_H
#define RBEE_CHAT_WRITTEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The value (the caller's) of n bytes, which may have control characters in its texts. NULL for
 * none, and without memory: *lost is set then. */
json_t *written_value(const char *text, size_t n, bool *lost);

/* The arguments of a call's object as an object's text (free()): they are one, or a text that holds
 * one, or nothing. NULL for anything else; also where they are missing, but `needed`; and without
 * memory: *lost is set then. */
char *written_args(const json_t *object, bool needed, bool *lost);

#endif
