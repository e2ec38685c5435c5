/* order.c - see order.h. The ranges are those of the OpenAI API reference, widened where the worker
 * allows more. */
#include "hive/gateway/order.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/inference.h"
#include "api/json_whole.h"
#include "api/modelref.h"
#include "base/str.h"

#define ORDER_SEED_BYTES 32

int order_init(struct order *o)
{
    *o = (struct order){.body = json_object(), .n = 1};
    return o->body ? 0 : -1;
}

void order_forget_text(struct order *o)
{
    json_decref(o->body);
    json_decref(o->prompts);
    free(o->text);
    o->body = o->prompts = NULL;
    o->text = NULL;
}

bool order_has_text(const struct order *o)
{
    return o->body || o->text;
}

int order_settle_echo(struct order *o)
{
    if (!o->echo)
        return 0;
    o->echo_text = json_write(o->echo, JSON_COMPACT);
    if (!o->echo_text)
        return -1;
    o->n_echo = strlen(o->echo_text);
    json_decref(o->echo);
    o->echo = NULL;
    return 0;
}

void order_done(struct order *o)
{
    order_forget_text(o);
    json_decref(o->echo);
    free(o->echo_text);
    free(o->model);
    *o = (struct order){0};
}

unsigned order_n_choices(const struct order *o)
{
    return o->n * (o->prompts ? (unsigned)json_array_size(o->prompts) : 1);
}

void order_put(struct order *o, const char *name, json_t *value)
{
    json_object_set_new(o->body, name, value);
}

/* What all choices have in common is written once: it may be megabytes. */
static int make_text(struct order *o)
{
    if (o->text)
        return 0;
    if (json_object_set_new(o->body, "stream", json_true()) == 0)
        o->text = json_write(o->body, JSON_COMPACT);
    if (!o->text)
        return -1;
    o->text[strlen(o->text) - 1] = '\0';
    json_decref(o->body);
    o->body = NULL;
    return 0;
}

/* With its own prompt and seed. A text is a template's, filled in by who asks, as llama-server has
 * it: the control tokens in it are meant. */
char *order_body(struct order *o, unsigned index)
{
    const json_t *prompt = json_array_get(o->prompts, index / o->n);
    const char *name = !prompt                 ? ""
                       : json_is_array(prompt) ? ",\"prompt_tokens\":"
                                               : ",\"parse_special\":true,\"prompt\":";
    char seed[ORDER_SEED_BYTES] = "", *own, *body;
    size_t n;

    if (make_text(o))
        return NULL;
    own = prompt ? json_write(prompt, JSON_COMPACT | JSON_ENCODE_ANY) : str_dup("");
    if (!own)
        return NULL;
    if (o->seed_given)
        snprintf(seed, sizeof seed, ",\"seed\":%lld",
                 (long long)((o->seed + index % o->n) & ORDER_SEED_MAX));
    n = strlen(o->text) + strlen(seed) + strlen(name) + strlen(own) + sizeof "}";
    body = malloc(n);
    if (body)
        snprintf(body, n, "%s%s%s%s}", o->text, seed, name, own);
    free(own);
    return body;
}

void order_model(struct fields *f, struct order *o)
{
    const char *text;

    if (fields_text(f, "model", false, MODEL_REF_MAX, &text) && !(o->model = str_dup(text)))
        fields_lose(f);
}

void order_deadline(struct fields *f, struct order *o)
{
    double seconds;

    if (!fields_number(f, "timeout_seconds", 0, INFERENCE_TIMEOUT_MAX_S, &seconds))
        return;
    order_put(o, "timeout_seconds", json_real(seconds));
    o->timeout_ms = (int64_t)ceil(seconds * 1000);
}

void order_stream(struct fields *f, struct order *o)
{
    json_t *options, *value;
    const char *name;

    fields_bool(f, "stream", &o->stream);
    options = fields_any(f, "stream_options", false);
    if (options && !json_is_object(options))
        fields_fail(f, "stream_options", "object", "stream_options must be an object.");
    else if (options && !o->stream)
        fields_fail(f, "stream_options", "with stream",
                    "stream_options is for requests with \"stream\": true.");
    json_object_foreach(options, name, value)
    {
        if (str_eq(name, "include_usage") && json_is_boolean(value))
            o->include_usage = json_is_true(value);
        else if (!(str_eq(name, "include_obfuscation") && json_is_false(value)))
            fields_fail(f, "stream_options", "include_usage",
                        "stream_options takes include_usage, true or false, and no other field.");
    }
}

