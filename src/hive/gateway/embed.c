/*
 * embed.c - /v1/embeddings, /tokenize, /detokenize: questions with one answer, by way of relay.h.
 *
 * Sources: the OpenAI API reference (embeddings: base64 is the little-endian float array), and
 * llama.cpp's server for the other two, whose shapes are the worker's own.
 */
#include "hive/gateway/embed.h"

#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "api/modelref.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/str.h"
#include "hive/gateway/embed_answer.h"
#include "hive/gateway/order.h"
#include "hive/gateway/relay.h"
#include "hive/reply.h"
#include "net/http_server.h"

/* ---- the request ---- */

static struct relay *begin(struct hive *h, struct http_exchange *x, struct fields *f,
                           enum shape shape, const char *path)
{
    struct relay *r = relay_create(h, x, shape, path);
    const char *text, *body;
    size_t n;

    if (!r)
        return NULL;
    body = http_body(x, &n);
    fields_begin(f, body, n);
    if (fields_text(f, "model", false, MODEL_REF_MAX, &text))
        r->model = str_dup(text);
    return r;
}

/* Puts a field into the question as it is; the worker judges it. */
static void pass(struct relay *r, struct fields *f, const char *name, bool required)
{
    json_t *value = fields_any(f, name, required);

    if (value)
        json_object_set(r->body, name, value);
}

/* ---- the vectors ---- */

/* The vector as base64 of its floats; NULL: no memory. */
static json_t *base64_of(const json_t *vector)
{
    size_t n = json_array_size(vector);
    unsigned char *bytes = malloc(n * 4 + 1);
    struct buf text;
    json_t *out = NULL;

    buf_init(&text, SIZE_MAX / 2);
    for (size_t i = 0; bytes && i < n; i++) {
        float v = (float)json_number_value(json_array_get(vector, i));
        uint32_t bits;

        memcpy(&bits, &v, sizeof bits);
        for (unsigned k = 0; k < 4; k++)
            bytes[i * 4 + k] = (unsigned char)(bits >> (8 * k));
    }
    if (bytes && base64_put(&text, bytes, n * 4) == 0)
        out = json_stringn(buf_str(&text), text.len);
    buf_done(&text);
    free(bytes);
    return out;
}

/* A vector's numbers are floats: nine digits say all of them. */
#define FLOAT_DIGITS 9

/* Takes `body` over. */
static void reply_vectors(struct http_exchange *x, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(FLOAT_DIGITS)) : NULL;

    if (text)
        http_reply(x, 200, "application/json", text, strlen(text));
    else
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
    free(text);
    json_decref(body);
}

static json_t *rows_of(const json_t *vectors, bool base64)
{
    json_t *rows = json_array(), *vector;
    size_t i;

    json_array_foreach(vectors, i, vector) json_array_append_new(
        rows, json_pack("{s:s, s:I, s:o}", "object", "embedding", "index", (json_int_t)i,
                        "embedding", base64 ? base64_of(vector) : json_incref(vector)));
    return rows;
}

/* Only the model's own number of dimensions can be had. */
static bool has_dimensions(const struct relay *r, const json_t *answer)
{
    json_int_t asked = json_integer_value(json_object_get(r->state, "dimensions")),
               have = json_integer_value(json_object_get(answer, "dimensions"));
    struct api_error e;

    if (asked == 0 || asked == have)
        return true;
    api_error_set(&e, API_INVALID_REQUEST, REPLY_SRC,
                  "dimensions is %lld, and the model's vectors have %lld; they are not shortened",
                  (long long)asked, (long long)have);
    e.details = json_pack("{s:[{s:s, s:s, s:s}]}", "errors", "field", "dimensions", "constraint",
                          "the model's own", "message", e.message);
    shape_answer(r->x, r->shape, &e, 0);
    return false;
}

/* False, and the exchange is answered: it holds none, or not what was asked for. */
static bool has_vectors(const struct relay *r, const json_t *answer)
{
    struct api_error e;

    if (embed_answer_is_vectors(answer))
        return has_dimensions(r, answer);
    api_error_set(&e, API_INTERNAL, REPLY_SRC,
                  "the worker's answer holds no vectors of the length that it tells");
    shape_answer(r->x, r->shape, &e, 0);
    return false;
}

static void render_embeddings(struct relay *r, json_t *answer)
{
    json_t *tokens = json_object_get(answer, "prompt_tokens");
    bool base64 = json_is_true(json_object_get(r->state, "base64"));

    if (!has_vectors(r, answer))
        return;
    reply_vectors(r->x,
                  json_pack("{s:s, s:o, s:s, s:{s:O, s:O}}", "object", "list", "data",
                            rows_of(json_object_get(answer, "embeddings"), base64), "model",
                            r->model, "usage", "prompt_tokens", tokens, "total_tokens", tokens));
}

