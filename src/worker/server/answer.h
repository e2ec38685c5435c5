/*
 * answer.h - whole answers of the worker's server: JSON and errors. The loop's thread; each
 * function ends the exchange.
 */
#ifndef RBEE_WORKER_SERVER_ANSWER_H
#define RBEE_WORKER_SERVER_ANSWER_H

#include <stddef.h>

#include <jansson.h>

#include "api/errors.h"
#include "net/http_server.h"

#define ANSWER_SRC "worker" /* who found an error */

/* Takes `text` over (free()); NULL, for want of memory, gives a bare 500. */
void answer_text(struct http_exchange *x, int status, char *text);
/* Takes the reference over; NULL gives a bare 500. */
void answer_json(struct http_exchange *x, int status, json_t *body);
/* Frees what the error holds. A 503 has Retry-After: details.retry_after_s, else a second. */
void answer_error(struct http_exchange *x, struct api_error *e);

/* For http_server_params.render_error. */
const char *answer_render_error(int status, const char *target, const char *text,
                                const char *request_id, char *dst, size_t dst_size);

#endif
