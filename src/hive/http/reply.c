/* reply.c - see reply.h. */
#include "hive/http/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/error_log.h"
#include "api/json_whole.h"
#include "base/str.h"
#include "hive/http/shape.h"

#define JSON_TYPE "application/json"

static const char out_of_memory[] =
    "{\"error\":{\"code\":\"INTERNAL\",\"message\":\"the hive is out of memory\",\"details\":{},"
    "\"src\":\"hive\"}}";

void reply_json(struct http_exchange *x, int status, json_t *body)
{
    char *text = body ? json_write(body, JSON_COMPACT) : NULL;

    if (text)
        http_reply(x, status, JSON_TYPE, text, strlen(text));
    else
        http_reply(x, 500, JSON_TYPE, out_of_memory, sizeof out_of_memory - 1);
    free(text);
    json_decref(body);
}

void reply_error_after(struct http_exchange *x, int status, struct api_error *e, int retry_after_s)
{
    char *text = api_error_body(e, http_request_id(x)), seconds[16];
    int own = api_error_info(e->code)->status;

    if (status == 0)
        status = own ? own : 500;
    if (status == 503) {
        snprintf(seconds, sizeof seconds, "%d",
                 retry_after_s > 0 ? retry_after_s : api_error_retry_after_s(e));
        http_add_header(x, "Retry-After", seconds);
    }
    api_error_log(e, http_request_id(x));
    if (text)
        http_reply(x, status, JSON_TYPE, text, strlen(text));
    else
        http_reply(x, 500, JSON_TYPE, out_of_memory, sizeof out_of_memory - 1);
    free(text);
    api_error_done(e);
}

void reply_error(struct http_exchange *x, int status, struct api_error *e)
{
    reply_error_after(x, status, e, 0);
}

void reply_fail(struct http_exchange *x, enum api_code code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    struct api_error e;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    api_error_set(&e, code, REPLY_SRC, "%s", text);
    reply_error(x, 0, &e);
}

void reply_fail_of(struct http_exchange *x, const struct err *err)
{
    struct api_error e;

    api_error_of_files(&e, REPLY_SRC, err);
    reply_error(x, 0, &e);
}

void reply_say_held(struct api_error *e, size_t n_bytes)
{
    api_error_set(e, API_ALL_SLOTS_BUSY, REPLY_SRC,
                  "the requests that wait here hold nearly all the memory they may have together; "
                  "this one needs %zu bytes more",
                  n_bytes);
}

const char *reply_render_error(int status, const char *target, const char *text,
                               const char *request_id, char *dst, size_t dst_size)
{
    shape_render(shape_of_path(target), status, text, request_id, dst, dst_size);
    return JSON_TYPE;
}