void embed_openai(struct hive *h, struct http_exchange *x, const char *id)
{
    struct fields f;
    struct relay *r = begin(h, x, &f, SHAPE_OPENAI, "/v1/embeddings");
    static const char *const texts[] = {"user", NULL};
    const char *format = "float";
    int64_t dimensions = 0;

    (void)id;
    if (!r)
        return;
    pass(r, &f, "input", true);
    pass(r, &f, "pooling", false);
    pass(r, &f, "normalize", false);
    fields_text(&f, "encoding_format", false, ORDER_TEXT_MAX, &format);
    if (!str_eq(format, "float") && !str_eq(format, "base64"))
        fields_fail(&f, "encoding_format", "float or base64",
                    "encoding_format must be float or base64.");
    fields_int(&f, "dimensions", false, 1, INT32_MAX, &dimensions);
    order_ignore_texts(&f, texts);
    r->state = json_pack("{s:b, s:I}", "base64", str_eq(format, "base64"), "dimensions",
                         (json_int_t)dimensions);
    r->render = render_embeddings;
    relay_go(r, &f);
}

/* ---- Ollama's ---- */

static void render_ollama(struct relay *r, json_t *answer)
{
    int64_t now = clock_ms();

    if (!has_vectors(r, answer))
        return;
    reply_vectors(r->x, json_pack("{s:s, s:O*, s:I, s:I, s:O*}", "model", r->model, "embeddings",
                                  json_object_get(answer, "embeddings"), "total_duration",
                                  (json_int_t)(now - r->started_ms) * 1000000, "load_duration",
                                  (json_int_t)(r->ready_ms - r->started_ms) * 1000000,
                                  "prompt_eval_count", json_object_get(answer, "prompt_tokens")));
}

/* An options object that sets nothing is what some clients always send. */
static void take_options(struct fields *f)
{
    json_t *options = fields_any(f, "options", false);

    if (options && !json_is_object(options))
        fields_fail(f, "options", "object", "options must be an object.");
    else if (options && json_object_size(options))
        fields_fail(f, "options", "none", "options: none has a meaning for embeddings here.");
}

void embed_ollama(struct hive *h, struct http_exchange *x, const char *id)
{
    struct fields f;
    struct relay *r = begin(h, x, &f, SHAPE_OLLAMA, "/v1/embeddings");
    int64_t dimensions = 0;
    bool truncate = false;

    (void)id;
    if (!r)
        return;
    pass(r, &f, "input", true);
    if (fields_bool(&f, "truncate", &truncate) && truncate)
        fields_fail(&f, "truncate", "false", "truncate: texts are not cut; send shorter ones.");
    fields_int(&f, "dimensions", false, 1, INT32_MAX, &dimensions);
    r->keep_alive_given = fields_duration_ms(&f, "keep_alive", &r->keep_alive_ms);
    take_options(&f);
    r->state = json_pack("{s:I}", "dimensions", (json_int_t)dimensions);
    r->render = render_ollama;
    relay_go(r, &f);
}

static void render_ollama_old(struct relay *r, json_t *answer)
{
    if (has_vectors(r, answer))
        reply_vectors(r->x, json_pack("{s:O}", "embedding",
                                      json_array_get(json_object_get(answer, "embeddings"), 0)));
}

void embed_ollama_old(struct hive *h, struct http_exchange *x, const char *id)
{
    struct fields f;
    struct relay *r = begin(h, x, &f, SHAPE_OLLAMA, "/v1/embeddings");
    json_t *prompt;

    (void)id;
    if (!r)
        return;
    prompt = fields_any(&f, "prompt", true);
    if (prompt)
        json_object_set(r->body, "input", prompt);
    r->keep_alive_given = fields_duration_ms(&f, "keep_alive", &r->keep_alive_ms);
    take_options(&f);
    r->render = render_ollama_old;
    relay_go(r, &f);
}

/* ---- tokens ---- */

static void render_as_is(struct relay *r, json_t *answer)
{
    reply_json(r->x, 200, json_incref(answer));
}

void embed_tokenize(struct hive *h, struct http_exchange *x, const char *id)
{
    struct fields f;
    struct relay *r = begin(h, x, &f, SHAPE_OPENAI, "/v1/tokenize");

    (void)id;
    if (!r)
        return;
    pass(r, &f, "content", false);
    pass(r, &f, "text", false);
    pass(r, &f, "add_special", false);
    pass(r, &f, "parse_special", false);
    pass(r, &f, "with_pieces", false);
    r->render = render_as_is;
    relay_go(r, &f);
}

void embed_detokenize(struct hive *h, struct http_exchange *x, const char *id)
{
    struct fields f;
    struct relay *r = begin(h, x, &f, SHAPE_OPENAI, "/v1/detokenize");

    (void)id;
    if (!r)
        return;
    pass(r, &f, "tokens", true);
    r->render = render_as_is;
    relay_go(r, &f);
}
