/*
 * conversation.h - what was said so far, and the file it is kept in.
 *
 * A file is one JSON object: {"rbee_chat":1, "model", "system"?, "settings":{...}, "messages":[
 * {"role":"user"|"assistant", "content", "reasoning_content"?, "cut"?:true} ...]}. An answer that
 * was stopped is marked `cut`. Files are written whole or not at all, for their owner only; one
 * that is there and is no conversation is never overwritten.
 */
#ifndef RBEE_KEEPER_CHAT_CONVERSATION_H
#define RBEE_KEEPER_CHAT_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/err.h"

#define CONVERSATION_VERSION  1
#define CONVERSATION_FILE_MAX (64u << 20) /* bytes */

struct conversation {
    char *model;       /* owned; its reference, or NULL */
    char *system_text; /* owned, or NULL */
    json_t *settings;  /* owned; see settings.h */
    json_t *messages;  /* owned */
};

/* Empty. ERR_NO_MEMORY. */
int conversation_init(struct conversation *c, struct err *err);
void conversation_done(struct conversation *c);

/* Texts are UTF-8; `thoughts` may be NULL. ERR_NO_MEMORY. */
int conversation_add_user(struct conversation *c, const char *text, size_t n, struct err *err);
int conversation_add_answer(struct conversation *c, const char *text, const char *thoughts,
                            bool cut, struct err *err);
/* Takes the last message back. */
void conversation_drop(struct conversation *c);
/* Forgets all messages; model, system and settings stay. */
void conversation_clear(struct conversation *c);
size_t conversation_count(const struct conversation *c);

/* NULL takes it away. ERR_NO_MEMORY. */
int conversation_set_system(struct conversation *c, const char *text, struct err *err);

/* The messages as a model gets them: the system's first, no marks of ours. Owned by the caller. */
json_t *conversation_messages(const struct conversation *c);

/* Follows a link. ERR_CONFLICT where something else is in its place, ERR_IO, ERR_NO_SPACE,
 * ERR_DENIED. */
int conversation_save(const struct conversation *c, const char *path, struct err *err);

/* A file's text: ERR_INVALID says what is wrong with it, and *out is as it was. */
int conversation_parse(const char *text, size_t n, struct conversation *out, struct err *err);
/* The same for a file; *out need not be initialised. */
int conversation_load(const char *path, struct conversation *out, struct err *err);

#endif
