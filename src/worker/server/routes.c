/* routes.c - see routes.h. */
#include "worker/server/routes.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "net/http_server.h"
#include "version.h"
#include "worker/schedule/scheduler.h"
#include "worker/server/answer.h"
#include "worker/server/entrance.h"
#include "worker/server/lifecycle.h"
#include "worker/server/progress.h"
#include "worker/server/server.h"

#define PATH_SHOWN 100 /* bytes of an unknown path that an error quotes */

struct route {
    const char *method, *path;
    bool prefix; /* something follows the path */
    bool stream; /* answers with a stream: no HEAD */
    void (*run)(struct server *s, struct http_exchange *x, const char *rest);
};

static void route_health(struct server *s, struct http_exchange *x, const char *rest)
{
    (void)s, (void)rest;
    answer_json(x, 200,
                json_pack("{s:s, s:s, s:s}", "status", "alive", "version", RBEE_VERSION,
                          "api_version", "v1"));
}

static json_t *counts(const struct server *s)
{
    const struct board *b = s->board;

    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I}", "slots_total",
                     (json_int_t)atomic_load(&b->slots_total), "slots_busy",
                     (json_int_t)atomic_load(&b->slots_busy), "queued",
                     (json_int_t)atomic_load(&b->queued), "queue_max", (json_int_t)s->o.queue_max,
                     "passes", (json_int_t)atomic_load(&b->passes), "cancelled",
                     board_cancelled_json(b), "late_passes_max",
                     (json_int_t)atomic_load(&b->late_passes_max), "queue_timeouts",
                     (json_int_t)atomic_load(&b->queue_timeouts), "slow_clients_cut",
                     (json_int_t)http_server_n_slow(s->http));
}

/* Bound to all addresses, the worker is known by the name that the client used. */
static void put_progress_url(const struct server *s, const struct http_exchange *x, json_t *out)
{
    static const char path[] = "/v1/loading/progress";
    const char *host = http_header(x, "host");
    bool wildcard = str_eq(s->host, "0.0.0.0") || str_eq(s->host, "::");
    char url[SERVER_URL_MAX + sizeof path];

    if (wildcard && host && !s->o.public_url)
        snprintf(url, sizeof url, "%s://%.*s%s", entrance_tls(s->entrance) ? "https" : "http",
                 SERVER_HOST_MAX, host, path);
    else
        snprintf(url, sizeof url, "%s%s", s->url, path);
    json_object_set_new(out, "progress_url", json_string(url));
}

/* What the model can do, once it is known. */
static void put_abilities(const struct server *s, json_t *body)
{
    const struct scheduler_facts *f = scheduler_facts(s->scheduler);

    json_object_set_new(body, "chat", json_boolean(f->chat));
    json_object_set_new(body, "tools", json_boolean(f->tools));
    json_object_set_new(body, "embeddings", json_boolean(f->model.embeds));
    json_object_set_new(body, "n_ctx", json_integer(f->n_ctx));
    json_object_set_new(body, "n_vocab", json_integer(f->model.n_vocab));
}

static void route_ready(struct server *s, struct http_exchange *x, const char *rest)
{
    const char *state = board_state_name(s->board);
    bool loaded = s->stage == LOAD_DONE;
    json_t *body = counts(s);

    (void)rest;
    if (s->draining)
        state = "draining";
    else if (!loaded && s->stage != LOAD_FAILED)
        state = "loading";
    json_object_set_new(body, "worker_id", json_string(s->o.worker_id));
    json_object_set_new(body, "ready", json_boolean(loaded && !s->draining));
    json_object_set_new(body, "state", json_string(state));
    json_object_set_new(body, "model_loaded", json_boolean(loaded));
    if (s->stage == LOAD_FAILED)
        json_object_set_new(
            body, "error",
            json_pack("{s:s, s:s}", "code", s->board->error_code, "message", s->board->error_text));
    else if (!loaded)
        put_progress_url(s, x, body);
    else
        put_abilities(s, body);
    answer_json(x, 200, body);
}

static void route_progress(struct server *s, struct http_exchange *x, const char *rest)
{
    (void)rest;
    progress_watch(s->progress, x);
}

static json_t *model_json(const struct engine_model_info *m)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
        "architecture", m->architecture, "name", m->name, "tokenizer", m->tokenizer,
        "pre_tokenizer", m->pre_tokenizer, "file_type", m->file_type, "file_bytes",
        (json_int_t)m->file_bytes, "weight_bytes", (json_int_t)m->weight_bytes, "n_params",
        (json_int_t)m->n_params, "n_layers", (json_int_t)m->n_layers, "n_embd",
        (json_int_t)m->n_embd, "n_heads", (json_int_t)m->n_heads, "n_kv_heads",
        (json_int_t)m->n_kv_heads, "head_dim", (json_int_t)m->head_dim, "n_ff", (json_int_t)m->n_ff,
        "n_vocab", (json_int_t)m->n_vocab, "n_ctx_train", (json_int_t)m->n_ctx_train,
        "kv_bytes_per_token", (json_int_t)m->kv_bytes_per_token);
}