void order_number(struct fields *f, struct order *o, const char *name, const char *to, double min,
                  double max)
{
    double v;

    if (fields_number(f, name, min, max, &v))
        order_put(o, to, json_real(v));
}

void order_int(struct fields *f, struct order *o, const char *name, const char *to, int64_t min,
               int64_t max)
{
    int64_t v;

    if (fields_int(f, name, false, min, max, &v))
        order_put(o, to, json_integer(v));
}

void order_bool(struct fields *f, struct order *o, const char *name, const char *to)
{
    bool v;

    if (fields_bool(f, name, &v))
        order_put(o, to, json_boolean(v));
}

static bool is_stop(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) > 0;
}

void order_stop(struct fields *f, struct order *o, const char *name)
{
    json_t *value = fields_any(f, name, false), *item, *list;
    bool good = json_is_array(value) || is_stop(value);
    size_t i;

    if (!value || (json_is_array(value) && json_array_size(value) == 0))
        return;
    json_array_foreach(value, i, item) good = good && is_stop(item);
    if (good && json_array_size(value) > ORDER_STOP_MAX) {
        fields_fail(f, name, "text, or array of at most 16", "%s has %zu texts, the limit is %d.",
                    name, json_array_size(value), ORDER_STOP_MAX);
        return;
    }
    if (!good) {
        fields_fail(f, name, "text, or array of at most 16",
                    "%s must be a text that is not empty, or an array of at most %d of them.", name,
                    ORDER_STOP_MAX);
        return;
    }
    list = json_is_array(value) ? json_incref(value) : json_pack("[O]", value);
    order_put(o, "stop", list);
}

/* Of OpenAI's 64 bits those that the worker takes. -1 means any, as to llama-server and others. */
static void order_seed(struct fields *f, struct order *o)
{
    int64_t seed;

    o->seed_given = fields_int(f, "seed", false, INT64_MIN, INT64_MAX, &seed) && seed != -1;
    if (o->seed_given)
        o->seed = seed & ORDER_SEED_MAX;
}

void order_n(struct fields *f, struct order *o)
{
    int64_t n;

    if (fields_int(f, "n", false, 1, ORDER_N_MAX, &n))
        o->n = (unsigned)n;
}

static void take_logit_bias(struct fields *f, struct order *o)
{
    json_t *bias = fields_any(f, "logit_bias", false), *value;
    const char *token;

    if (!bias)
        return;
    if (!json_is_object(bias))
        fields_fail(f, "logit_bias", "object", "logit_bias must be an object of token ids.");
    json_object_foreach(bias, token, value)
    {
        double v = json_number_value(value);

        if (!json_is_number(value) || v < -100 || v > 100) {
            fields_fail(f, "logit_bias", "numbers from -100 to 100",
                        "logit_bias must give each token id a number from -100 to 100.");
            return;
        }
    }
    if (json_object_size(bias))
        order_put(o, "logit_bias", json_incref(bias));
}

void order_sampling(struct fields *f, struct order *o)
{
    order_number(f, o, "temperature", "temperature", 0, 2);
    order_number(f, o, "top_p", "top_p", 0, 1);
    order_int(f, o, "top_k", "top_k", 0, INT32_MAX);
    order_number(f, o, "min_p", "min_p", 0, 1);
    order_number(f, o, "presence_penalty", "presence_penalty", -2, 2);
    order_number(f, o, "frequency_penalty", "frequency_penalty", -2, 2);
    order_number(f, o, "repetition_penalty", "repetition_penalty", 0, 2);
    order_bool(f, o, "ignore_eos", "ignore_eos");
    order_stop(f, o, "stop");
    order_seed(f, o);
    take_logit_bias(f, o);
}

/* ---- formats ---- */

void order_logprobs(struct order *o, int64_t top)
{
    o->scored = true;
    order_put(o, "logprobs", json_true());
    order_put(o, "top_logprobs", json_integer(top));
}

void order_schema(struct order *o, json_t *schema)
{
    order_put(o, "json_schema", json_incref(schema));
}

static void take_json_schema(struct fields *f, struct order *o, json_t *wrapper)
{
    static const char *const known[] = {"name", "description", "schema", "strict"};
    json_t *schema = json_object_get(wrapper, "schema"), *value;
    const char *name;

    json_object_foreach(wrapper, name, value)
    {
        bool is_known = false;

        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            is_known = is_known || str_eq(name, known[i]);
        if (!is_known)
            fields_fail(f, "response_format", "known field",
                        "response_format.json_schema has a field that is not known: '%.60s'.",
                        name);
    }
    if (json_is_object(schema) || json_is_boolean(schema))
        order_schema(o, schema);
    else
        fields_fail(f, "response_format", "json_schema.schema",
                    "response_format.json_schema.schema must be a JSON schema.");
}

