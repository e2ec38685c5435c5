/* shape.c - see shape.h. Sources: the OpenAI, Anthropic and Ollama API references, as of 2026. */
#include "hive/http/shape.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/error_log.h"
#include "api/json_whole.h"
#include "base/json.h"
#include "base/str.h"
#include "net/http_server.h"

#define MESSAGE_MAX 8192
#define HINT_MAX    1024  /* bytes of it behind a message */
#define DETAILS_MAX 65536 /* as JSON; longer ones are left out */
/* A message whose letters take six bytes each, and details that are told up to three times. */
#define BODY_MAX (4 * DETAILS_MAX)

/* The list of models, or one of it; /show and /download are rbee's own. */
static bool is_models(const char *target)
{
    static const char path[] = "/v1/models";
    const char *tail = target && str_starts(target, path) ? target + sizeof path - 1 : NULL;

    if (!tail || !strchr("?/", *tail)) /* the text's end is found there, too */
        return false;
    return !str_starts(tail, "/show") && !str_starts(tail, "/download");
}

enum shape shape_of_path(const char *target)
{
    static const struct {
        const char *prefix;
        enum shape shape;
    } all[] = {{"/v1/messages", SHAPE_ANTHROPIC}, {"/api/", SHAPE_OLLAMA},
               {"/v1/chat/", SHAPE_OPENAI},       {"/v1/completions", SHAPE_OPENAI},
               {"/v1/embeddings", SHAPE_OPENAI},  {"/v1/responses", SHAPE_OPENAI},
               {"/tokenize", SHAPE_OPENAI},       {"/detokenize", SHAPE_OPENAI}};

    for (size_t i = 0; target && i < sizeof all / sizeof all[0]; i++)
        if (str_starts(target, all[i].prefix))
            return all[i].shape;
    return is_models(target) ? SHAPE_MODELS : SHAPE_RBEE;
}

bool shape_is_large(const char *path)
{
    enum shape shape = shape_of_path(path);

    return shape != SHAPE_RBEE && shape != SHAPE_MODELS;
}

static int status_of(const struct api_error *e)
{
    int status = api_error_info(e->code)->status;

    return status ? status : 500;
}

/* ---- the message ---- */

#define BYTES_A_TOKEN 4 /* of English and of programs, more or less */

/*
 * Agents shorten a conversation that is too long when they are told so in the words of the server
 * they were made for: Claude Code reads the first sentence, with both numbers, OpenAI's clients
 * look for "maximum context length".
 */
static void put_too_long(enum shape shape, const struct api_error *e, struct buf *out)
{
    json_int_t n_ctx = json_integer_value(json_object_get(e->details, "n_ctx")),
               n_prompt = json_integer_value(json_object_get(e->details, "prompt_tokens")),
               n_bytes = json_integer_value(json_object_get(e->details, "prompt_bytes"));

    if (e->code != API_CONTEXT_LENGTH_EXCEEDED || n_ctx <= 0)
        return;
    if (shape == SHAPE_OPENAI)
        buf_printf(out, "This model's maximum context length is %lld tokens. ", (long long)n_ctx);
    else if (shape == SHAPE_ANTHROPIC && n_prompt > 0) /* one position is the answer's */
        buf_printf(out, "prompt is too long: %lld tokens > %lld maximum. ", (long long)n_prompt,
                   (long long)n_ctx - 1);
    else if (shape == SHAPE_ANTHROPIC && n_bytes > 0) /* it was not counted */
        buf_printf(out, "prompt is too long: %lld tokens > %lld maximum, by its %lld bytes. ",
                   (long long)(n_bytes / BYTES_A_TOKEN), (long long)n_ctx - 1, (long long)n_bytes);
}

