/*
 * chat.h - a conversation at the shell: the model it is with, what was said, one turn after the
 * other. The loop around it is in cmd_chat.c, the commands in chat_commands.c.
 */
#ifndef RBEE_KEEPER_CHAT_CHAT_H
#define RBEE_KEEPER_CHAT_CHAT_H

#include <stdbool.h>

#include "keeper/ask/asking.h"
#include "keeper/ask/target.h"
#include "keeper/chat/conversation.h"
#include "keeper/node/model.h"

#define CHAT_READY_MS 10000

struct chat {
    struct keeper *keeper; /* borrowed */
    struct target target;  /* what kind of worker; its model is not used */
    bool interactive;      /* a person sits there: Ctrl+C ends an answer, not the session */
    struct conversation talk;
    struct model_name model;   /* whom we talk to; text NULL = nobody yet */
    struct pool_worker worker; /* empty id: to be found */
    int64_t n_ctx;             /* of the worker, 0 = not known */
    struct figures figures;    /* of the last answer */
    bool show_figures;         /* behind each */
};

/*
 * Each returns CLI_GO, or has said what is wrong and returns an exit code; then nothing has
 * changed, but what chat_turn says. What was interrupted is for the caller to look at.
 */

/* Finds or starts a worker with the model `typed` and makes sure that it can converse. */
int chat_meet(struct chat *c, const char *typed);

/*
 * One message and its answer, shown as it comes. An answer that breaks off stays as far as it came,
 * marked as cut; a message without any answer is taken back. CLI_INTERRUPTED after Ctrl+C.
 */
int chat_turn(struct chat *c, const char *text, size_t n);

/* Everything but the keeper; also one that is all zero. */
void chat_done(struct chat *c);

/* Lines about the last answer, and how full the context is. */
void chat_say_figures(struct chat *c);

#endif
