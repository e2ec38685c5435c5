/*
 * fuzz_answer.c - what a worker answers, on its way through the hive to a client of any API: a
 * letter of the route, a byte of flags (1: the client reads slowly), a body, a form feed, then the
 * worker's answers, a form feed between them, each behind a byte of its end: '2' good, '4' it is
 * not there any more, '5' it has no slot, 'b' the connection breaks, 'd' it breaks and the worker
 * is dead, 'u' nobody answers, 'g' the client leaves in its middle, 'k' its key is gone there.
 *
 * Workers read files of unknown hands. Whatever they send, the client gets one answer, whole or as
 * a stream with one end, and all of it is JSON.
 */
#include "api/json_load.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "exchange.h"
#include "fake_loop.h"
#include "hive/doors/revoke.h"
#include "hive/gateway/dialects.h"
#include "hive/gateway/inquest.h"
#include "hive/hive.h"
#include "hive/workers/workers.h"
#include "net/http_client.h"
#include "net/sse.h"

#define FORM_FEED '\f'
#define CALLS_MAX 64
#define STEPS_MAX 4096
#define FLAG_SLOW 1

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct http_call {
    bool there, begun, held;
    struct http_call_params params;
    char kind;
    const char *bytes;
    size_t n, at;
};

struct inquest {
    bool there;
    void (*done)(void *arg, const struct inquest_finding *f);
    void *arg;
    bool over;
};

static struct {
    const uint8_t *at; /* the answers that are left */
    size_t left;
    struct http_call calls[CALLS_MAX];
    struct inquest inquests[CALLS_MAX];
    void (*drained)(struct http_exchange *x, void *arg);
    void *drained_arg;
    size_t pending; /* bytes that the client has not read */
    bool slow, stream, ended, gone, cut, last_died, asked;
    int64_t now_ms;
} world;

/* ---- in the place of the server ---- */

void http_stream_begin(struct http_exchange *x, int status, const char *content_type)
{
    BUG_ON(x->status != 0 || status != 200 || !content_type);
    x->status = status;
    world.stream = true;
}

int http_stream_put(struct http_exchange *x, const void *bytes, size_t n)
{
    BUG_ON(!world.stream || world.ended || world.gone || n == 0);
    world.pending += world.slow ? n + OUTLET_FULL : 0;
    return buf_put(&x->reply, bytes, n);
}

void http_stream_end(struct http_exchange *x)
{
    BUG_ON(!world.stream || world.ended || world.gone || x->gone);
    world.ended = true;
}

size_t http_stream_pending(const struct http_exchange *x)
{
    (void)x;
    return world.pending;
}

void http_on_drained(struct http_exchange *x, void (*drained)(struct http_exchange *x, void *arg),
                     void *arg)
{
    (void)x;
    world.drained = drained;
    world.drained_arg = arg;
}

bool http_is_cut(const struct http_exchange *x)
{
    (void)x;
    return world.cut;
}

void http_hold_granted(struct http_exchange *x, size_t n)
{
    (void)x;
    (void)n;
}

void revoke_error(struct api_error *e)
{
    api_error_set(e, API_INVALID_API_KEY, "hive", "the key was revoked");
}

/* ---- models and workers ---- */

int model_find(struct hive *h, const char *name, struct model_place *out, struct api_error *e)
{
    (void)h;
    *out = (struct model_place){0};
    if (!str_eq(name, "none")) {
        out->ref = str_dup("tiny");
        out->path = str_dup("/m/tiny.gguf");
        return 0;
    }
    api_error_set(e, API_MODEL_NOT_FOUND, "hive", "there is no model named %s", name);
    return -1;
}

void model_place_done(struct model_place *p)
{
    free(p->ref);
    free(p->path);
}

static int worker; /* whose address stands for it */

struct model_wait *model_wait_start(const struct model_wait_params *params,
                                    struct model_place *place)
{
    model_place_done(place);
    params->on_ready(params->arg, (const struct worker *)(const void *)&worker, NULL, 0);
    return NULL;
}

void model_wait_cancel(struct model_wait *w)
{
    BUG_ON(w);
}

void worker_look(const struct worker *w, struct worker_look *out)
{
    (void)w;
    *out = (struct worker_look){.id = "worker-1",
                                .model_ref = "tiny",
                                .model_path = "/m/tiny.gguf",
                                .fingerprint = "fp_0123",
                                .usable = true,
                                .n_slots = 3};
}

const char *worker_own_url(const struct worker *w, char dst[WORKER_URL_MAX])
{
    (void)w;
    str_copy(dst, WORKER_URL_MAX, "http://127.0.0.1:1");
    return dst;
}

