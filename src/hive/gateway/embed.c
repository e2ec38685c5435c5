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
#include "api/json_scan.h"
#include "api/modelref.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "hive/gateway/embed_answer.h"
#include "hive/gateway/order.h"
#include "hive/gateway/relay.h"
#include "hive/gateway/request.h"
#include "hive/http/reply.h"
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
    if (fields_text(f, "model", false, MODEL_REF_MAX, &text) && !(r->model = str_dup(text)))
        fields_lose(f);
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

/* Takes `out` over. */
static void reply_text(struct relay *r, struct buf *out)
{
    struct api_error e;

    if (buf_failed(out)) {
        api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
        shape_answer(r->x, r->shape, &e, 0);
    } else {
        http_reply(r->x, 200, "application/json", buf_str(out), out->len);
    }
    buf_done(out);
}

/* Only the model's own number of dimensions can be had. */
static bool has_dimensions(const struct relay *r, const struct embed_answer *a)
{
    json_int_t asked = json_integer_value(json_object_get(r->state, "dimensions"));
    struct api_error e;

    if (asked == 0 || (uint64_t)asked == a->n_dimensions)
        return true;
    api_error_set(&e, API_INVALID_REQUEST, REPLY_SRC,
                  "dimensions is %lld, and the model's vectors have %zu; they are not shortened",
                  (long long)asked, a->n_dimensions);
    e.details = json_pack("{s:[{s:s, s:s, s:s}]}", "errors", "field", "dimensions", "constraint",
                          "the model's own", "message", e.message);
    shape_answer(r->x, r->shape, &e, 0);
    return false;
}

/* False, and the exchange is answered: it holds none, or not what was asked for. */
static bool read_vectors(const struct relay *r, const char *text, size_t n, struct embed_answer *a)
{
    bool base64 = json_is_true(json_object_get(r->state, "base64"));
    int rc = embed_answer_read(text, n, base64, a);
    struct api_error e;

    if (rc == 0 && has_dimensions(r, a))
        return true;
    if (rc) {
        api_error_set(&e, API_INTERNAL, REPLY_SRC, "%s",
                      rc == ERR_NO_MEMORY
                          ? "the hive is out of memory"
                          : "the worker's answer holds no vectors of the length that it tells");
        shape_answer(r->x, r->shape, &e, 0);
    }
    embed_answer_done(a);
    return false;
}

static void render_embeddings(struct relay *r, const char *text, size_t n)
{
    struct embed_answer a;
    struct buf out;

    if (!read_vectors(r, text, n, &a))
        return;
    buf_init(&out, SIZE_MAX / 2);
    buf_puts(&out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < a.n_vectors && !buf_failed(&out); i++) {
        buf_printf(&out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i ? "," : "",
                   i);
        embed_answer_put(&a, i, &out);
        buf_putc(&out, '}');
    }
    buf_puts(&out, "],\"model\":");
    json_put_string(&out, r->model, strlen(r->model));
    buf_printf(&out, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}",
               (long long)a.prompt_tokens, (long long)a.prompt_tokens);
    reply_text(r, &out);
    embed_answer_done(&a);
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
    if (fields_text(&f, "encoding_format", false, ORDER_TEXT_MAX, &format))
        pass(r, &f, "encoding_format", false);
    if (!str_eq(format, "float") && !str_eq(format, "base64"))
        fields_fail(&f, "encoding_format", "float or base64",
                    "encoding_format must be float or base64.");
    fields_int(&f, "dimensions", false, 1, INT32_MAX, &dimensions);
    order_ignore_texts(&f, texts);
    r->state = json_pack("{s:b, s:I}", "base64", str_eq(format, "base64"), "dimensions",
                         (json_int_t)dimensions);
    r->render_text = render_embeddings;
    relay_go(r, &f);
}

/* ---- Ollama's ---- */

static void render_ollama(struct relay *r, const char *text, size_t n)
{
    int64_t now = clock_ms();
    struct embed_answer a;
    struct buf out;

    if (!read_vectors(r, text, n, &a))
        return;
    buf_init(&out, SIZE_MAX / 2);
    buf_puts(&out, "{\"model\":");
    json_put_string(&out, r->model, strlen(r->model));
    buf_puts(&out, ",\"embeddings\":");
    for (size_t i = 0; i < a.n_vectors; i++) {
        buf_putc(&out, i ? ',' : '[');
        embed_answer_put(&a, i, &out);
    }
    buf_printf(&out, "],\"total_duration\":%lld,\"load_duration\":%lld,\"prompt_eval_count\":%lld}",
               (long long)(now - r->started_ms) * 1000000,
               (long long)(r->ready_ms - r->started_ms) * 1000000, (long long)a.prompt_tokens);
    reply_text(r, &out);
    embed_answer_done(&a);
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
    fields_bool(&f, "truncate", &truncate); /* nothing is cut: what does not fit is refused */
    fields_int(&f, "dimensions", false, 0, INT32_MAX, &dimensions);
    r->keep_alive_given = fields_go_duration_ms(&f, "keep_alive", &r->keep_alive_ms);
    request_ollama_loading(&f, &r->ctx_min, &r->keep_alive_given, &r->keep_alive_ms);
    r->state = json_pack("{s:I}", "dimensions", (json_int_t)dimensions);
    r->render_text = render_ollama;
    relay_go(r, &f);
}

static void render_ollama_old(struct relay *r, const char *text, size_t n)
{
    struct embed_answer a;
    struct buf out;

    if (!read_vectors(r, text, n, &a))
        return;
    buf_init(&out, SIZE_MAX / 2);
    buf_puts(&out, "{\"embedding\":");
    embed_answer_put(&a, 0, &out);
    buf_putc(&out, '}');
    reply_text(r, &out);
    embed_answer_done(&a);
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
    if (prompt && !json_is_string(prompt))
        fields_fail(&f, "prompt", "text", "prompt must be a text; texts go to /api/embed.");
    if (prompt)
        json_object_set(r->body, "input", prompt);
    json_object_set_new(r->body, "normalize", json_string("model")); /* as Ollama has it there */
    r->keep_alive_given = fields_go_duration_ms(&f, "keep_alive", &r->keep_alive_ms);
    request_ollama_loading(&f, &r->ctx_min, &r->keep_alive_given, &r->keep_alive_ms);
    r->render_text = render_ollama_old;
    relay_go(r, &f);
}

/* ---- tokens ---- */

/* However many: a text of megabytes has a million. */
static void render_as_is(struct relay *r, const char *text, size_t n)
{
    struct api_error e;

    if (json_scan_is_object(text, n)) {
        http_reply(r->x, 200, "application/json", text, n);
        return;
    }
    api_error_set(&e, API_INTERNAL, REPLY_SRC, "the worker's answer is no JSON object");
    shape_answer(r->x, r->shape, &e, 0);
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
    r->render_text = render_as_is;
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
    r->render_text = render_as_is;
    relay_go(r, &f);
}
