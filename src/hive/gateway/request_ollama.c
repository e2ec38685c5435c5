/* request_ollama.c - the requests of /api/chat and /api/generate; see request.h. Source: Ollama's
 * docs/api.md, as of 2026. */
#include <stdio.h>
#include <string.h>

#include "api/modelref.h"
#include "base/str.h"
#include "hive/gateway/request.h"

/* ---- what Go's clients write ---- */

/* Their texts are always there; one that nobody set is "". */
static bool is_unset(const struct fields *f, const char *name)
{
    const json_t *value = json_object_get(f->root, name);

    return json_is_string(value) && json_string_length(value) == 0;
}

/* NULL where it says none, and need not as the other one does. */
static const char *name_in(struct fields *f, const char *field, const char *other)
{
    const char *text = NULL;

    if (is_unset(f, field) && json_string_length(json_object_get(f->root, other)) > 0)
        fields_any(f, field, false);
    else
        fields_text(f, field, false, MODEL_REF_MAX, &text);
    return text;
}

const char *request_ollama_model(struct fields *f)
{
    const char *model = name_in(f, "model", "name"), *name = name_in(f, "name", "model");

    return model ? model : name;
}

void request_ollama_unset(struct fields *f, const char *const *names)
{
    for (; *names; names++)
        if (fields_any(f, *names, false) && !is_unset(f, *names))
            fields_fail(f, *names, "empty", "%s must be empty, or left out.", *names);
}

/* ---- what chat and generate share ---- */

static void take_format(struct fields *f, struct order *o)
{
    json_t *format = fields_any(f, "format", false);
    const char *text = json_string_value(format);

    if (!format || str_eq(text, ""))
        return;
    if (str_eq(text, "json"))
        order_put(o, "json_schema", json_pack("{s:s}", "type", "object"));
    else if (json_is_object(format))
        order_schema(o, format);
    else
        fields_fail(f, "format", "json, or a schema", "format must be \"json\" or a JSON schema.");
}

static void take_think(struct fields *f, struct order *o)
{
    json_t *think = fields_any(f, "think", false);

    if (json_is_string(think))
        order_template_var(o, "reasoning_effort", json_incref(think));
    else if (think && !json_is_boolean(think))
        fields_fail(f, "think", "true, false, or a level",
                    "think must be true, false, or one of "
                    "the model's levels.");
    if (think)
        order_template_var(o, "enable_thinking", json_boolean(!json_is_false(think)));
}

/* What some programs for Ollama put beside the options (ollama-ai-provider-v2; Open WebUI the limit
 * of a title). */
static void take_outside(struct fields *f, struct order *o)
{
    int64_t limit = ORDER_TOKENS_MAX;

    order_number(f, o, "temperature", "temperature", 0, 2);
    order_number(f, o, "top_p", "top_p", 0, 1);
    fields_int(f, "max_output_tokens", false, 1, ORDER_TOKENS_MAX, &limit);
    order_put(o, "max_tokens", json_integer(limit));
    request_ollama_limit(f, o);
}

/* What is done anyway: a prompt that does not fit is refused with its numbers, and an answer ends
 * where the context does, whether cutting and shifting were allowed or not. */
static void take_idle(struct fields *f)
{
    bool logprobs = false, any;

    fields_bool(f, "truncate", &any);
    fields_bool(f, "shift", &any);
    if (fields_bool(f, "logprobs", &logprobs) && logprobs)
        fields_fail(f, "logprobs", "false", "logprobs: ask for them at /v1/chat/completions.");
    fields_int(f, "top_logprobs", false, 0, 20, &(int64_t){0});
}

static void read_common(struct fields *f, struct order *o)
{
    const char *model = request_ollama_model(f);

    o->model = model ? str_dup(model) : NULL;
    if (model && !o->model)
        fields_lose(f);
    o->stream = true;
    fields_bool(f, "stream", &o->stream);
    o->keep_alive_given = fields_go_duration_ms(f, "keep_alive", &o->keep_alive_ms);
    take_outside(f, o);
    request_ollama_options(f, o);
    take_idle(f);
    take_format(f, o);
    take_think(f, o);
}

/* ---- messages ---- */

