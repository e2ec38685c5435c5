/*
 * inference.c - requests; see inference.h. What belongs to conversations is in inference_chat.c, a
 * request's text in inference_text.c, the events in inference_events.c.
 *
 * One table row a field. What comes from outside is only ever quoted as a field's name, cut short;
 * values, and the JSON library's messages (which quote the text), never get into an error. Source:
 * RFC 8259 for the text, the project's contract for names and ranges. Any thread; no state.
 */
#include "api/inference.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "api/inference_checks.h"
#include "api/json_load.h"
#include "api/json_whole.h"
#include "base/str.h"
#include "base/uuid.h"

#define FIELD_NAME_SHOWN 64 /* bytes of a name from outside that an error may quote */
#define MESSAGE_MAX      256

void checks_fail(struct checks *c, const char *field, const char *constraint, const char *fmt, ...)
{
    char message[MESSAGE_MAX];
    json_t *item;
    va_list ap;

    if (c->n_failed++ >= INFERENCE_ERRORS_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    item =
        json_pack("{s:s, s:s, s:s}", "field", field, "constraint", constraint, "message", message);
    if (!item || json_array_append_new(c->errors, item))
        c->no_memory = true;
}

static void *member(const struct checks *c, const struct field *f)
{
    return (char *)c->r + f->offset;
}

static void wrong_range(struct checks *c, const struct field *f, const char *kind)
{
    char constraint[80];

    snprintf(constraint, sizeof constraint, "%s from %.16g to %.16g", kind, f->min, f->max);
    checks_fail(c, f->name, constraint, "%s must be %s %s.", f->name, kind[0] == 'i' ? "an" : "a",
                constraint);
}

static void take_number(struct checks *c, const struct field *f, const json_t *value)
{
    double v = json_number_value(value);

    if (!json_is_number(value) || v < f->min || v > f->max)
        wrong_range(c, f, "number");
    else
        *(double *)member(c, f) = v;
}

/* A whole number in the field's range, also when written as 20.0. */
static bool whole_number(const struct field *f, const json_t *value, uint64_t *out)
{
    double v = json_number_value(value);

    if (!json_is_number(value) || v != floor(v) || v < f->min || v > f->max)
        return false;
    *out = json_is_integer(value) ? (uint64_t)json_integer_value(value) : (uint64_t)v;
    return true;
}

static void take_u32(struct checks *c, const struct field *f, const json_t *value)
{
    uint64_t v;

    if (whole_number(f, value, &v))
        *(uint32_t *)member(c, f) = (uint32_t)v;
    else
        wrong_range(c, f, "integer");
}

static void take_seed(struct checks *c, const struct field *f, const json_t *value)
{
    c->r->seed_given = whole_number(f, value, &c->r->seed);
    if (!c->r->seed_given)
        wrong_range(c, f, "integer");
}

static void take_timeout(struct checks *c, const struct field *f, const json_t *value)
{
    double v = json_number_value(value);

    if (!json_is_number(value) || v < f->min || v > f->max)
        wrong_range(c, f, "number");
    else
        c->r->timeout_ms = (int64_t)ceil(v * 1000);
}

static void take_bool(struct checks *c, const struct field *f, const json_t *value)
{
    if (json_is_boolean(value))
        *(bool *)member(c, f) = json_is_true(value);
    else
        checks_fail(c, f->name, "true or false", "%s must be true or false.", f->name);
}

static void take_prompt(struct checks *c, const struct field *f, const json_t *value)
{
    size_t n = json_string_length(value);

    if (!json_is_string(value)) {
        checks_fail(c, f->name, "string", "prompt must be a string.");
    } else if (n == 0) {
        checks_fail(c, f->name, "not empty", "prompt must have at least one character.");
    } else if (memchr(json_string_value(value), '\0', n)) {
        checks_fail(c, f->name, "no NUL", "prompt must hold no NUL character (\\u0000).");
    } else {
        c->r->prompt = str_ndup(json_string_value(value), n);
        c->r->prompt_bytes = n;
        c->no_memory = c->no_memory || !c->r->prompt;
    }
}

static void take_prompt_tokens(struct checks *c, const struct field *f, const json_t *value)
{
    size_t n = json_array_size(value), i;
    json_t *id;

    if (!json_is_array(value) || n == 0) {
        checks_fail(c, f->name, "array of ids", "prompt_tokens must be an array of token ids.");
        return;
    }
    c->r->prompt_tokens = malloc(n * sizeof *c->r->prompt_tokens);
    c->no_memory = c->no_memory || !c->r->prompt_tokens;
    json_array_foreach(value, i, id)
    {
        int32_t token;

        if (!fields_token_id(id, &token)) {
            checks_fail(c, f->name, "array of ids",
                        "prompt_tokens[%zu] must be an integer from 0 to %d.", i, INT32_MAX);
            return;
        }
        if (c->r->prompt_tokens)
            c->r->prompt_tokens[c->r->n_prompt_tokens++] = token;
    }
}

/* Spelt in one way only: "7" and "07" would be two members for one token. */
static bool is_id_name(const char *key, uint64_t *id)
{
    return str_to_u64(key, id) == 0 && *id <= INT32_MAX && (key[0] != '0' || !key[1]);
}

static void take_bias(struct checks *c, const struct field *f, const json_t *value)
{
    static const char *const constraint = "object of token id: number from -100 to 100";
    json_t *item, *map = (json_t *)(uintptr_t)value; /* jansson's loops want it so */
    const char *key;
    uint64_t id;

    if (!json_is_object(value)) {
        checks_fail(c, f->name, constraint, "logit_bias must be an object of at most %d members.",
                    INFERENCE_BIAS_MAX);
        return;
    }
    if (json_object_size(value) > INFERENCE_BIAS_MAX) {
        checks_fail(c, f->name, constraint, "logit_bias has %zu members, the limit is %d.",
                    json_object_size(value), INFERENCE_BIAS_MAX);
        return;
    }
    c->r->logit_bias = calloc(json_object_size(value) + 1, sizeof *c->r->logit_bias);
    c->no_memory = c->no_memory || !c->r->logit_bias;
    json_object_foreach(map, key, item)
    {
        double bias = json_number_value(item);

        if (!is_id_name(key, &id) || !json_is_number(item) || bias < -100 || bias > 100)
            checks_fail(
                c, f->name, constraint,
                "logit_bias must map token ids, such as \"15\", to numbers from -100 to 100.");
        else if (c->r->logit_bias)
            c->r->logit_bias[c->r->n_logit_bias++] =
                (struct inference_bias){(int32_t)id, (float)bias};
    }
}

static void take_schema(struct checks *c, const struct field *f, const json_t *value)
{
    if (json_is_object(value) || json_is_boolean(value))
        c->r->json_schema = json_incref((json_t *)(uintptr_t)value);
    else
        checks_fail(c, f->name, "JSON Schema", "json_schema must be an object, true or false.");
}

static void take_grammar(struct checks *c, const struct field *f, const json_t *value)
{
    size_t n = json_string_length(value);

    if (!json_is_string(value) || n == 0 || n > INFERENCE_GRAMMAR_BYTES_MAX ||
        memchr(json_string_value(value), '\0', n)) {
        checks_fail(c, f->name, "GBNF text",
                    "grammar must be a text of 1 to %u bytes without a NUL.",
                    INFERENCE_GRAMMAR_BYTES_MAX);
        return;
    }
    c->r->grammar = str_ndup(json_string_value(value), n);
    c->no_memory = c->no_memory || !c->r->grammar;
}

static bool is_job_id(const char *text, size_t n)
{
    if (n == 0 || n > INFERENCE_JOB_ID_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        char ch = text[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              ch == '.' || ch == '_' || ch == '-' || ch == ':'))
            return false;
    }
    return true;
}

