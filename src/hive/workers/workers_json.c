/* workers_json.c - what is told about workers, as JSON and to the hive's other parts; see
 * workers.h. */
#include <stdio.h>
#include <string.h>

#include "api/sandbox.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/workers/workers_internal.h"

const char *worker_state_text(const struct worker *w)
{
    if (w->state == WORKER_DEAD || w->state == WORKER_CONDEMNED)
        return "failed";
    if (w->state == WORKER_DRAINING)
        return "draining";
    if (w->state == WORKER_SUSPENDED)
        return "stopped";
    return w->board ? board_state_name(w->board) : "starting";
}

static json_t *url_of(const struct worker *w, const char *host)
{
    struct config_addr addr = {.port = w->port};
    char text[CONFIG_HOST_MAX + 9], url[CONFIG_HOST_MAX + 16];

    str_copy(addr.host, sizeof addr.host, host);
    snprintf(url, sizeof url, "%s://%s", w->owner->params.tls ? "https" : "http",
             config_addr_text(&addr, text, sizeof text));
    return json_string(url);
}

/* null until the worker has said it. */
static json_t *sandbox_json(const struct board *b)
{
    struct sandbox_level level = sandbox_unpack(b ? atomic_load(&b->sandbox) : 0);
    char text[SANDBOX_TEXT_BYTES];

    return level.why == SANDBOX_UNTOLD ? json_null() : json_string(sandbox_text(&level, text));
}

/* Who looks for a size need not wait until it is loaded: what it is planned to have. */
static int64_t size_of(const struct worker *w, uint32_t said, uint64_t planned)
{
    return said == 0 && worker_state_runs(w->state) ? (int64_t)planned : said;
}

/* The numbers of the board, of one that has ended the last ones; a worker without one has none. */
static void put_board(json_t *out, const struct worker *w)
{
    const struct board *b = w->board ? w->board : w->kept;
    int64_t now = clock_ms(), activity = worker_activity_ms(w, now);

    if (activity < w->started_ms)
        activity = w->started_ms;
    json_object_set_new(
        out, "slots_total",
        json_integer(size_of(w, b ? atomic_load(&b->slots_total) : 0, w->need.slots)));
    json_object_set_new(out, "slots_busy", json_integer(b ? atomic_load(&b->slots_busy) : 0));
    json_object_set_new(out, "queued", json_integer(b ? atomic_load(&b->queued) : 0));
    json_object_set_new(out, "n_ctx",
                        json_integer(size_of(w, b ? atomic_load(&b->n_ctx) : 0, w->need.ctx)));
    json_object_set_new(out, "tokens_out", json_integer(b ? board_count(&b->tokens_out) : 0));
    json_object_set_new(out, "passes", json_integer(b ? board_count(&b->passes) : 0));
    json_object_set_new(out, "pass_p99_ms", json_integer(b ? atomic_load(&b->pass_p99_ms) : 0));
    json_object_set_new(out, "queue_timeouts",
                        json_integer(b ? board_count(&b->queue_timeouts) : 0));
    if (b)
        json_object_set_new(out, "cancelled", board_cancelled_json(b));
    json_object_set_new(out, "last_activity_ms_ago",
                        json_integer(now > activity ? now - activity : 0));
    json_object_set_new(out, "sandbox", sandbox_json(b));
}

/* Why it failed: known from its end, or from who is ending it, or only from its board as yet. */
static json_t *error_json(const struct worker *w)
{
    struct api_error on_board = {0};
    const struct api_error *e = &w->error;

    if (w->state != WORKER_DEAD && w->state != WORKER_CONDEMNED) {
        worker_board_error(w, &on_board);
        e = &on_board;
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o*, s:O*}", "code", api_error_info(e->code)->code,
                     "message", e->message, "worker_id", w->id, "log_path", w->log_path, "log_tail",
                     w->log_tail ? json_incref(w->log_tail) : worker_log_tail(w), "hint",
                     json_object_get(e->details, "hint"));
}

json_t *worker_json(const struct worker *w, const char *host)
{
    char when[CLOCK_ISO_BYTES];
    json_t *out = json_pack(
        "{s:s, s:o, s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:I}", "worker_id", w->id, "url",
        url_of(w, host), "pid", (json_int_t)(w->state == WORKER_DEAD ? 0 : w->child.pid), "state",
        worker_state_text(w), "model_ref", w->model_ref, "model_path", w->model_path, "backend",
        w->backend, "device", (json_int_t)w->device, "started_at",
        clock_iso8601(w->started_unix_ms, when), "keep_alive_ms", (json_int_t)w->keep_alive_ms);

    if (!out) {
        log_warn("%s cannot be told of: the hive is out of memory", w->id);
        return NULL;
    }
    put_board(out, w);
    if (w->replaced)
        json_object_set_new(out, "replaced", json_true());
    if (w->outgrown)
        json_object_set_new(out, "outgrown", json_true());
    if (str_eq(worker_state_text(w), "failed"))
        json_object_set_new(out, "error", error_json(w));
    return out;
}

json_t *workers_list_json(struct workers *ws, const char *host)
{
    json_t *list = json_array();
    const struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    if (w->state != WORKER_PREPARING)
        json_array_append_new(list, worker_json(w, host));
    return json_pack("{s:o}", "workers", list);
}

const struct worker *workers_find(struct workers *ws, const char *id)
{
    const struct worker *w = worker_by_id(ws, id);

    return w && w->state != WORKER_PREPARING ? w : NULL;
}

void workers_each(const struct workers *ws, bool (*each)(void *arg, const struct worker *w),
                  void *arg)
{
    const struct worker *w;

    TAILQ_FOREACH(w, &ws->all, link)
    if (w->state != WORKER_PREPARING && !each(arg, w))
        return;
}

bool worker_takes_work(const struct worker *w)
{
    return w->state == WORKER_LOADING || w->state == WORKER_READY;
}

static void look_at_board(const struct worker *w, struct worker_look *out)
{
    const struct board *b = w->board;
    int64_t activity = worker_activity_ms(w, clock_ms());

    out->ready = out->usable && worker_board_state(w) == BOARD_READY;
    out->layers_loaded = atomic_load(&b->layers_loaded);
    out->layers_total = atomic_load(&b->layers_total);
    out->bytes_loaded = atomic_load(&b->bytes_loaded);
    out->bytes_total = atomic_load(&b->bytes_total);
    out->n_slots = atomic_load(&b->slots_total);
    out->n_ctx = atomic_load(&b->n_ctx);
    if (activity > out->idle_since_ms)
        out->idle_since_ms = activity;
}

void worker_look(const struct worker *w, struct worker_look *out)
{
    enum board_state state = worker_board_state(w);
    bool failed = w->state == WORKER_DEAD || w->stranded;

    *out = (struct worker_look){
        .id = w->id,
        .model_ref = w->model_ref,
        .model_path = w->model_path,
        .backend = w->backend,
        .fingerprint = w->fingerprint,
        .usable = worker_takes_work(w) && state != BOARD_DRAINING && state != BOARD_FAILED,
        .failed = failed,
        .keep_alive_ms = w->keep_alive_ms,
        .idle_since_ms = w->started_ms > w->asked_ms ? w->started_ms : w->asked_ms,
        .error = failed ? &w->error : NULL};
    if (w->board)
        look_at_board(w, out);
}
