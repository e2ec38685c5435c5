/* pool.c - see pool.h. Waiting for a worker to load is in ready.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_whole.h"
#include "base/str.h"
#include "keeper/ask/pool_internal.h"
#include "keeper/ask/ready.h"
#include "keeper/models/download.h"
#include "keeper/node/preflight.h"
#include "keeper/shell/interrupt.h"

/* ---- choosing ---- */

static bool is_same_kind(const json_t *worker, const struct pool_want *want)
{
    return str_eq(keeper_text(worker, "model_ref", ""), want->model_ref) &&
           (str_eq(want->backend, "auto") ||
            str_eq(keeper_text(worker, "backend", ""), want->backend)) &&
           (want->device < 0 || keeper_number(worker, "device", 0) == want->device);
}

bool pool_is_passed_by(const json_t *worker)
{
    return json_is_true(json_object_get(worker, "replaced")) ||
           json_is_true(json_object_get(worker, "outgrown"));
}

/* What is not told yet is enough: an earlier hive says 0 of a worker that loads. */
static int64_t size_told(const json_t *worker, const char *key)
{
    int64_t n = keeper_number(worker, key, 0);

    return n > 0 ? n : INT64_MAX;
}

/* A context or slots of fewer than asked for do not do. */
static bool is_large_enough(const json_t *worker, const struct pool_want *want)
{
    return size_told(worker, "n_ctx") >= want->ctx &&
           size_told(worker, "slots_total") >= want->slots;
}

static int64_t free_slots(const json_t *worker)
{
    int64_t n_free;

    return __builtin_sub_overflow(keeper_number(worker, "slots_total", 1),
                                  keeper_number(worker, "slots_busy", 0), &n_free)
               ? 0
               : n_free;
}

bool pool_is_loaded(const json_t *worker)
{
    const char *state = keeper_text(worker, "state", "");

    return str_eq(state, "idle") || str_eq(state, "busy");
}

static bool is_usable(const json_t *worker, const struct pool_want *want)
{
    return pool_is_loaded(worker) && !pool_is_passed_by(worker) && free_slots(worker) > 0 &&
           keeper_text(worker, "url", NULL) && keeper_text(worker, "worker_id", NULL) &&
           !str_eq(keeper_text(worker, "worker_id", NULL), want->avoid);
}

const json_t *pool_choose(const json_t *list, const struct pool_want *want)
{
    const json_t *workers = json_object_get(list, "workers"), *best = NULL;
    size_t i;
    json_t *w;

    json_array_foreach(workers, i, w) if (is_same_kind(w, want) && is_large_enough(w, want) &&
                                          is_usable(w, want) &&
                                          (!best || free_slots(w) > free_slots(best))) best = w;
    return best;
}

/* It takes work, now or soon. */
static bool is_given(const json_t *worker, const struct pool_want *want)
{
    const char *state = keeper_text(worker, "state", "");

    return (pool_is_loaded(worker) || str_eq(state, "starting") || str_eq(state, "loading")) &&
           !str_eq(keeper_text(worker, "worker_id", NULL), want->avoid);
}

/* Are all of the same kind that are there too small? Then the hive must not give one again. Of
 * several it gives one that is large enough. */
static bool has_only_smaller(const json_t *list, const struct pool_want *want)
{
    bool smaller = false;
    size_t i;
    json_t *w;

    json_array_foreach(json_object_get(list, "workers"), i, w)
    {
        if (!is_same_kind(w, want) || pool_is_passed_by(w) || !is_given(w, want))
            continue;
        if (is_large_enough(w, want))
            return false;
        smaller = true;
    }
    return smaller;
}

/* ---- spawning ---- */