static void put_facts(const struct server *s, json_t *body)
{
    const struct scheduler_facts *f = scheduler_facts(s->scheduler);
    json_t *model = model_json(&f->model);

    if (model && f->model.chat_template)
        json_object_set_new(model, "chat_template", json_string(f->model.chat_template));
    if (model && f->model.tool_template)
        json_object_set_new(model, "chat_template_tool_use", json_string(f->model.tool_template));
    json_object_set_new(body, "model", model ? model : json_null());
    json_object_set_new(body, "n_ctx", json_integer(f->n_ctx));
    json_object_set_new(body, "n_batch", json_integer(f->n_batch));
    json_object_set_new(body, "n_threads", json_integer(f->n_threads));
    json_object_set_new(body, "kernels", json_string(f->kernels));
}

static void route_info(struct server *s, struct http_exchange *x, const char *rest)
{
    json_t *body = counts(s);

    (void)rest;
    json_object_set_new(body, "worker_id", json_string(s->o.worker_id));
    json_object_set_new(body, "version", json_string(RBEE_VERSION));
    json_object_set_new(body, "model_ref", json_string(s->o.model_ref));
    json_object_set_new(body, "backend", json_string(SERVER_BACKEND));
    json_object_set_new(body, "device", json_integer(s->o.device));
    json_object_set_new(body, "tokens_out",
                        json_integer((json_int_t)atomic_load(&s->board->tokens_out)));
    json_object_set_new(body, "steps", json_integer((json_int_t)atomic_load(&s->board->steps)));
    if (s->stage == LOAD_DONE)
        put_facts(s, body);
    else
        json_object_set_new(body, "model", json_null());
    answer_json(x, 200, body);
}

static void route_shutdown(struct server *s, struct http_exchange *x, const char *rest)
{
    (void)rest;
    lifecycle_drain(s->life, LIFECYCLE_REQUEST_DRAIN_MS); /* whoever reads the answer finds it so */
    answer_json(x, 202, json_pack("{s:s}", "state", "draining"));
}

static const struct route routes[] = {
    {"GET", "/v1/health", false, false, route_health},
    {"GET", "/v1/ready", false, false, route_ready},
    {"GET", "/v1/info", false, false, route_info},
    {"GET", "/v1/loading/progress", false, true, route_progress},
    {"POST", "/v1/inference", false, true, route_inference},
    {"DELETE", "/v1/inference/", true, false, route_cancel},
    {"POST", "/v1/embeddings", false, false, route_embeddings},
    {"POST", "/v1/render", false, false, route_render},
    {"POST", "/v1/tokenize", false, false, route_tokenize},
    {"POST", "/v1/detokenize", false, false, route_detokenize},
    {"POST", "/v1/admin/shutdown", false, false, route_shutdown},
};
#define N_ROUTES (sizeof routes / sizeof routes[0])

static bool has_path(const struct route *r, const char *path)
{
    if (r->prefix)
        return str_starts(path, r->path) && path[strlen(r->path)] != '\0';
    return str_eq(path, r->path);
}

static bool has_head(const struct route *r)
{
    return str_eq(r->method, "GET") && !r->stream;
}

static bool has_method(const struct route *r, const char *method)
{
    return str_eq(r->method, method) || (str_eq(method, "HEAD") && has_head(r));
}

static void refuse_path(struct http_exchange *x)
{
    struct api_error e;

    api_error_set(&e, API_NOT_FOUND, ANSWER_SRC, "This worker has no route %.*s.", PATH_SHOWN,
                  http_path(x));
    answer_error(x, &e);
}

static void refuse_method(struct http_exchange *x, const struct route *r)
{
    char allow[32];
    struct api_error e;

    snprintf(allow, sizeof allow, "%s%s", r->method, has_head(r) ? ", HEAD" : "");
    http_add_header(x, "Allow", allow);
    api_error_set(&e, API_METHOD_NOT_ALLOWED, ANSWER_SRC, "%s takes %s, not %.20s.", r->path, allow,
                  http_method(x));
    answer_error(x, &e);
}

void routes_handle(struct http_exchange *x, void *arg)
{
    const char *path = http_path(x), *method = http_method(x);

    for (size_t i = 0; i < N_ROUTES; i++) {
        const struct route *r = &routes[i];

        if (!has_path(r, path))
            continue;
        if (has_method(r, method))
            r->run(arg, x, path + strlen(r->path));
        else
            refuse_method(x, r);
        return;
    }
    refuse_path(x);
}