#define CALLS_OPEN_MAX 128 /* of one message, that results without ids can be matched with */

/*
 * Ollama's calls may have no ids, and templates want them to find each result's call: those without
 * are numbered. A result without an id belongs to the first call of its name that has none yet,
 * else to the next one.
 */
struct numbering {
    unsigned n_calls;
    /* Calls of the last message that made some, without results: id (owned), name. */
    struct {
        json_t *id;
        const json_t *name;
    } open[CALLS_OPEN_MAX];
    size_t n_open;
};

static void forget_calls(struct numbering *n)
{
    while (n->n_open)
        json_decref(n->open[--n->n_open].id);
}

static json_t *id_of(const json_t *call, unsigned number)
{
    json_t *id = json_object_get(call, "id");
    char text[32];

    if (json_string_length(id))
        return json_incref(id);
    snprintf(text, sizeof text, "call_%u", number);
    return json_string(text);
}

static json_t *calls_of(const json_t *calls, struct numbering *n)
{
    json_t *out = json_array(), *call;
    size_t i;

    forget_calls(n);
    json_array_foreach((json_t *)(uintptr_t)calls, i, call)
    {
        json_t *function = json_object_get(call, "function"),
               *name = json_object_get(function, "name"), *id = id_of(call, n->n_calls++);

        if (n->n_open < CALLS_OPEN_MAX) {
            n->open[n->n_open].id = json_incref(id);
            n->open[n->n_open++].name = name;
        }
        json_array_append_new(out, json_pack("{s:o, s:s, s:{s:O*, s:O*}}", "id", id, "type",
                                             "function", "function", "name", name, "arguments",
                                             json_object_get(function, "arguments")));
    }
    return out;
}

/* Of names and ids; a large value in the place of one is compared with nothing. */
static bool is_same(const json_t *a, const json_t *b)
{
    return !json_is_object(a) && !json_is_array(a) && json_equal(a, b);
}

/* The id of the call that a result belongs to, which has its result then. */
static json_t *call_of(const json_t *message, const json_t *name, struct numbering *n)
{
    json_t *id = json_object_get(message, "tool_call_id");
    bool given = id && !json_is_null(id);
    size_t at = 0;

    while (at < n->n_open &&
           !(given ? is_same(n->open[at].id, id) : is_same(n->open[at].name, name)))
        at++;
    if (at == n->n_open && !given)
        at = 0;
    if (at == n->n_open)
        return given ? json_incref(id) : id_of(NULL, n->n_calls++);
    id = n->open[at].id;
    memmove(&n->open[at], &n->open[at + 1], (--n->n_open - at) * sizeof n->open[0]);
    return id;
}

static void check_array(struct fields *f, const json_t *message, size_t i, const char *name)
{
    const json_t *value = json_object_get(message, name);

    if (value && !json_is_null(value) && !json_is_array(value))
        fields_fail(f, "messages", "array", "messages[%zu].%s must be an array.", i, name);
}

static void check_names(struct fields *f, const json_t *message, size_t i)
{
    static const char *const known[] = {"role",     "content",      "images",
                                        "thinking", "tool_calls",   "tool_name",
                                        "name",     "tool_call_id", "id"};
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)message, name, value)
    {
        bool is_known = json_is_null(value);

        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            is_known = is_known || str_eq(name, known[k]);
        if (!is_known)
            fields_fail(f, "messages", "known field", "messages[%zu] has no field '%.60s'.", i,
                        name);
    }
    check_array(f, message, i, "images");
    check_array(f, message, i, "tool_calls");
    order_text_at(f, "messages", i, message, "thinking");
    order_text_at(f, "messages", i, message, "tool_name");
    if (json_array_size(json_object_get(message, "images")))
        fields_fail(f, "messages", "text", "messages[%zu].images: models here take text only.", i);
}

