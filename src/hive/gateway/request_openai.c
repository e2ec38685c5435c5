/* request_openai.c - the requests of /v1/chat/completions and /v1/completions; see request.h.
 * Source: the OpenAI API reference, as of 2026. */
#include "base/str.h"
#include "hive/gateway/request.h"

#define TEXT_MAX_TOKENS  16 /* OpenAI's default for completions */
#define TOP_LOGPROBS_MAX 20

void request_openai_tolerate(struct fields *f)
{
    static const char *const texts[] = {"user", "safety_identifier", "prompt_cache_key", NULL},
                             *const tiers[] = {"auto", "default", NULL},
                             *const memory[] = {"in_memory", "in-memory", "24h", NULL};
    bool store = false;

    order_ignore_texts(f, texts);
    order_ignore_object(f, "metadata");
    order_ignore_object(f, "prompt_cache_options");
    order_refuse(f, "moderation", "this server does not moderate.");
    order_only(f, "service_tier", tiers, "there is one tier here; send auto, default or nothing.");
    order_only(f, "prompt_cache_retention", memory,
               "prompts are kept as long as there is room; send in_memory, 24h or nothing.");
    if (fields_bool(f, "store", &store) && store)
        fields_fail(f, "store", "false", "store: nothing is stored here; send false or nothing.");
}

/* ---- /v1/chat/completions ---- */

/* A message as it came, without what clients put back from an earlier answer of ours and what means
 * nothing to a template: nulls, empty annotations. */
static json_t *plain_message(const json_t *message)
{
    json_t *out = json_object(), *value;
    const char *name;

    json_object_foreach((json_t *)(uintptr_t)message, name, value)
    {
        bool empty = json_is_array(value) && json_array_size(value) == 0;

        if (!json_is_null(value) && !(empty && str_eq(name, "annotations")) &&
            !(empty && str_eq(name, "tool_calls")))
            json_object_set(out, name, value);
    }
    if (!json_object_get(out, "content"))
        json_object_set_new(out, "content", json_null());
    return out;
}

static void read_messages(struct fields *f, struct order *o)
{
    json_t *messages = fields_any(f, "messages", true), *out = json_array(), *message;
    size_t i;

    if (messages && (!json_is_array(messages) || json_array_size(messages) == 0))
        fields_fail(f, "messages", "array of messages",
                    "messages must be an array with at least one message.");
    json_array_foreach(messages, i, message)
    {
        if (json_is_object(message))
            json_array_append_new(out, plain_message(message));
        else
            fields_fail(f, "messages", "objects", "messages[%zu] must be an object.", i);
    }
    order_put(o, "messages", out);
}

static void read_tools(struct fields *f, struct order *o)
{
    json_t *tools = fields_any(f, "tools", false), *choice = fields_any(f, "tool_choice", false);

    if (tools && !json_is_array(tools))
        fields_fail(f, "tools", "array", "tools must be an array.");
    else if (json_array_size(tools))
        order_put(o, "tools", json_incref(tools));
    if (choice)
        order_put(o, "tool_choice", json_incref(choice));
    order_bool(f, o, "parallel_tool_calls", "parallel_tool_calls");
    order_refuse(f, "functions", "is deprecated and not taken here; use tools.");
    order_refuse(f, "function_call", "is deprecated and not taken here; use tool_choice.");
}

static void read_chat_logprobs(struct fields *f, struct order *o)
{
    bool wanted = false;
    int64_t top = 0;

    fields_bool(f, "logprobs", &wanted);
    if (fields_int(f, "top_logprobs", false, 0, TOP_LOGPROBS_MAX, &top) && !wanted && top > 0)
        fields_fail(f, "top_logprobs", "with logprobs", "top_logprobs needs \"logprobs\": true.");
    if (wanted)
        order_logprobs(o, top);
}

/* max_completion_tokens, or by its old name; none means as many as the context holds. */
/* A number of tokens; -1, as to llama-server, is as many as there is room for. */
static bool read_limit(struct fields *f, const char *name, int64_t *n)
{
    int64_t whole;

    if (fields_whole(json_object_get(f->root, name), &whole) && whole == -1) {
        fields_any(f, name, false);
        *n = ORDER_TOKENS_MAX;
        return true;
    }
    return fields_int(f, name, false, 1, ORDER_TOKENS_MAX, n);
}

