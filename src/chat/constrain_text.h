/*
 * constrain_text.h - the GBNF texts of constrain.h's stretches: thoughts, and what stands around
 * the arguments of tool calls. No state.
 */
#ifndef RBEE_CHAT_CONSTRAIN_TEXT_H
#define RBEE_CHAT_CONSTRAIN_TEXT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "chat/format.h"

/* Any text up to and with the mark; it must end there. The mark is ASCII. */
void constrain_put_thought(struct buf *out, const char *mark);

/* What leads to the first call's arguments. `name` NULL: any of the tools, else that one. */
void constrain_put_head(struct buf *out, const struct chat_format *f, const json_t *tools,
                        const char *name);
/* What follows arguments: the call's end, and, with `more`, what leads to another call's. */
void constrain_put_tail(struct buf *out, const struct chat_format *f, const json_t *tools,
                        bool more);

/* Which of the tools the text of a head or tail leads to, or -1. */
int constrain_find_tool(const struct chat_format *f, const json_t *tools, const char *text);

#endif