/* An object; by some servers' custom, one of a schema. */
static void take_json_object(struct fields *f, struct order *o, json_t *schema)
{
    if (json_is_object(schema))
        order_schema(o, schema);
    else if (!schema || json_is_null(schema))
        order_put(o, "json_schema", json_pack("{s:s}", "type", "object"));
    else
        fields_fail(f, "response_format", "schema",
                    "response_format.schema must be a JSON schema, an object.");
}

/* Beside its type a format has what that type takes. */
static void check_format(struct fields *f, const json_t *format, const char *type)
{
    const char *wanted = str_eq(type, "json_object")   ? "schema"
                         : str_eq(type, "json_schema") ? "json_schema"
                                                       : "type",
               *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)format, name, value)
    {
        if (!json_is_null(value) && !str_eq(name, "type") && !str_eq(name, wanted))
            fields_fail(f, "response_format", "known field",
                        "response_format of this type has no field '%.60s'.", name);
    }
}

void order_response_format(struct fields *f, struct order *o)
{
    json_t *format = fields_any(f, "response_format", false);
    const char *type = json_string_value(json_object_get(format, "type"));

    if (!format)
        return;
    if (str_eq(type, "json_object")) {
        take_json_object(f, o, json_object_get(format, "schema"));
    } else if (str_eq(type, "json_schema")) {
        take_json_schema(f, o, json_object_get(format, "json_schema"));
    } else if (!str_eq(type, "text")) {
        fields_fail(f, "response_format", "type",
                    "response_format.type must be text, json_object or json_schema.");
        return;
    }
    check_format(f, format, type);
}

/* ---- the template's variables ---- */

void order_template_var(struct order *o, const char *name, json_t *value)
{
    json_t *vars = json_object_get(o->body, "template_vars");

    if (!vars) {
        order_put(o, "template_vars", json_object());
        vars = json_object_get(o->body, "template_vars");
    }
    json_object_set_new(vars, name, value);
}

void order_template_vars(struct fields *f, struct order *o)
{
    json_t *vars = fields_any(f, "chat_template_kwargs", false), *value;
    const char *name, *effort, *verbosity;

    if (vars && !json_is_object(vars))
        fields_fail(f, "chat_template_kwargs", "object", "chat_template_kwargs must be an object.");
    if (fields_text(f, "reasoning_effort", false, ORDER_TEXT_MAX, &effort)) {
        order_template_var(o, "reasoning_effort", json_string(effort));
        order_template_var(o, "enable_thinking", json_boolean(!str_eq(effort, "none")));
    }
    if (fields_text(f, "verbosity", false, ORDER_TEXT_MAX, &verbosity))
        order_template_var(o, "verbosity", json_string(verbosity));
    json_object_foreach(vars, name, value) order_template_var(o, name, json_incref(value));
}

/* ---- what is nothing to us ---- */

void order_ignore_texts(struct fields *f, const char *const *names)
{
    for (; *names; names++) {
        const json_t *value = fields_any(f, *names, false);

        if (value && !json_is_string(value))
            fields_fail(f, *names, "string", "%s must be a string.", *names);
    }
}

void order_ignore_object(struct fields *f, const char *name)
{
    const json_t *value = fields_any(f, name, false);

    if (value && !json_is_object(value))
        fields_fail(f, name, "object", "%s must be an object.", name);
}

void order_only(struct fields *f, const char *name, const char *const *words, const char *why)
{
    const json_t *value = fields_any(f, name, false);

    if (!value)
        return;
    for (const char *const *word = words; *word; word++)
        if (str_eq(json_string_value(value), *word) && json_string_length(value) == strlen(*word))
            return;
    fields_fail(f, name, words[0], "%s: %s", name, why);
}

const char *order_text_at(struct fields *f, const char *field, size_t i, const json_t *object,
                          const char *name)
{
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);

    if (value && !json_is_null(value) && (!text || strlen(text) != json_string_length(value)))
        fields_fail(f, field, "string", "%s[%zu]: %s must be a string without a NUL.", field, i,
                    name);
    return text ? text : "";
}

void order_refuse(struct fields *f, const char *name, const char *why)
{
    if (fields_any(f, name, false))
        fields_fail(f, name, "not here", "%s: %s", name, why);
}