void workers_visit(struct workers *ws, const char *id)
{
    (void)ws;
    BUG_ON(!str_eq(id, "worker-1"));
}

void workers_leave(struct workers *ws, const char *id)
{
    (void)ws;
    BUG_ON(!str_eq(id, "worker-1"));
}

void workers_stop_model(struct workers *ws, const char *model_ref, const char *model_path)
{
    (void)ws;
    (void)model_ref;
    (void)model_path;
}

bool workers_is_over(const struct workers *ws, const char *id)
{
    (void)ws;
    (void)id;
    return world.last_died;
}

bool workers_failure(const struct workers *ws, const char *id, enum api_code *code,
                     char text[ERR_TEXT_MAX])
{
    (void)ws;
    (void)id;
    (void)code;
    (void)text;
    return false;
}

struct inquest *inquest_start(struct event_base *base, const struct workers *workers,
                              const char *worker_id,
                              void (*done)(void *arg, const struct inquest_finding *f), void *arg)
{
    (void)base;
    (void)workers;
    (void)worker_id;
    for (size_t i = 0; i < CALLS_MAX; i++)
        if (!world.inquests[i].there) {
            world.inquests[i] = (struct inquest){true, done, arg, world.last_died};
            return &world.inquests[i];
        }
    return NULL;
}

void inquest_cancel(struct inquest *q)
{
    if (q)
        q->there = false;
}

/* ---- the worker ---- */

static void take_answer(struct http_call *c)
{
    const uint8_t *end = world.left ? memchr(world.at, FORM_FEED, world.left) : NULL;
    size_t n = end ? (size_t)(end - world.at) : world.left;

    c->kind = n ? (char)world.at[0] : 'u';
    c->bytes = (const char *)world.at + (n ? 1 : 0);
    c->n = n ? n - 1 : 0;
    world.at += n + (end ? 1 : 0);
    world.left -= n + (end ? 1 : 0);
}

int http_call_start(struct http_client *client, const struct http_call_params *params,
                    struct http_call **out, struct err *err)
{
    json_t *body = json_loadb(params->body, params->body_bytes, JSON_ALLOW_NUL, NULL);

    (void)client;
    BUG_ON(!json_is_object(body));
    json_decref(body);
    world.asked = true;
    for (size_t i = 0; i < CALLS_MAX; i++)
        if (!world.calls[i].there) {
            world.calls[i] = (struct http_call){.there = true, .params = *params};
            *out = &world.calls[i];
            return 0;
        }
    return err_set(err, ERR_BUSY, "all calls are taken");
}

void http_call_cancel(struct http_call *c)
{
    if (c)
        c->there = false;
}

void http_call_resume(struct http_call *c)
{
    BUG_ON(!c->there);
    c->held = false;
}

/* ---- the loop ---- */

static struct http_exchange *client;

static void leave(bool cut)
{
    void (*gone)(struct http_exchange * x, void *arg) = client->gone;

    if (!gone || world.gone)
        return;
    world.cut = cut;
    world.gone = !cut;
    gone(client, client->gone_arg);
}

static void end_call(struct http_call *c)
{
    static const char gone[] = "{\"error\":{\"code\":\"WORKER_NOT_FOUND\",\"message\":\"gone\"}}";
    struct http_response r = {.status = 200};
    struct http_call_params p = c->params;
    struct err err = {0};
    int rc = 0;

    if (c->kind == '4' || c->kind == '5')
        r.status = c->kind == '4' ? 404 : 503;
    if (c->kind == 'b' || c->kind == 'd')
        rc = err_set(&err, ERR_IO, "broken off");
    if (c->kind == 'u')
        rc = err_set(&err, ERR_UNREACHABLE, "refused");
    if (c->kind == '4' && c->n == 0)
        p.on_body(p.arg, 404, gone, sizeof gone - 1);
    world.last_died = c->kind == 'd' || c->kind == 'u';
    c->there = false;
    p.on_done(p.arg, rc, rc == ERR_UNREACHABLE ? NULL : &r, rc ? &err : NULL);
}

static void step_call(struct http_call *c)
{
    size_t half = c->n / 2 + 1, n;

    if (!c->begun)
        take_answer(c);
    c->begun = true;
    if (c->kind == 'u' || c->at == c->n) {
        end_call(c);
        return;
    }
    half = c->n / 2 + 1;
    n = c->n - c->at < half ? c->n - c->at : half;
    if (!c->params.on_body(c->params.arg,
                           c->kind == '4'   ? 404
                           : c->kind == '5' ? 503
                                            : 200,
                           c->bytes + c->at, n)) {
        c->held = true;
        return;
    }
    c->at += n;
    if (c->kind == 'g' || c->kind == 'k')
        leave(c->kind == 'k');
}

