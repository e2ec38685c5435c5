/* routes_workers.c - /v1/workers/...: list, spawn, ready, stop, log. */
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "api/modelref.h"
#include "base/log.h"
#include "base/str.h"
#include "hive/disk/logtail.h"
#include "hive/http/reply.h"
#include "hive/models/models.h"
#include "hive/routes/explain.h"
#include "hive/routes/routes.h"
#include "hive/routes/spawn.h"
#include "hive/workers/workers.h"

#define LOG_LINES_DEFAULT 100
#define LOG_LINES_MAX     10000
#define SHORT_TEXT_MAX    128
#define ROOM_WAIT_MS      30000 /* well within the minute that a keeper waits for a spawn */

static void get_list(struct hive *h, struct http_exchange *x, const char *id)
{
    char host[CONFIG_HOST_MAX];

    (void)id;
    workers_see_files(h->workers, NULL);
    reply_json(x, 200, workers_list_json(h->workers, routes_public_host(h, x, host)));
}

static void answer_no_worker(struct http_exchange *x, const char *id)
{
    reply_fail(x, API_NOT_FOUND, "there is no worker '%.80s' here", id);
}

static void get_one(struct hive *h, struct http_exchange *x, const char *id)
{
    const struct worker *w = workers_find(h->workers, id);
    char host[CONFIG_HOST_MAX];

    if (!w) {
        answer_no_worker(x, id);
        return;
    }
    workers_see_files(h->workers, id);
    reply_json(x, 200, worker_json(w, routes_public_host(h, x, host)));
}

/* ---- spawn ---- */

/* To who asked for it a worker is "loading" from its first moment on. */
static json_t *spawned_json(const struct worker *w, const char *host)
{
    json_t *out = worker_json(w, host);

    if (out && worker_is_new(w))
        json_object_set_new(out, "state", json_string("loading"));
    return out;
}

/* Somebody who waits for the answer to a spawn. */
struct ask {
    struct hive *hive;
    struct http_exchange *x;
};

static void on_launched(void *arg, const struct worker *w, struct api_error *e, int retry_after_s)
{
    struct ask *ask = arg;
    struct http_exchange *x = ask->x;
    char host[CONFIG_HOST_MAX];

    if (w) {
        reply_json(x, 200, spawned_json(w, routes_public_host(ask->hive, x, host)));
    } else {
        reply_error_after(x, retry_after_s > 0 ? 503 : 0, e, retry_after_s);
    }
    free(ask);
}

static void on_asker_gone(struct http_exchange *x, void *arg)
{
    struct ask *ask = arg;

    (void)x;
    workers_forget(ask->hive->workers, ask);
    free(ask);
}

static void launch(struct hive *h, struct http_exchange *x, const struct launch *l)
{
    struct ask *ask = calloc(1, sizeof *ask);

    if (!ask) {
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
        return;
    }
    *ask = (struct ask){.hive = h, .x = x};
    http_on_gone(x, on_asker_gone, ask);
    workers_launch(h->workers, l, on_launched, ask);
}

static void post_spawn(struct hive *h, struct http_exchange *x, const char *id)
{
    struct api_error e = {0};
    struct spawn s;

    (void)id;
    if (spawn_read(h, x, &s, &e))
        reply_error(x, 0, &e);
    else {
        s.launch.room_wait_max_ms = ROOM_WAIT_MS;
        launch(h, x, &s.launch);
    }
    spawn_done(&s);
}

/* ---- a worker speaks of itself ---- */

static void post_ready(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *worker_id = NULL, *state = "loading", *ignored, *body;
    int64_t number;
    struct api_error e = {0};
    struct fields f;
    size_t n;

    (void)id;
    body = http_body(x, &n);
    fields_begin(&f, body, n);
    fields_text(&f, "worker_id", true, SHORT_TEXT_MAX, &worker_id);
    fields_text(&f, "url", true, CONFIG_HOST_MAX + 32, &ignored);
    fields_text(&f, "model_ref", true, MODEL_REF_MAX, &ignored);
    fields_text(&f, "backend", true, SHORT_TEXT_MAX, &ignored);
    fields_int(&f, "device", true, 0, INT32_MAX, &number);
    fields_text(&f, "state", false, SHORT_TEXT_MAX, &state);
    fields_int(&f, "slots_total", false, 0, INT32_MAX, &number);
    fields_int(&f, "n_ctx", false, 0, INT32_MAX, &number);
    if (fields_end(&f, &e, REPLY_SRC)) {
        reply_error(x, 0, &e);
    } else if (!workers_find(h->workers, worker_id)) {
        answer_no_worker(x, worker_id);
    } else {
        log_debug("%s says it is %s", worker_id, state);
        reply_json(x, 200, json_pack("{s:b}", "ok", 1));
    }
    fields_done(&f);
}

/* ---- stop, log ---- */

/* One that has failed is not to end any more. */
static void stop_one(struct hive *h, struct http_exchange *x, const char *id)
{
    const struct worker *w;

    if (workers_stop(h->workers, id, NULL)) {
        answer_no_worker(x, id);
        return;
    }
    w = workers_find(h->workers, id); /* not one that was being prepared */
    reply_json(
        x, 202,
        json_pack("{s:s, s:s}", "worker_id", id, "state", w ? worker_state_text(w) : "draining"));
}

/* Somebody has deleted it: nothing that a report would help. */
static void answer_no_log(struct http_exchange *x, const struct worker *w)
{
    struct api_error e = {0};

    api_error_set(&e, API_NOT_FOUND, REPLY_SRC, "the log of that worker, %.300s, is gone",
                  worker_log_path(w));
    e.details =
        json_pack("{s:s}", "hint", "Somebody has deleted it; a new worker begins a new one.");
    reply_error(x, 0, &e);
}

static void get_log(struct hive *h, struct http_exchange *x, const char *id)
{
    const struct worker *w = workers_find(h->workers, id);
    const char *asked = http_query(x, "lines");
    uint64_t lines = LOG_LINES_DEFAULT;
    struct err err = {0};
    struct buf text;
    int rc;

    if (!w) {
        answer_no_worker(x, id);
        return;
    }
    if (asked && (str_to_u64(asked, &lines) || lines > LOG_LINES_MAX)) {
        reply_fail(x, API_INVALID_REQUEST, "lines takes a whole number from 0 to %d",
                   LOG_LINES_MAX);
        return;
    }
    buf_init(&text, LOGTAIL_BYTES_MAX);
    rc = logtail_read(worker_log_path(w), (size_t)lines, &text, &err);
    if (rc == ERR_NOT_FOUND)
        answer_no_log(x, w);
    else if (rc)
        reply_fail_of(x, &err);
    else
        http_reply(x, 200, "text/plain; charset=utf-8", buf_str(&text), text.len);
    buf_done(&text);
}

const struct route routes_workers[] = {
    {"GET", "/v1/workers/list", get_list},           {"POST", "/v1/workers/spawn", post_spawn},
    {"POST", "/v1/workers/explain", explain_answer}, {"POST", "/v1/workers/ready", post_ready},
    {"GET", "/v1/workers/*/log", get_log},           {"POST", "/v1/workers/*/shutdown", stop_one},
    {"DELETE", "/v1/workers/*/shutdown", stop_one},  {"GET", "/v1/workers/*", get_one},
    {"DELETE", "/v1/workers/*", stop_one},           {0},
};