static json_t *message_of(const json_t *message, struct numbering *n)
{
    json_t *calls = json_object_get(message, "tool_calls"),
           *name = json_object_get(message, "tool_name"), *out;

    if (!name || json_is_null(name))
        name = json_object_get(message, "name"); /* as in OpenAI's messages */
    out = json_pack("{s:O*, s:O*, s:O*, s:O*}", "role", json_object_get(message, "role"), "content",
                    json_object_get(message, "content"), "reasoning_content",
                    json_object_get(message, "thinking"), "name", name);
    if (json_array_size(calls))
        json_object_set_new(out, "tool_calls", calls_of(calls, n));
    if (str_eq(json_string_value(json_object_get(message, "role")), "tool"))
        json_object_set_new(out, "tool_call_id", call_of(message, name, n));
    return out;
}

static void read_messages(struct fields *f, struct order *o)
{
    json_t *messages = fields_any(f, "messages", false), *out = json_array(), *message;
    struct numbering n = {0};
    size_t i;

    if (messages && !json_is_array(messages))
        fields_fail(f, "messages", "array of messages", "messages must be an array.");
    json_array_foreach(messages, i, message)
    {
        if (!json_is_object(message))
            fields_fail(f, "messages", "objects", "messages[%zu] must be an object.", i);
        else
            json_array_append_new(out, message_of(message, &n));
        check_names(f, message, i);
    }
    forget_calls(&n);
    order_put(o, "messages", out);
}

/* ---- the two of them ---- */

static void read_chat(struct fields *f, struct order *o)
{
    json_t *tools, *choice;

    read_common(f, o);
    read_messages(f, o);
    tools = fields_any(f, "tools", false);
    choice = fields_any(f, "tool_choice", false);
    if (choice)
        order_put(o, "tool_choice", json_incref(choice));
    if (tools && !json_is_array(tools))
        fields_fail(f, "tools", "array", "tools must be an array.");
    else if (json_array_size(tools))
        order_put(o, "tools", json_incref(tools));
    o->only_load = json_array_size(json_object_get(o->body, "messages")) == 0;
}

/* A text that may be empty, "" when it is not there. */
static const char *text_of(struct fields *f, const char *name)
{
    const json_t *value = fields_any(f, name, false);
    const char *text = json_string_value(value);

    if (value && (!text || strlen(text) != json_string_length(value)))
        fields_fail(f, name, "text", "%s must be a text without a NUL.", name);
    return text ? text : "";
}

static void put_prompt(struct order *o, const char *prompt, const char *preamble, bool raw)
{
    json_t *messages;

    if (raw) {
        order_put(o, "prompt", json_string(prompt));
        order_put(o, "parse_special", json_true()); /* it is a template's text, filled in */
        json_object_del(o->body, "template_vars");
        return;
    }
    messages = json_array();
    if (preamble[0])
        json_array_append_new(messages,
                              json_pack("{s:s, s:s}", "role", "system", "content", preamble));
    json_array_append_new(messages, json_pack("{s:s, s:s}", "role", "user", "content", prompt));
    order_put(o, "messages", messages);
}

static void read_generate(struct fields *f, struct order *o)
{
    const char *prompt, *preamble;
    json_t *images, *context;
    bool raw = false;

    read_common(f, o);
    prompt = text_of(f, "prompt");
    preamble = text_of(f, "system");
    fields_bool(f, "raw", &raw);
    if (raw && preamble[0])
        fields_fail(f, "system", "without raw", "system has no place in a raw prompt.");
    images = fields_any(f, "images", false);
    if (images && !json_is_array(images))
        fields_fail(f, "images", "array", "images must be an array.");
    if (json_array_size(images))
        fields_fail(f, "images", "none", "images: models here take text only.");
    if (text_of(f, "suffix")[0])
        fields_fail(f, "suffix", "none", "suffix: this server does not fill in the middle.");
    if (text_of(f, "template")[0])
        fields_fail(f, "template", "none",
                    "template: a template is the model's, or [hive] chat_template; send raw.");
    context = fields_any(f, "context", false);
    if (context && (!json_is_array(context) || json_array_size(context)))
        fields_fail(f, "context", "none",
                    "context: is Ollama's own form of a history; use /api/chat.");
    o->only_load = prompt[0] == '\0';
    put_prompt(o, prompt, preamble, raw);
}

static const char *const names[][2] = {
    {"json_schema", "format"}, {"template_vars", "think"}, {NULL, NULL}};

const struct request_kind request_ollama_chat = {read_chat, names};
const struct request_kind request_ollama_generate = {read_generate, names};