/* What happened and what to do; of several bad fields each one's sentence. */
static void put_message(enum shape shape, const struct api_error *e, struct buf *out)
{
    char room[API_HINT_MAX];
    const char *hint = e->code == API_INVALID_REQUEST ? "" : api_error_hint(e, room);
    const json_t *errors = json_object_get(e->details, "errors"), *one;
    size_t i;

    if (json_array_size(errors) < 2) {
        size_t n = strlen(e->message);

        put_too_long(shape, e, out);
        buf_puts(out, e->message);
        if (n && !strchr(".?!", e->message[n - 1]))
            buf_putc(out, '.');
        if (hint[0])
            buf_printf(out, " %.*s", HINT_MAX, hint);
        return;
    }
    json_array_foreach(errors, i, one)
    {
        const char *text = json_string_value(json_object_get(one, "message"));

        buf_printf(out, "%s%s", i ? " " : "", text ? text : "");
    }
}

static void put_message_string(enum shape shape, const struct api_error *e, struct buf *out)
{
    struct buf text;

    buf_init(&text, MESSAGE_MAX);
    put_message(shape, e, &text);
    json_put_string(out, buf_str(&text), text.len);
    buf_done(&text);
}

static void put_string(struct buf *out, const char *text)
{
    json_put_string(out, text, strlen(text));
}

/* ---- OpenAI ---- */

static const char *openai_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

static const char *first_field(const struct api_error *e)
{
    return json_string_value(
        json_object_get(json_array_get(json_object_get(e->details, "errors"), 0), "field"));
}

/* `,"loading":{…}` when that is what it is about. */
static void put_loading(const struct api_error *e, struct buf *out)
{
    const json_t *loading = json_object_get(e->details, "loading");
    char *text = loading ? json_write(loading, JSON_COMPACT) : NULL;

    if (text)
        buf_printf(out, ",\"loading\":%s", text);
    free(text);
}

static void put_details(const struct api_error *e, struct buf *out)
{
    const struct api_error_info *info = api_error_info(e->code);
    json_t *details = e->details ? json_copy(e->details) : json_object();
    char *text, room[API_HINT_MAX];

    put_loading(e, out);
    if (!json_object_get(details, "hint"))
        json_object_set_new(details, "hint", json_string(api_error_hint(e, room)));
    if (!json_object_get(details, "retriable"))
        json_object_set_new(details, "retriable", json_boolean(info->retriable));
    text = details ? json_write(details, JSON_COMPACT) : NULL;
    if (text)
        buf_printf(out, ",\"details\":%s", text);
    free(text);
    json_decref(details);
}

void shape_put_code(const struct api_error *e, struct buf *out)
{
    for (const char *code = api_error_info(e->code)->code; *code; code++)
        buf_putc(out, (char)tolower((unsigned char)*code));
}

void shape_error_inside(const struct api_error *e, const char *request_id, struct buf *out)
{
    const char *param = first_field(e);

    buf_puts(out, "\"error\":{\"message\":");
    put_message_string(SHAPE_OPENAI, e, out);
    buf_printf(out, ",\"type\":\"%s\",\"param\":", openai_type(status_of(e)));
    if (param)
        put_string(out, param);
    else
        buf_puts(out, "null");
    buf_puts(out, ",\"code\":\"");
    shape_put_code(e, out);
    buf_printf(out, "\",\"request_id\":\"%s\"", request_id);
    put_details(e, out);
    buf_putc(out, '}');
}

/* ---- Anthropic, Ollama ---- */

static const char *anthropic_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 413:
        return "request_too_large";
    case 429:
        return "rate_limit_error";
    case 503:
        return "overloaded_error";
    case 504:
        return "timeout_error";
    default:
        return status >= 500 ? "api_error" : "invalid_request_error";
    }
}

