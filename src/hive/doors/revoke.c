/* revoke.c - see revoke.h. */
#include "hive/doors/revoke.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/json_whole.h"
#include "api/keys.h"
#include "hive/http/reply.h"
#include "hive/http/shape.h"
#include "net/http_server.h"

static bool is_over(void *arg, uint64_t pass)
{
    const uint64_t *mark = arg;

    return pass == *mark;
}

void revoke_error(struct api_error *e)
{
    api_error_set(e, API_INVALID_API_KEY, REPLY_SRC, ACCESS_REVOKED_TEXT);
}

/* The hive's own streams are of stages (the gateway's have said farewell already). */
static void end_stream(struct http_exchange *x, const struct api_error *e)
{
    static const char before[] = "data: ", behind[] = "\n\ndata: [DONE]\n\n";
    json_t *event = json_pack("{s:s, s:s, s:s, s:b}", "stage", "error", "code",
                              api_error_info(e->code)->code, "message", e->message, "retriable", 0);
    char *text = event ? json_write(event, JSON_COMPACT) : NULL;

    if (text) {
        http_stream_put(x, before, sizeof before - 1);
        http_stream_put(x, text, strlen(text));
        http_stream_put(x, behind, sizeof behind - 1);
    }
    http_stream_end(x);
    free(text);
    json_decref(event);
}

static void farewell(struct http_exchange *x, void *arg)
{
    struct api_error e;

    (void)arg;
    revoke_error(&e);
    if (http_stream_begun(x))
        end_stream(x, &e);
    else
        shape_answer(x, shape_of_path(http_path(x)), &e, 0);
    api_error_done(&e);
}

uint32_t revoke_end(struct http_server *s, const unsigned char hash[SHA256_BYTES])
{
    uint64_t mark = keys_mark(hash);
    const struct http_cut cut = {is_over, farewell, &mark};

    return s ? http_server_cut(s, &cut) : 0;
}
