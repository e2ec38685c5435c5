/*
 * template.h - a model's chat template: what it can do, and conversations to prompts.
 *
 * Compiled once; what it can do (system messages, how it wants contents and arguments) is found out
 * by rendering small conversations with it. A template comes with a file and is not trusted:
 * compiling, trying and rendering it is bounded by the limits below. Immutable; any number of
 * threads may render.
 */
#ifndef RBEE_CHAT_TEMPLATE_H
#define RBEE_CHAT_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "chat/format.h"
#include "chat/messages.h"

#define CHAT_MAX_STEPS        5000000u /* of a render; as jinja.h counts them */
#define CHAT_MAX_TRY_STEPS    200000u  /* of each of the renders that try a template */
#define CHAT_MAX_MEMORY_BYTES (64u << 20)
#define CHAT_MAX_PROMPT_BYTES (64u << 20)

struct chat_template;
struct jinja_stop;

/*
 * `bos` and `eos` are the texts of the model's tokens ("" for none). ERR_INVALID and
 * ERR_UNSUPPORTED "template line N: ...", ERR_LIMIT, ERR_NO_MEMORY. The texts need not outlive the
 * call.
 */
int chat_template_create(const char *text, size_t n_bytes, const char *bos, const char *eos,
                         struct chat_template **out, struct err *err);
void chat_template_free(struct chat_template *t); /* NULL is fine */

const struct chat_abilities *chat_template_abilities(const struct chat_template *t);
const struct chat_format *chat_template_format(const struct chat_template *t);
const struct chat_think *chat_template_think(const struct chat_template *t); /* or NULL */

/* What is rendered; everything but the messages may be NULL. */
struct chat_conversation {
    const json_t *messages;
    const json_t *tools;
    const json_t *vars; /* an object: more variables for the template */
    bool no_generation_prompt;
    bool continues; /* the prompt ends with the last message's text, which is not empty */
    const struct jinja_stop *stop; /* jinja.h */
};

/*
 * Puts the prompt to `out`. *thinking (may be NULL): it ends within a thought that was just opened,
 * or that the text which is gone on with has opened.
 * ERR_INVALID "template line N: ..." for a conversation that the template refuses; ERR_UNSUPPORTED,
 * also for a template that does not show what the user says, or the text to go on with;
 * ERR_LIMIT; ERR_CANCELLED (stop); ERR_NO_MEMORY.
 */
int chat_template_render(const struct chat_template *t, const struct chat_conversation *c,
                         struct buf *out, bool *thinking, struct err *err);

#endif
