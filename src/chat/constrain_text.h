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

/*
 * What leads to the first call's arguments. `name` NULL: any of the tools, else that one. It is as
 * models write it, to the blank; `beside_text`: where the answer may also be JSON, a call without
 * marks may have blanks in other places, or who puts them there could only go on with that.
 */
void constrain_put_head(struct buf *out, const struct chat_format *f, const json_t *tools,
                        const char *name, bool beside_text);
/* What follows arguments: the call's end, and, with `more`, what leads to another call's. */
void constrain_put_tail(struct buf *out, const struct chat_format *f, const json_t *tools,
                        bool more);

/* Which of the tools the text of a head or tail leads to, or -1. */
int constrain_find_tool(const struct chat_format *f, const json_t *tools, const char *text);

#endif