/* The request's body (free()); NULL when out of memory or not UTF-8. */
static char *spawn_body(const struct pool_want *want, bool fresh)
{
    json_t *body =
        json_pack("{s:s, s:s, s:I}", "model_ref", want->model_ref, "backend", want->backend,
                  "device", (json_int_t)(want->device < 0 ? 0 : want->device));
    char *text;

    if (!body)
        return NULL;
    if (want->slots)
        json_object_set_new(body, "slots", json_integer(want->slots));
    if (want->ctx)
        json_object_set_new(body, "ctx", json_integer(want->ctx));
    if (want->keep_alive)
        json_object_set_new(body, "keep_alive", json_string(want->keep_alive));
    if (fresh)
        json_object_set_new(body, "new", json_true());
    text = json_write(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

/* Its row in the list (borrowed), or NULL. */
static const json_t *listed(const json_t *list, const char *id)
{
    size_t i;
    json_t *w;

    json_array_foreach(json_object_get(list, "workers"), i,
                       w) if (str_eq(keeper_text(w, "worker_id", NULL), id)) return w;
    return NULL;
}

/*
 * The hive may answer with a worker that was there already. Its state does not tell: a small model
 * may be loaded before the answer is written.
 */
static void say_spawned(struct keeper *k, const json_t *list, const struct pool_worker *w)
{
    term_ok(&k->term, "Worker %s (%s at %s)", listed(list, w->id) ? "found" : "spawning", w->id,
            w->url);
}

/* *small: what the hive gives is less than was asked for, as its answer says. */
static int ask_spawn(struct keeper *k, const struct pool_want *want, bool fresh, bool *small,
                     struct pool_worker *out, struct api_error *e)
{
    char url[KEEPER_URL_MAX], *body = spawn_body(want, fresh);
    struct client_ask ask = {.method = "POST", .timeout_ms = POOL_SPAWN_MS};
    json_t *answer = NULL;
    int rc = -1;

    if (!body) {
        api_error_set(e, API_INTERNAL, "keeper", "the request for a worker could not be made");
        return -1;
    }
    ask.url = keeper_url(k, url, "/v1/workers/spawn");
    ask.body = body;
    if (client_json(k->client, &ask, &answer, e) == 0)
        rc = pool_take(k->node.url, answer, out, e);
    *small = rc == 0 && !is_large_enough(answer, want);
    json_decref(answer);
    free(body);
    return rc;
}

static int spawn(struct keeper *k, const struct pool_want *want, const json_t *list, bool *fresh,
                 struct pool_worker *out, struct api_error *e)
{
    bool small;

    if (ask_spawn(k, want, *fresh, &small, out, e))
        return -1;
    if (!*fresh && small) { /* it was in no list, or there by another name of the same file */
        *fresh = true;
        if (ask_spawn(k, want, true, &small, out, e))
            return -1;
    }
    say_spawned(k, list, out);
    return 0;
}

/* Does a worker that is ready say that it has less than was asked for? */
static bool is_small(struct keeper *k, const struct pool_want *want,
                     const struct pool_worker *worker)
{
    struct api_error ignored = {0};
    json_t *answer;
    bool small;

    if (!want->ctx && !want->slots)
        return false;
    if (pool_ask_ready(k, worker, KEEPER_LIST_MS, &answer, &ignored)) {
        api_error_done(&ignored);
        return false;
    }
    small = !is_large_enough(answer, want);
    json_decref(answer);
    return small;
}

/*
 * Spawns, and waits. The hive may give a worker that was in no list yet, as somebody else had asked
 * for it a moment before. How large it is to be is told at once, how large it is when it is ready.
 */
static int spawn_ready(struct keeper *k, const struct pool_want *want, const json_t *list,
                       struct pool_worker *out, struct api_error *e)
{
    bool fresh = has_only_smaller(list, want), small = true;

    while (small) {
        if (spawn(k, want, list, &fresh, out, e))
            return -1;
        timings_phase(&k->timings, "spawn");
        if (ready_wait(k, out, download_short_name(want->model_ref), e))
            return -1;
        timings_phase(&k->timings, "ready");
        small = !fresh && is_small(k, want, out);
        if (small)
            term_note(&k->term, "%s is smaller than was asked for; starting another.", out->id);
        fresh = true;
    }
    return 0;
}

/* Phases 3 to 7. */
static int acquire_cold(struct keeper *k, const struct pool_want *want, const json_t *list,
                        struct pool_worker *out, struct api_error *e)
{
    struct download d;

    if (want->download) {
        if (download_run(k, want->model_ref, &d, e))
            return -1;
        download_say(k, &d);
        timings_phase(&k->timings, "model");
    }
    return spawn_ready(k, want, list, out, e);
}

/* How long a worker stays is for the hive to set: it gives the best one there now, with that. */
static int acquire_kept(struct keeper *k, const struct pool_want *want, const json_t *list,
                        struct pool_worker *out, struct api_error *e)
{
    struct pool_want loaded = *want;

    loaded.download = false;
    return acquire_cold(k, &loaded, list, out, e);
}

static int reuse(struct keeper *k, const json_t *worker, struct pool_worker *out,
                 struct api_error *e)
{
    if (pool_take(k->node.url, worker, out, e))
        return -1;
    term_ok(&k->term, "Worker ready (warm: %s with %s on %s)", out->id,
            keeper_text(worker, "model_ref", ""), keeper_text(worker, "backend", "?"));
    return 0;
}

int pool_acquire(struct keeper *k, const struct pool_want *want, struct pool_worker *out,
                 struct api_error *e)
{
    char url[KEEPER_URL_MAX];
    const struct client_ask ask = {.url = keeper_url(k, url, "/v1/workers/list"),
                                   .timeout_ms = KEEPER_LIST_MS,
                                   .connect_timeout_ms = POOL_CONNECT_MS};
    json_t *list = NULL;
    const json_t *warm = NULL;
    bool heard = client_json(k->client, &ask, &list, e) == 0;
    int rc = -1;

    timings_phase(&k->timings, "list");
    if (heard)
        warm = pool_choose(list, want);
    else
        api_error_done(e); /* preflight asks again, patiently, and says what is wrong */
    if (!warm) {
        if (interrupt_seen() || preflight_run(k, e))
            goto out;
        timings_phase(&k->timings, "health");
        term_ok(&k->term, "Pool health check (%s)", k->node.url);
        if (!heard && client_json(k->client, &ask, &list, e))
            goto out;
        warm = heard ? NULL : pool_choose(list, want);
    }
    rc = !warm              ? acquire_cold(k, want, list, out, e)
         : want->keep_alive ? acquire_kept(k, want, list, out, e)
                            : reuse(k, warm, out, e);
out:
    json_decref(list);
    return rc;
}