static bool run_inquest(void)
{
    for (size_t i = 0; i < CALLS_MAX; i++)
        if (world.inquests[i].there) {
            struct inquest q = world.inquests[i];
            struct inquest_finding f = {.over = q.over, .code = API_WORKER_CRASHED};

            str_copy(f.why, sizeof f.why, "the worker has crashed");
            world.inquests[i].there = false;
            q.done(q.arg, &f);
            return true;
        }
    return false;
}

static bool run_call(void)
{
    for (size_t i = 0; i < CALLS_MAX; i++)
        if (world.calls[i].there && !world.calls[i].held) {
            step_call(&world.calls[i]);
            return true;
        }
    return false;
}

static bool run_drained(void)
{
    void (*drained)(struct http_exchange * x, void *arg) = world.drained;

    world.pending = 0;
    world.drained = NULL;
    if (!drained || world.ended || world.gone)
        return false;
    drained(client, world.drained_arg);
    return true;
}

static bool is_over(void)
{
    return world.gone || world.ended || (client->status && !world.stream);
}

static void run_loop(void)
{
    for (unsigned i = 0; i < STEPS_MAX; i++)
        if (!run_active() && (is_over() || (!run_inquest() && !run_call() && !run_drained() &&
                                            !run_next(&world.now_ms, 60000))))
            break;
}

/* ---- the checks ---- */

static void check_json(const char *text, size_t n)
{
    json_error_t why;
    json_t *value = json_loadb(text, n, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);

    if (!value && json_error_code(&why) != json_error_null_byte_in_key &&
        json_error_code(&why) != json_error_numeric_overflow &&
        json_error_code(&why) != json_error_stack_overflow)
        BUG("no JSON: %.*s", (int)(n < 1500 ? n : 1500), text);
    json_decref(value);
}

static bool check_event(void *arg, const char *data, size_t n)
{
    size_t *n_done = arg;

    BUG_ON(*n_done);
    if (str_eq(data, "[DONE]"))
        ++*n_done;
    else
        check_json(data, n);
    return true;
}

static void check_stream(const struct http_exchange *x, const struct dialect *d)
{
    size_t n_done = 0;
    struct sse_reader *r;

    if (d->outlet == OUTLET_SSE) {
        r = sse_reader_create(check_event, NULL, &n_done);
        BUG_ON(!r || sse_reader_put(r, buf_str(&x->reply), x->reply.len, NULL));
        sse_reader_free(r);
        BUG_ON(world.ended && d->last && n_done != 1);
        return;
    }
    for (const char *at = buf_str(&x->reply), *end; (end = strchr(at, '\n')); at = end + 1)
        check_json(at, (size_t)(end - at));
}

static void check(const struct http_exchange *x, const struct dialect *d)
{
    if (world.gone)
        return;
    BUG_ON(x->status == 0 || x->gone);
    BUG_ON(world.stream && !world.ended);
    if (world.stream)
        check_stream(x, d);
    else
        check_json(buf_str(&x->reply), x->reply.len);
}

/* Nothing of it is left. */
static void check_world(void)
{
    for (size_t i = 0; i < CALLS_MAX; i++)
        BUG_ON(world.calls[i].there || world.inquests[i].there);
    fake_loop_check_empty();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dialect *const dialects[] = {
        &dialect_text,     &dialect_chat,        &dialect_responses,
        &dialect_messages, &dialect_ollama_chat, &dialect_ollama_generate};
    const uint8_t *end = size > 2 ? memchr(data + 2, FORM_FEED, size - 2) : NULL;
    static struct hive hive;
    const struct dialect *d;
    struct http_exchange x;
    char *body;
    size_t n;

    if (!end)
        return 0;
    memset(&world, 0, sizeof world);
    fake_loop_begin();
    world.at = end + 1;
    world.left = (size_t)(data + size - end) - 1;
    world.slow = data[1] & FLAG_SLOW;
    d = dialects[(size_t)(data[0] - 'a') % (sizeof dialects / sizeof dialects[0])];
    n = (size_t)(end - data) - 2;
    body = str_ndup((const char *)data + 2, n);
    BUG_ON(!body);
    exchange_begin(&x, body, n);
    client = &x;
    answer_take(&hive, &x, d);
    run_loop();
    if (!is_over())
        leave(false);
    check(&x, d);
    check_world();
    exchange_done(&x);
    free(body);
    return 0;
}
