/* reply.h - answers of the hive's routes: JSON, errors, and whole-body shortcuts. Loop thread. */
#ifndef RBEE_HIVE_HTTP_REPLY_H
#define RBEE_HIVE_HTTP_REPLY_H

#include <jansson.h>

#include "api/errors.h"
#include "net/http_server.h"

#define REPLY_SRC "hive"

/* Each answers the exchange; it is no more afterwards. */

/* Takes `body` over; NULL (out of memory) becomes a 500. */
void reply_json(struct http_exchange *x, int status, json_t *body);

/* With the status of the error's row, or `status` when that is not 0; a 503 has Retry-After. Frees
 * what *e holds. */
void reply_error(struct http_exchange *x, int status, struct api_error *e);
/* The same when it is known how long to wait: seconds of Retry-After, 0 = it is not. */
void reply_error_after(struct http_exchange *x, int status, struct api_error *e, int retry_after_s);
void reply_fail(struct http_exchange *x, enum api_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Of files, as api_error_of_files has it. */
void reply_fail_of(struct http_exchange *x, const struct err *err);

/* Sets the error of a request that http_hold had no room for. */
void reply_say_held(struct api_error *e, size_t n_bytes);

/* For http_server_params: the errors that the server finds by itself, as ours. */
const char *reply_render_error(int status, const char *target, const char *text,
                               const char *request_id, char *dst, size_t dst_size);

#endif
