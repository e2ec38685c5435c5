/*
 * fuzz_relay.c - questions with one answer (embeddings, tokens) on their way through the hive: a
 * letter of the route, a client's body, a form feed, a byte of the status, and what the worker
 * answers. The client gets one answer, in JSON, and a good one only for a good one; what the worker
 * is asked is what the client wrote, and vectors arrive as they were said.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/json_load.h"
#include "base/str.h"
#include "exchange.h"
#include "hive/gateway/anthropic.h"
#include "hive/gateway/embed.h"
#include "hive/gateway/inquest.h"
#include "hive/gateway/model.h"
#include "hive/hive.h"
#include "hive/workers/workers.h"
#include "net/http_client.h"

#define FORM_FEED       '\f'
#define LAST_OF_VECTORS 2 /* routes */
#define COUNT           5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the worker answers, and what it was asked. */
static struct {
    int status;
    const char *bytes;
    size_t n;
    char *asked; /* NULL = nothing */
} worker;

/* ---- in the place of models and workers: the one there is, ready ---- */

int model_find(struct hive *h, const char *name, struct model_place *out, struct api_error *e)
{
    (void)h;
    *out = (struct model_place){0};
    if (!str_eq(name, "none"))
        return 0;
    api_error_set(e, API_MODEL_NOT_FOUND, "hive", "there is no model named %s", name);
    return -1;
}

struct model_wait *model_wait_start(const struct model_wait_params *params,
                                    struct model_place *place)
{
    static int one;

    (void)place;
    params->on_ready(params->arg, (const struct worker *)(const void *)&one, NULL, 0);
    return NULL;
}

void model_wait_cancel(struct model_wait *w)
{
    BUG_ON(w);
}

void worker_look(const struct worker *w, struct worker_look *out)
{
    (void)w;
    *out = (struct worker_look){.id = "worker-1", .model_ref = "tiny"};
}

const char *worker_own_url(const struct worker *w, char dst[WORKER_URL_MAX])
{
    (void)w;
    str_copy(dst, WORKER_URL_MAX, "http://127.0.0.1:1");
    return dst;
}

int http_call_start(struct http_client *c, const struct http_call_params *params,
                    struct http_call **out, struct err *err)
{
    struct http_response r = {.status = worker.status};
    struct buf body;

    (void)c;
    (void)err;
    *out = NULL;
    BUG_ON(worker.asked);
    worker.asked = str_ndup(params->body, params->body_bytes);
    buf_init(&body, params->body_max);
    BUG_ON(!worker.asked || buf_put(&body, worker.bytes, worker.n));
    r.body = &body;
    params->on_done(params->arg, 0, &r, NULL);
    buf_done(&body);
    return 0;
}

void http_call_cancel(struct http_call *call)
{
    BUG_ON(call);
}

/* The worker always answers. */
struct inquest *inquest_start(struct event_base *base, const struct workers *workers,
                              const char *worker_id,
                              void (*done)(void *arg, const struct inquest_finding *f), void *arg)
{
    (void)base;
    (void)workers;
    (void)worker_id;
    (void)done;
    (void)arg;
    return NULL;
}

void workers_visit(struct workers *ws, const char *id)
{
    (void)ws;
    (void)id;
}

void workers_leave(struct workers *ws, const char *id)
{
    (void)ws;
    (void)id;
}

void inquest_cancel(struct inquest *q)
{
    BUG_ON(q);
}

/* ---- the checks ---- */

/* What the client wrote, the worker is asked, and nothing else. */
static void check_question(const json_t *request)
{
    json_t *asked = json_loads(worker.asked, JSON_ALLOW_NUL, NULL), *value;
    const char *name;

    BUG_ON(!json_is_object(asked));
    json_object_foreach(asked, name, value)
    {
        const json_t *wrote = json_object_get(request, name);

        if (!wrote && str_eq(name, "input"))
            wrote = json_object_get(request, "prompt");
        if (!wrote && str_eq(name, "normalize") && json_object_get(request, "prompt"))
            BUG_ON(!str_eq(json_string_value(value), "model")); /* Ollama's old route */
        else
            BUG_ON(!json_equal(value, wrote));
    }
    json_decref(asked);
}

/* Its numbers; or, of base64, as many bytes as floats have, in the alphabet, padded at the end. */
static size_t dimensions_of(const json_t *vector)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *text = json_string_value(vector);
    size_t n = text ? strspn(text, digits) : 0;

    if (!text)
        return json_array_size(vector);
    BUG_ON(strspn(text + n, "=") != strlen(text + n) || strlen(text) % 4 || n * 6 / 8 % 4);
    return n * 6 / 8 / 4;
}

