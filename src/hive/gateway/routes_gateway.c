/* routes_gateway.c - the gateway's routes: any client's API, one address. */
#include <string.h>

#include "base/str.h"
#include "hive/gateway/anthropic.h"
#include "hive/gateway/dialects.h"
#include "hive/gateway/embed.h"
#include "hive/gateway/model_rows.h"
#include "hive/gateway/ollama.h"
#include "hive/gateway/running.h"
#include "hive/http/reply.h"
#include "hive/routes/routes.h"

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

static void post_responses(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)id;
    answer_take(h, x, &dialect_responses);
}

static void post_messages(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)id;
    answer_take(h, x, &dialect_messages);
}

static void post_ollama_chat(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)id;
    answer_take(h, x, &dialect_ollama_chat);
}

static void post_ollama_generate(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)id;
    answer_take(h, x, &dialect_ollama_generate);
}

static void get_health(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)h;
    (void)id;
    reply_json(x, 200, json_pack("{s:s}", "status", "ok"));
}

/* Some clients ask so before anything else whether a server is there, Ollama's command line by
 * HEAD. */
static void get_root(struct hive *h, struct http_exchange *x, const char *id)
{
    static const char text[] = "rbee is running";

    (void)h;
    (void)id;
    http_reply(x, 200, "text/plain; charset=utf-8", text, sizeof text - 1);
}

const struct route routes_gateway[] = {
    {"GET", "/", get_root},
    {"GET", "/health", get_health},
    {"GET", "/v1/models", model_rows_openai},
    {"GET", "/v1/models/**", model_rows_one},
    {"POST", "/v1/chat/completions", post_chat},
    {"POST", "/v1/completions", post_text},
    {"POST", "/v1/embeddings", embed_openai},
    {"POST", "/v1/responses", post_responses},
    {"POST", "/v1/messages", post_messages},
    {"POST", "/v1/messages/count_tokens", anthropic_count},
    {"POST", "/api/chat", post_ollama_chat},
    {"POST", "/api/generate", post_ollama_generate},
    {"POST", "/api/embed", embed_ollama},
    {"POST", "/api/embeddings", embed_ollama_old},
    {"GET", "/api/tags", ollama_tags},
    {"GET", "/api/ps", ollama_ps},
    {"POST", "/api/show", ollama_show},
    {"POST", "/api/pull", ollama_pull},
    {"GET", "/api/version", ollama_version},
    {"POST", "/tokenize", embed_tokenize},
    {"POST", "/detokenize", embed_detokenize},
    {"DELETE", "/v1/inference/*", running_delete},
    {0},
};
