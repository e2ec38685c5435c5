/*
 * request.h - the requests to generate, as each API's clients write them, brought to orders.
 *
 * Nothing here knows of a connection or a worker: bytes in, an order or an error out. What an order
 * holds may still be refused by its worker (a schema, a message's parts, a template's variable),
 * which says so in the names of its own fields. One thread.
 */
#ifndef RBEE_HIVE_GATEWAY_REQUEST_H
#define RBEE_HIVE_GATEWAY_REQUEST_H

#include "hive/gateway/order.h"

struct request_kind {
    void (*read)(struct fields *f, struct order *o);
    /* What the API calls fields of the worker's: {the worker's, the API's}, NULL behind the last.
     */
    const char *const (*names)[2];
    bool begins_anew; /* a last message of the assistant is whole, and the answer another one */
};

extern const struct request_kind request_text;            /* POST /v1/completions */
extern const struct request_kind request_chat;            /* POST /v1/chat/completions */
extern const struct request_kind request_responses;       /* POST /v1/responses */
extern const struct request_kind request_messages;        /* POST /v1/messages */
extern const struct request_kind request_ollama_chat;     /* POST /api/chat */
extern const struct request_kind request_ollama_generate; /* POST /api/generate */

/* Reads a body into an initialised order; -1 with *e (INVALID_REQUEST) tells every failing field.
 * The order is to be freed either way. */
int request_read(const struct request_kind *kind, const char *body, size_t n, struct order *o,
                 struct api_error *e, const char *src);

/* The fields that a worker found at fault, under the names that the API's clients know. */
void request_rename(const struct request_kind *kind, struct api_error *e);

/* ---- parts of requests ---- */

/* What holds for the conversations of all APIs, once they are read: a NUL in a content becomes
 * U+FFFD, as no model has a token for it, and an answer goes on with a last message of the
 * assistant, unless it must have a form, or the request says otherwise. */
void request_settle(const struct request_kind *kind, struct order *o);

/* Of /v1/messages, model, system, messages, tools, tool_choice, thinking, output_config: what makes
 * up the prompt. */
void request_messages_prompt(struct fields *f, struct order *o);
/* Of /v1/responses, instructions and input. */
void request_responses_input(struct fields *f, struct order *o);
/* Ollama's name of a model comes as `model`, in old clients as `name`; NULL when neither is there.
 * Go's clients write both, one of them as "". */
const char *request_ollama_model(struct fields *f);
/* Texts that Go's clients always write, and that must be empty; NULL behind the last. */
void request_ollama_unset(struct fields *f, const char *const *names);
/* Ollama's `options`, all of them. A keep_alive among them counts where none was given beside them
 * (which is read before), here and below. */
void request_ollama_options(struct fields *f, struct order *o);
/* Of the same, num_predict, which stands beside them, too. */
void request_ollama_limit(struct fields *f, struct order *o);
/* Of the same, what changes no answer: num_ctx, keep_alive, and how a model would be loaded. Any
 * other is refused. */
void request_ollama_loading(struct fields *f, int64_t *ctx_min, bool *keep_alive_given,
                            int64_t *keep_alive_ms);
/* Fields that OpenAI's clients send by themselves and that change nothing here; what they would
 * change elsewhere is refused. */
void request_openai_tolerate(struct fields *f);

#endif