static void take_job_id(struct checks *c, const struct field *f, const json_t *value)
{
    if (json_is_string(value) && is_job_id(json_string_value(value), json_string_length(value)))
        str_copy(c->r->job_id, sizeof c->r->job_id, json_string_value(value));
    else
        checks_fail(c, f->name, "string of 1 to 128 of A-Z a-z 0-9 . _ - :",
                    "job_id must be a string of 1 to %d letters, digits, '.', '_', '-' or ':'.",
                    INFERENCE_JOB_ID_MAX);
}

static void take_stop(struct checks *c, const struct field *f, const json_t *value)
{
    static const char *const constraint = "array of at most 16 strings of 1 to 256 bytes";
    size_t n = json_array_size(value);

    if (!json_is_array(value)) {
        checks_fail(c, f->name, constraint, "stop must be an array of at most %d strings.",
                    INFERENCE_STOP_MAX);
        return;
    }
    if (n > INFERENCE_STOP_MAX) {
        checks_fail(c, f->name, constraint, "stop has %zu strings, the limit is %d.", n,
                    INFERENCE_STOP_MAX);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(value, i);
        size_t bytes = json_string_length(item);

        if (!json_is_string(item) || bytes < 1 || bytes > INFERENCE_STOP_BYTES_MAX ||
            memchr(json_string_value(item), '\0', bytes)) {
            checks_fail(c, f->name, constraint,
                        "stop[%zu] must be a string of 1 to %d bytes without a NUL.", i,
                        INFERENCE_STOP_BYTES_MAX);
            continue;
        }
        c->r->stop[c->r->n_stop] = str_ndup(json_string_value(item), bytes);
        c->no_memory = c->no_memory || !c->r->stop[c->r->n_stop];
        c->r->n_stop++;
    }
}

