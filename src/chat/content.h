/*
 * content.h - who says a message, and what: parts as they came to one text, and a text to a part,
 * for templates that go over parts. Any thread; no state.
 */
#ifndef RBEE_CHAT_CONTENT_H
#define RBEE_CHAT_CONTENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

#define CONTENT_MAX (256u << 20) /* bytes of a text that is put together */

bool content_has_role(const json_t *message, const char *role);

/* The buffer's text, and the buffer's end. NULL: it failed, or no memory. */
json_t *content_take(struct buf *text);

/* The content as one text: parts (a file, what is asked of it) with line feeds between, as
 * llama-server and vLLM have it. "" where there is none; NULL: no memory. */
json_t *content_text(const json_t *message);

/* A text becomes a list of one part, also "", whose first part templates ask for its type. -1: no
 * memory. */
int content_to_parts(json_t *message);

/* Puts a text behind the content's text, or its last part's. -1: no memory; nothing is put then. */
int content_append(json_t *message, const char *text);

#endif
