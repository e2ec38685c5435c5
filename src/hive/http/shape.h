/*
 * shape.h - errors as each API's clients read them. The table is api/errors.h's; this is its look.
 *
 *   OpenAI     {"error":{"message","type","param","code","request_id","details"}}
 *   Anthropic  {"type":"error","error":{"type","message"},"request_id"}
 *   Ollama     {"error":"…"}
 *   models     rbee's own with OpenAI's "type" and "param" in it: /v1/models has readers of both
 * kinds
 *
 * While a model loads, each has the object `loading` too: in OpenAI's `error`, else beside it.
 * The hint (what to do; the error's own, else its row's) is put behind the message. Pure; loop
 * thread for shape_answer.
 */
#ifndef RBEE_HIVE_HTTP_SHAPE_H
#define RBEE_HIVE_HTTP_SHAPE_H

#include <stdbool.h>

#include "api/errors.h"
#include "base/buf.h"

struct http_exchange;

enum shape { SHAPE_RBEE, SHAPE_MODELS, SHAPE_OPENAI, SHAPE_ANTHROPIC, SHAPE_OLLAMA };

/* Of the API that a path (or a raw target, with its query) belongs to. */
enum shape shape_of_path(const char *target);
/* True for routes whose bodies hold conversations. */
bool shape_is_large(const char *path);

/* Puts the error's JSON on one line. */
void shape_error(enum shape shape, const struct api_error *e, const char *request_id,
                 struct buf *out);
/* `"error":{…}` of OpenAI's shape, for an object that has more beside it. */
void shape_error_inside(const struct api_error *e, const char *request_id, struct buf *out);
/* The error's code as OpenAI's clients read it, in lower case. */
void shape_put_code(const struct api_error *e, struct buf *out);

/* The error of a status that the server itself found, for http_server_params.render_error. */
void shape_render(enum shape shape, int status, const char *text, const char *request_id, char *dst,
                  size_t dst_size);

/* Answers the exchange, with Retry-After when that is not 0, and a 401 with WWW-Authenticate.
 * Frees what *e holds. */
void shape_answer(struct http_exchange *x, enum shape shape, struct api_error *e,
                  int retry_after_s);

#endif