static void read_chat_limit(struct fields *f, struct order *o)
{
    int64_t n = ORDER_TOKENS_MAX, old;
    bool has_new = read_limit(f, "max_completion_tokens", &n);

    if (read_limit(f, "max_tokens", &old)) {
        if (has_new && n != old)
            fields_fail(f, "max_tokens", "once",
                        "max_tokens and max_completion_tokens mean the same and differ.");
        n = old;
    }
    order_put(o, "max_tokens", json_integer(n));
}

static void read_media(struct fields *f)
{
    json_t *modalities = fields_any(f, "modalities", false);

    if (modalities && (json_array_size(modalities) != 1 ||
                       !str_eq(json_string_value(json_array_get(modalities, 0)), "text")))
        fields_fail(f, "modalities", "[\"text\"]", "modalities: this server answers in text only.");
    order_refuse(f, "audio", "this server answers in text only.");
    order_refuse(f, "prediction", "predicted outputs are not taken here.");
    order_refuse(f, "web_search_options", "this server does not search the web.");
}

static void read_chat(struct fields *f, struct order *o)
{
    order_model(f, o);
    read_messages(f, o);
    read_tools(f, o);
    read_chat_limit(f, o);
    read_chat_logprobs(f, o);
    read_media(f);
    order_stream(f, o);
    order_deadline(f, o);
    order_n(f, o);
    order_sampling(f, o);
    order_response_format(f, o);
    order_template_vars(f, o);
    /* Of goose, say, which thinks of Ollama. */
    request_ollama_loading(f, &o->ctx_min, &o->keep_alive_given, &o->keep_alive_ms);
    order_bool(f, o, "continue_final_message", "continue_final_message");
    order_bool(f, o, "add_generation_prompt", "add_generation_prompt");
    request_openai_tolerate(f);
}

static const char *const chat_names[][2] = {
    {"json_schema", "response_format"}, {"template_vars", "chat_template_kwargs"}, {NULL, NULL}};

const struct request_kind request_chat = {read_chat, chat_names};

/* ---- /v1/completions ---- */

static bool is_ids(const json_t *list)
{
    const json_t *id;
    int64_t whole;
    size_t i;

    json_array_foreach(list, i, id) if (!fields_whole(id, &whole)) return false;
    return json_array_size(list) > 0;
}

/* A text, texts, token ids, or arrays of them: always a list of prompts in the end. */
static void read_prompt(struct fields *f, struct order *o)
{
    json_t *prompt = fields_any(f, "prompt", true), *one;
    bool good = json_array_size(prompt) > 0;
    size_t i;

    if (!prompt)
        return;
    if (json_is_string(prompt) || is_ids(prompt)) {
        o->prompts = json_pack("[O]", prompt);
        return;
    }
    json_array_foreach(prompt, i, one) good =
        good && (json_is_string(one) || (json_is_array(one) && is_ids(one)));
    if (good)
        o->prompts = json_incref(prompt);
    else
        fields_fail(f, "prompt", "text, texts, token ids, or arrays of ids",
                    "prompt must be a text, an array of texts, of token ids, or of arrays of "
                    "token ids.");
}

static void read_text_limits(struct fields *f, struct order *o)
{
    const json_t *suffix = fields_any(f, "suffix", false);
    int64_t best_of = 1, n = TEXT_MAX_TOKENS;
    bool echo = false;

    read_limit(f, "max_tokens", &n);
    order_put(o, "max_tokens", json_integer(n));
    fields_bool(f, "echo", &echo);
    if (echo)
        fields_fail(f, "echo", "false", "echo: the prompt is not repeated by this server.");
    fields_int(f, "best_of", false, 1, INT32_MAX, &best_of);
    if (best_of > 1)
        fields_fail(f, "best_of", "1",
                    "best_of: this server returns every answer it computes; "
                    "use n.");
    if (suffix && (!json_is_string(suffix) || json_string_length(suffix) > 0))
        fields_fail(f, "suffix", "empty",
                    "suffix: this server does not fill in the middle of a text.");
}

static void read_text(struct fields *f, struct order *o)
{
    int64_t logprobs;

    order_model(f, o);
    read_prompt(f, o);
    read_text_limits(f, o);
    order_stream(f, o);
    order_deadline(f, o);
    order_n(f, o);
    order_sampling(f, o);
    order_response_format(f, o);
    if (fields_int(f, "logprobs", false, 0, TOP_LOGPROBS_MAX, &logprobs))
        order_logprobs(o, logprobs);
    request_openai_tolerate(f);
}

static const char *const text_names[][2] = {
    {"json_schema", "response_format"}, {"prompt_tokens", "prompt"}, {NULL, NULL}};

const struct request_kind request_text = {read_text, text_names};