#define AT(name) offsetof(struct inference_request, name)

static const struct field fields[] = {
    {"job_id", take_job_id, 0, 0, 0},
    {"prompt", take_prompt, 0, 0, 0},
    {"parse_special", take_bool, 0, 0, AT(parse_special)},
    {"prompt_tokens", take_prompt_tokens, 0, 0, 0},
    {"messages", checks_messages, 0, 0, 0},
    {"tools", checks_tools, 0, 0, 0},
    {"tool_choice", checks_tool_choice, 0, 0, 0}, /* behind the tools, one of which it may name */
    {"parallel_tool_calls", take_bool, 0, 0, AT(parallel_tool_calls)},
    {"add_generation_prompt", take_bool, 0, 0, AT(add_generation_prompt)},
    {"continue_final_message", take_bool, 0, 0, AT(continue_final_message)},
    {"template_vars", checks_template_vars, 0, 0, 0},
    {"json_schema", take_schema, 0, 0, 0},
    {"grammar", take_grammar, 0, 0, 0},
    {"max_tokens", take_u32, 1, INFERENCE_MAX_TOKENS_MAX, AT(max_tokens)},
    {"temperature", take_number, 0, 2, AT(temperature)},
    {"top_p", take_number, 0, 1, AT(top_p)},
    {"top_k", take_u32, 0, INT32_MAX, AT(top_k)},
    {"min_p", take_number, 0, 1, AT(min_p)},
    {"repetition_penalty", take_number, 0, 2, AT(repetition_penalty)},
    {"stop", take_stop, 0, 0, 0},
    {"seed", take_seed, 0, (double)INFERENCE_SEED_MAX, 0},
    {"stream", take_bool, 0, 0, AT(stream)},
    {"timeout_seconds", take_timeout, 0, INFERENCE_TIMEOUT_MAX_S, 0},
    {"presence_penalty", take_number, -2, 2, AT(presence_penalty)},
    {"frequency_penalty", take_number, -2, 2, AT(frequency_penalty)},
    {"logit_bias", take_bias, 0, 0, 0},
    {"logprobs", take_bool, 0, 0, AT(logprobs)},
    {"top_logprobs", take_u32, 0, INFERENCE_TOP_LOGPROBS_MAX, AT(top_logprobs)},
    {"ignore_eos", take_bool, 0, 0, AT(ignore_eos)},
};
#define N_FIELDS (sizeof fields / sizeof fields[0])

static void refuse_unknown(struct checks *c, const char *name)
{
    char shown[FIELD_NAME_SHOWN + 1];

    snprintf(shown, sizeof shown, "%s", name);
    shown[str_utf8_whole(shown, strlen(shown))] = '\0';
    checks_fail(c, shown, "known field", "there is no field of this name.");
}

static bool is_given(const json_t *root, const char *name)
{
    const json_t *value = json_object_get(root, name);

    return value && !json_is_null(value);
}

/* What an answer goes on from: exactly one of three. */
static void check_source(struct checks *c, const json_t *root)
{
    int n = is_given(root, "prompt") + is_given(root, "prompt_tokens") + is_given(root, "messages");

    if (n == 0)
        checks_fail(c, "prompt", "required", "prompt is missing, and so are messages.");
    else if (n > 1)
        checks_fail(c, "prompt", "one of prompt, prompt_tokens, messages",
                    "only one of prompt, prompt_tokens and messages may be given.");
}

/* Fields that say something only beside others. */
static void check_together(struct checks *c, const json_t *root)
{
    static const char *const of_messages[] = {"tools", "tool_choice", "template_vars"};
    bool forced = c->r->tool_choice == TOOLS_REQUIRED || c->r->tool_choice == TOOLS_NAMED;

    for (size_t i = 0; i < 3; i++)
        if (is_given(root, of_messages[i]) && !is_given(root, "messages"))
            checks_fail(c, of_messages[i], "with messages", "%s needs messages.", of_messages[i]);
    if (is_given(root, "parse_special") && !is_given(root, "prompt"))
        checks_fail(c, "parse_special", "with prompt", "parse_special needs prompt.");
    if (c->r->grammar && c->r->json_schema)
        checks_fail(c, "grammar", "one of json_schema, grammar",
                    "only one of json_schema and grammar may be given.");
    if (forced && c->r->grammar)
        checks_fail(c, "grammar", "not with a required tool call",
                    "grammar cannot hold for an answer that must be a tool call.");
    c->r->logprobs = c->r->logprobs || c->r->top_logprobs > 0;
}

