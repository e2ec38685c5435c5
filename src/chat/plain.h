/*
 * plain.h - tools, calls and results in plain words, for templates that know nothing of them, or do
 * not show them. Any thread; no state.
 */
#ifndef RBEE_CHAT_PLAIN_H
#define RBEE_CHAT_PLAIN_H

#include <jansson.h>

#include "chat/messages.h"

/* Calls become the text that the model writes them in, a tool's result a message of the user, each
 * where the template has not what it takes. The message's content is a text. -1: no memory. */
int plain_message(json_t *message, const struct chat_abilities *a);

/* Tells of the tools, in the format that is read: behind the system message, else in one of its
 * own, else before what the user says first. -1: no memory. */
int plain_tools(json_t *messages, const json_t *tools, const struct chat_abilities *a);

#endif
