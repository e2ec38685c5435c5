/* answer.c - see answer.h. */
#include "worker/server/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/error_log.h"
#include "api/json_whole.h"
#include "base/str.h"

#define JSON_TYPE "application/json"

void answer_text(struct http_exchange *x, int status, char *text)
{
    if (text)
        http_reply(x, status, JSON_TYPE, text, strlen(text));
    else
        http_reply(x, 500, NULL, NULL, 0);
    free(text);
}

void answer_json(struct http_exchange *x, int status, json_t *body)
{
    answer_text(x, status, body ? json_write(body, JSON_COMPACT) : NULL);
    json_decref(body);
}

void answer_error(struct http_exchange *x, struct api_error *e)
{
    int status = api_error_info(e->code)->status;
    char seconds[16];

    if (status == 503) {
        snprintf(seconds, sizeof seconds, "%d", api_error_retry_after_s(e));
        http_add_header(x, "Retry-After", seconds);
    }
    api_error_log(e, http_request_id(x));
    answer_text(x, status ? status : 500, api_error_body(e, http_request_id(x)));
    api_error_done(e);
}

const char *answer_render_error(int status, const char *target, const char *text,
                                const char *request_id, char *dst, size_t dst_size)
{
    (void)target;
    api_error_render(status, text, ANSWER_SRC, request_id, dst, dst_size);
    return JSON_TYPE;
}
