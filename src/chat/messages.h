/*
 * messages.h - a conversation as it came (checked by api/inference.h) to what a template expects.
 *
 * Templates differ in what they stand: content that is null, arguments of calls as text or as an
 * object, ids of any length, the role "developer", system messages anywhere, two messages of one
 * role in a row, tools at all. Any thread; no state.
 */
#ifndef RBEE_CHAT_MESSAGES_H
#define RBEE_CHAT_MESSAGES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "chat/format.h"

/* What a template can take. */
struct chat_abilities {
    bool content_as_parts;  /* a list of {"type":"text","text":...}; else one text */
    bool arguments_as_text; /* of the calls in messages; else as objects */
    bool short_ids;         /* 9 letters and digits, made of the ids given */
    bool knows_developer;   /* else the role is "system" */
    bool knows_system;      /* else the first one, and what we have to say, is said by the user */
    bool late_system;       /* behind others; else joined to a first one, or said by the user */
    bool user_runs;         /* two messages of the user in a row; else they are joined */
    bool knows_tools;       /* else they are told by us */
    bool knows_calls;       /* else calls and their results are told in plain messages */
    bool shows_calls;       /* else they are told in the text of their message */
    bool parallel_calls;    /* in one message; else each is one of its own, its result behind it */
    bool null_content;      /* calls are shown where the content is null; else it is "" */
    const struct chat_format *format; /* how calls are to be written, where we tell of the tools */
};

/*
 * A new array (the caller's). Contents are texts, or one part each, parts put together; members
 * that are null are gone. With tools that the template does not know, they are told in a system
 * message. ERR_NO_MEMORY.
 */
int chat_messages_make(const json_t *messages, const json_t *tools, const struct chat_abilities *a,
                       json_t **out, struct err *err);

#endif
