/*
 * split.h - an answer's text, as it streams, to what it means: content, thoughts, tool calls.
 *
 * Text goes in in any pieces and comes out as pieces of one kind each; where it was cut makes no
 * difference. Only what may still become a mark is held back. No byte is lost or doubled, with two
 * exceptions: marks themselves, and white space that touches a mark, which belongs to it (before
 * it, some KiB).
 *
 *   reasoning   between think marks, which stand at the beginning only, or were opened by the
 *               prompt; a mark that opens one again is no part of it
 *   calls       a call begins with its name, then come its arguments as the model writes them,
 *               checked byte by byte to be JSON, but for control characters in its texts, which
 *               are escaped. What looked like a call and is none is content, marks and all. A call
 *               that is told already and then goes wrong, or breaks off, keeps the arguments it
 *               has; what follows is content again
 *   content     everything else
 *
 * In a format without marks only the answer's beginning can be a call, and only of a tool that
 * there is. One thread owns a splitter.
 */
#ifndef RBEE_CHAT_SPLIT_H
#define RBEE_CHAT_SPLIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "chat/format.h"

enum split_kind {
    SPLIT_CONTENT,
    SPLIT_REASONING,
    SPLIT_CALL, /* the text is the name */
    SPLIT_ARGS  /* a piece of the arguments of the call of this index */
};

/* The text lives as long as the call. */
struct split_piece {
    enum split_kind kind;
    const char *text;
    size_t n;
    uint32_t index; /* of a call, from 0 */
};

struct split_options {
    const struct chat_format *format; /* NULL: no calls are looked for */
    const struct chat_think *think;   /* NULL: no thoughts are looked for */
    const json_t *tools;              /* of the request; must outlive the splitter */
    bool thinking;                    /* the prompt's end opened a thought */
    bool begun; /* the prompt's end is content: no thought and no bare call can follow */
    void (*give)(void *arg, const struct split_piece *piece);
    void *arg;
};

struct split;

/* The marks must outlive it (format.h's do). ERR_NO_MEMORY. */
int split_create(const struct split_options *o, struct split **out, struct err *err);
void split_free(struct split *s); /* NULL is fine */

/* Takes n bytes, whole UTF-8 characters. 0, or -1 when memory ran out: the text is not whole then.
 */
int split_put(struct split *s, const char *bytes, size_t n);
/* From here on no call is looked for: what waits to become one is content. Not behind a call. */
void split_forgo_calls(struct split *s);
/* The text is over: gives what was held back. */
int split_end(struct split *s);

/* The text is within a thought, or before one that the prompt opened. */
bool split_is_thinking(const struct split *s);
/* Calls told so far; and whether none of them is still being written. */
uint32_t split_n_calls(const struct split *s);
bool split_in_call(const struct split *s);

#endif