static void put_anthropic(const struct api_error *e, int status, const char *request_id,
                          struct buf *out)
{
    buf_printf(
        out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", anthropic_type(status));
    put_message_string(SHAPE_ANTHROPIC, e, out);
    buf_printf(out, "},\"request_id\":\"%s\"", request_id);
    put_loading(e, out);
    buf_putc(out, '}');
}

/* Ours, and what OpenAI's clients read beside `code` and `message`. */
static void put_models(const struct api_error *e, const char *request_id, struct buf *out)
{
    char *text = api_error_body(e, request_id);
    json_t *body = text ? json_loads(text, 0, NULL) : NULL, *inner = json_object_get(body, "error");
    const char *param = first_field(e);

    free(text);
    json_object_set_new(inner, "type", json_string(openai_type(status_of(e))));
    json_object_set_new(inner, "param", param ? json_string(param) : json_null());
    text = body ? json_write(body, JSON_COMPACT) : NULL;
    buf_puts(out, text ? text : "{\"error\":{\"code\":\"INTERNAL\"}}");
    free(text);
    json_decref(body);
}

/* `status` is the one it is sent with. */
static void put_whole(enum shape shape, const struct api_error *e, int status,
                      const char *request_id, struct buf *out)
{
    char *text;

    switch (shape) {
    case SHAPE_OPENAI:
        buf_putc(out, '{');
        shape_error_inside(e, request_id, out);
        buf_putc(out, '}');
        break;
    case SHAPE_ANTHROPIC:
        put_anthropic(e, status, request_id, out);
        break;
    case SHAPE_OLLAMA:
        buf_puts(out, "{\"error\":");
        put_message_string(SHAPE_OLLAMA, e, out);
        put_loading(e, out);
        buf_putc(out, '}');
        break;
    case SHAPE_MODELS:
        put_models(e, request_id, out);
        break;
    case SHAPE_RBEE:
        text = api_error_body(e, request_id);
        buf_puts(out, text ? text : "{\"error\":{\"code\":\"INTERNAL\"}}");
        free(text);
        break;
    }
}

/* The sentence must arrive, whatever a worker puts into its details. */
static void put_error(enum shape shape, const struct api_error *e, int status,
                      const char *request_id, struct buf *out)
{
    struct api_error told = *e;

    if (json_dumpb(e->details, NULL, 0, JSON_COMPACT) > DETAILS_MAX)
        told.details = NULL;
    put_whole(shape, &told, status, request_id, out);
}

void shape_error(enum shape shape, const struct api_error *e, const char *request_id,
                 struct buf *out)
{
    put_error(shape, e, status_of(e), request_id, out);
}

void shape_render(enum shape shape, int status, const char *text, const char *request_id, char *dst,
                  size_t dst_size)
{
    struct api_error e;
    struct buf body;

    if (shape == SHAPE_RBEE) {
        api_error_render(status, text, "hive", request_id, dst, dst_size);
        return;
    }
    api_error_of_status(&e, status, "hive", text);
    buf_init(&body, BODY_MAX);
    shape_error(shape, &e, request_id, &body);
    if (!str_copy(dst, dst_size, buf_str(&body)))
        snprintf(dst, dst_size, "{\"error\":{\"message\":\"%s\"}}", api_error_info(e.code)->code);
    buf_done(&body);
    api_error_done(&e);
}

/*
 * OpenAI's and Anthropic's packages ask again by the status alone unless this header is there: what
 * the asker's own deadline ended would be computed three times, and what cannot be, refused three
 * times.
 */
static void put_should_retry(struct http_exchange *x, const struct api_error *e, int status)
{
    const bool helps = api_error_info(e->code)->retriable && e->code != API_REQUEST_TIMEOUT;

    if (!helps && (status == 408 || status == 409 || status >= 500))
        http_add_header(x, "X-Should-Retry", "false");
}

void shape_answer(struct http_exchange *x, enum shape shape, struct api_error *e, int retry_after_s)
{
    int status = retry_after_s > 0 ? 503 : status_of(e);
    char seconds[16];
    struct buf body;

    if (status == 401)
        http_add_header(x, "WWW-Authenticate", "Bearer");
    put_should_retry(x, e, status);
    if (status == 503 && retry_after_s <= 0)
        retry_after_s = api_error_retry_after_s(e);
    if (retry_after_s > 0) {
        snprintf(seconds, sizeof seconds, "%d", retry_after_s);
        http_add_header(x, "Retry-After", seconds);
    }
    api_error_log(e, http_request_id(x));
    buf_init(&body, BODY_MAX);
    put_error(shape, e, status, http_request_id(x), &body);
    http_reply(x, status, "application/json", buf_str(&body), body.len);
    buf_done(&body);
    api_error_done(e);
}
