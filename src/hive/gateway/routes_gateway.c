/* routes_gateway.c - the gateway's routes: any client's API, one address. */
#include <string.h>

#include "base/str.h"
#include "hive/gateway/dialects.h"
#include "hive/gateway/embed.h"
#include "hive/gateway/model_rows.h"
#include "hive/reply.h"
#include "hive/routes.h"

static void post_chat(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)id;
    answer_take(h, x, &dialect_chat);
}

static void post_text(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)id;
    answer_take(h, x, &dialect_text);
}

static void get_health(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)h;
    (void)id;
    reply_json(x, 200, json_pack("{s:s}", "status", "ok"));
}

const struct route routes_gateway[] = {
    {"GET", "/health", get_health},
    {"GET", "/v1/models", model_rows_openai},
    {"GET", "/v1/models/**", model_rows_one},
    {"POST", "/v1/chat/completions", post_chat},
    {"POST", "/v1/completions", post_text},
    {"POST", "/v1/embeddings", embed_openai},
    {"POST", "/tokenize", embed_tokenize},
    {"POST", "/detokenize", embed_detokenize},
    {0},
};