static void check_vector(const json_t *told, const json_t *said, json_int_t n_dimensions)
{
    const json_t *number;
    size_t i;

    BUG_ON(json_typeof(told) != json_typeof(said) || dimensions_of(told) != dimensions_of(said) ||
           dimensions_of(told) != (size_t)n_dimensions);
    if (json_is_string(told))
        BUG_ON(!json_equal(told, said));
    json_array_foreach(told, i, number)
    {
        double v = json_number_value(number);

        BUG_ON(!json_is_number(number) || !isfinite((float)v) ||
               v < json_number_value(json_array_get(said, i)) ||
               v > json_number_value(json_array_get(said, i)));
    }
}

static void check_vectors(const json_t *reply, const json_t *answer)
{
    const json_t *said = json_object_get(answer, "embeddings"), *one;
    const json_t *data = json_object_get(reply, "data"),
                 *all = json_object_get(reply, "embeddings");
    json_int_t n = (json_int_t)json_number_value(json_object_get(answer, "dimensions"));
    size_t i;

    BUG_ON(json_array_size(said) == 0);
    if (json_object_get(reply, "embedding"))
        check_vector(json_object_get(reply, "embedding"), json_array_get(said, 0), n);
    else
        BUG_ON(json_array_size(data ? data : all) != json_array_size(said));
    json_array_foreach(data ? data : all, i, one)
        check_vector(data ? json_object_get(one, "embedding") : one, json_array_get(said, i), n);
}

static void check_good(unsigned route, const json_t *reply, const json_t *answer)
{
    const json_t *count = json_object_get(reply, "input_tokens");

    if (route <= LAST_OF_VECTORS)
        check_vectors(reply, answer);
    else if (route == COUNT)
        BUG_ON(!json_is_integer(count) || !json_equal(count, json_object_get(answer, "tokens")));
    else
        BUG_ON(!json_equal(reply, answer));
}

/* Also where a number is whole and past 64 bits. */
static json_t *parse(const char *text, size_t n)
{
    json_t *root = json_loadb(text, n, JSON_ALLOW_NUL, NULL);

    return root ? root : json_load_bounded(text, n, JSON_ALLOW_NUL, NULL);
}

/* JSON has names that begin with NUL, jansson has not: such an answer may only be handed on. */
static bool is_beyond_jansson(const struct http_exchange *x)
{
    json_error_t why;
    json_t *reply = json_loadb(buf_str(&x->reply), x->reply.len,
                               JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);

    if (reply || json_error_code(&why) != json_error_null_byte_in_key) {
        json_decref(reply);
        return false;
    }
    BUG_ON(x->reply.len != worker.n || memcmp(buf_str(&x->reply), worker.bytes, worker.n) != 0);
    return true;
}

static void check_reply(const struct http_exchange *x, unsigned route)
{
    json_t *reply = parse(buf_str(&x->reply), x->reply.len);
    json_t *request = parse(x->body, x->body_bytes);
    json_t *answer = parse(worker.bytes, worker.n);

    BUG_ON(x->status == 0);
    if (!json_is_object(reply) && is_beyond_jansson(x))
        goto out;
    if (!json_is_object(reply))
        BUG("status %d with what is no JSON: %.200s", x->status, buf_str(&x->reply));
    if (x->status == 500 && worker.status == 200 &&
        strstr(buf_str(&x->reply), "the hive is out of memory"))
        BUG("an answer that makes no sense is no lack of memory: %.200s", buf_str(&x->reply));
    if (worker.asked && route != COUNT) /* whose question fuzz_dialects looks at */
        check_question(request);
    if (x->status == 200) {
        BUG_ON(!worker.asked || worker.status != 200 || !json_is_object(answer));
        check_good(route, reply, answer);
    }
out:
    json_decref(answer);
    json_decref(request);
    json_decref(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const routes[])(struct hive * h, struct http_exchange * x, const char *id) = {
        embed_openai,   embed_ollama,     embed_ollama_old,
        embed_tokenize, embed_detokenize, anthropic_count};
    static struct hive hive;
    const uint8_t *end = size ? memchr(data + 1, FORM_FEED, size - 1) : NULL;
    struct http_exchange x;
    unsigned route;
    char *body;

    if (!end || end + 1 == data + size)
        return 0;
    route = (unsigned)(data[0] - 'a') % (sizeof routes / sizeof routes[0]);
    body = malloc((size_t)(end - data));
    BUG_ON(!body);
    memcpy(body, data + 1, (size_t)(end - data - 1));
    body[end - data - 1] = '\0';
    worker.status = end[1] == '5' ? 503 : 200;
    worker.bytes = (const char *)end + 2;
    worker.n = (size_t)(data + size - end) - 2;
    exchange_begin(&x, body, (size_t)(end - data - 1));
    routes[route](&hive, &x, NULL);
    check_reply(&x, route);
    exchange_done(&x);
    free(worker.asked);
    worker.asked = NULL;
    free(body);
    return 0;
}
