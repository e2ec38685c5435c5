/*
 * turns.h - answers that called tools, told in as many messages as a template needs to show all of
 * them. Any thread; no state.
 */
#ifndef RBEE_CHAT_TURNS_H
#define RBEE_CHAT_TURNS_H

#include <jansson.h>

#include "chat/messages.h"

/*
 * A new reference to messages (as they came) in which, where the template has no parallel_calls,
 * each call is a message with the call's result behind it; and, where calls need null_content, a
 * text beside calls is a message before them. NULL: no memory.
 */
json_t *turns_make(const json_t *messages, const struct chat_abilities *a);

#endif