/* An answer that goes on with a message goes on with its text. */
static void check_continued(struct checks *c, const json_t *root)
{
    static const char name[] = "continue_final_message";

    if (!c->r->continue_final_message)
        return;
    if (!inference_last_text(c->r->messages))
        checks_fail(c, name, "with a last message of the assistant",
                    "%s needs a last message of the assistant that has a text and no tool calls.",
                    name);
    if (json_is_true(json_object_get(root, "add_generation_prompt")))
        checks_fail(c, name, "without add_generation_prompt",
                    "only one of %s and add_generation_prompt may be true.", name);
    if (c->r->grammar || c->r->json_schema || c->r->tool_choice == TOOLS_REQUIRED ||
        c->r->tool_choice == TOOLS_NAMED)
        checks_fail(c, name, "an answer of any form",
                    "%s: an answer that goes on with a text can have no form of its own, by a "
                    "schema, a grammar or a required tool call.",
                    name);
}

static void check_object(struct checks *c, json_t *root)
{
    const char *key;
    json_t *value;

    check_source(c, root);
    for (size_t i = 0; i < N_FIELDS; i++)
        if (is_given(root, fields[i].name))
            fields[i].take(c, &fields[i], json_object_get(root, fields[i].name));
    check_together(c, root);
    check_continued(c, root);
    json_object_foreach(root, key, value)
    {
        size_t i = 0;

        while (i < N_FIELDS && !str_eq(key, fields[i].name))
            i++;
        if (i == N_FIELDS && !json_is_null(value)) /* null: not given */
            refuse_unknown(c, key);
    }
}

/* The one failure's own sentence, or which fields failed. */
static void summarise(const struct checks *c, struct api_error *e, const char *src)
{
    char names[ERR_TEXT_MAX / 2] = "";
    size_t i, len = 0;
    json_t *item = json_array_get(c->errors, 0);

    if (c->n_failed == 1 && item) {
        api_error_set(e, API_INVALID_REQUEST, src, "%s",
                      json_string_value(json_object_get(item, "message")));
        return;
    }
    json_array_foreach(c->errors, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "field"));

        if (len + strlen(name) + 8 > sizeof names)
            break;
        len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i ? ", " : "", name);
    }
    api_error_set(e, API_INVALID_REQUEST, src,
                  "The request has %zu fields that cannot be taken: %s%s.", c->n_failed, names,
                  c->n_failed > i ? " ..." : "");
}

int inference_request_parse(const char *body, size_t n, struct inference_request *r,
                            struct api_error *e, const char *src)
{
    unsigned n_lost = json_guard_n_failed();
    struct checks c = {.r = r, .errors = json_array()};
    json_error_t at = {.line = 0};
    json_t *root = json_load_bounded(body, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &at);

    if (!root && json_is_too_many(&at))
        checks_fail(&c, "body", "JSON object", "The body cannot be taken: %s.", at.text);
    else if (!root)
        checks_fail(&c, "body", "JSON object", "The body is not JSON: %s (line %d, column %d).",
                    json_fault_text(&at), at.line, at.column);
    else if (!json_is_object(root))
        checks_fail(&c, "body", "JSON object", "The body must be a JSON object.");
    else
        check_object(&c, root);
    json_decref(root);
    c.no_memory = c.no_memory || !c.errors || n_lost != json_guard_n_failed();
    if (c.n_failed && !c.no_memory) {
        summarise(&c, e, src);
        e->details = json_pack("{s:o}", "errors", c.errors);
        return -1;
    }
    json_decref(c.errors);
    if (c.no_memory) {
        api_error_set(e, API_INTERNAL, src, "There was no memory for a request of %zu bytes.", n);
        e->details = json_pack("{s:s}", "hint", JSON_NO_MEMORY_HINT);
        return -1;
    }
    if (!r->job_id[0])
        uuid_make(r->job_id);
    if (!r->seed_given)
        r->seed = random_u64() & INFERENCE_SEED_MAX;
    return 0;
}

void inference_request_init(struct inference_request *r)
{
    /* The sampling defaults are engine_sampling_default's; a test holds them together. */
    *r = (struct inference_request){
        .max_tokens = INFERENCE_MAX_TOKENS_DEFAULT,
        .temperature = 0.8,
        .top_p = 0.95,
        .top_k = 40,
        .min_p = 0.05,
        .repetition_penalty = 1.0,
        .stream = true,
        .parallel_tool_calls = true,
        .add_generation_prompt = true,
    };
}

void inference_request_done(struct inference_request *r)
{
    if (!r)
        return;
    free(r->prompt);
    free(r->prompt_tokens);
    json_decref(r->messages);
    json_decref(r->tools);
    json_decref(r->template_vars);
    json_decref(r->json_schema);
    free(r->grammar);
    free(r->logit_bias);
    for (size_t i = 0; i < r->n_stop; i++)
        free(r->stop[i]);
    inference_request_init(r);
}
