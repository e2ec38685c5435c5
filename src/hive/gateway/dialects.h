/* dialects.h - the APIs that the gateway speaks, one file each (render_*.c), and what they share.
 */
#ifndef RBEE_HIVE_GATEWAY_DIALECTS_H
#define RBEE_HIVE_GATEWAY_DIALECTS_H

#include "hive/gateway/answer.h"

extern const struct dialect dialect_text;            /* POST /v1/completions */
extern const struct dialect dialect_chat;            /* POST /v1/chat/completions */
extern const struct dialect dialect_responses;       /* POST /v1/responses */
extern const struct dialect dialect_messages;        /* POST /v1/messages */
extern const struct dialect dialect_ollama_chat;     /* POST /api/chat */
extern const struct dialect dialect_ollama_generate; /* POST /api/generate */

/* ---- openai.c: what chat and completions have in common ---- */

/* `{"id":…,"object":OBJECT,"created":…,"model":…,"system_fingerprint":…,` */
void openai_put_head(const struct answer *a, const char *object, struct buf *out);
/* `"stop"`, `"length"` or `"tool_calls"`. */
const char *openai_finish_reason(const struct choice *c);
/* Puts a JSON value and frees it; null for none. Numbers get so many digits; 0 = all they have. */
void openai_put_json(struct buf *out, json_t *value, unsigned digits);
#define OPENAI_LOGPROB_DIGITS 9 /* a worker's log-probabilities are floats */
/* Keeps an array's members behind those that `kept`, one of the choice's lists of scores, has;
 * takes it over. */
void openai_keep(struct choice *c, struct buf *kept, json_t *array);
void openai_keep_content(struct choice *c, const json_t *tokens); /* as chat tells them */
void openai_put_kept(struct buf *out, const struct buf *kept);    /* as an array */
/* The whole body of an answer; `put` writes each choice's members but for its end. */
void openai_whole(const struct answer *a, const char *object,
                  void (*put)(const struct choice *c, struct buf *out), struct buf *out);
/* The stream's last chunk of a client that wants to know the usage: no choices in it. */
bool openai_finish(struct answer *a);

#endif
