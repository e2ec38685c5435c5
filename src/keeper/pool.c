/* pool.c - see pool.h. Waiting for a worker to load is in ready.c. */
#include "keeper/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/access.h"
#include "api/addressee.h"
#include "base/str.h"
#include "keeper/download.h"
#include "keeper/interrupt.h"
#include "keeper/preflight.h"
#include "keeper/ready.h"
#include "net/http_url.h"

#define EXPLAIN_TRIES 5 /* a hive needs a moment to notice that a worker ended */
#define EXPLAIN_MS    100

/* ---- choosing ---- */
static bool is_same_kind(const json_t *worker, const struct pool_want *want)
{
    return str_eq(keeper_text(worker, "model_ref", ""), want->model_ref) &&
           (str_eq(want->backend, "auto") ||
            str_eq(keeper_text(worker, "backend", ""), want->backend)) &&
           (want->device < 0 || keeper_number(worker, "device", 0) == want->device);
}

/* Its hive gives it to nobody any more, who asks by that name: what it has loaded is an old file,
 * or a larger one has taken its place. */
static bool is_passed_by(const json_t *worker)
{
    return json_is_true(json_object_get(worker, "replaced")) ||
           json_is_true(json_object_get(worker, "outgrown"));
}

/* A context or slots of fewer than asked for do not do; one not told does. */
static bool is_large_enough(const json_t *worker, const struct pool_want *want)
{
    return keeper_number(worker, "n_ctx", INT64_MAX) >= want->ctx &&
           keeper_number(worker, "slots_total", INT64_MAX) >= want->slots;
}

static int64_t free_slots(const json_t *worker)
{
    int64_t n_free;

    return __builtin_sub_overflow(keeper_number(worker, "slots_total", 1),
                                  keeper_number(worker, "slots_busy", 0), &n_free)
               ? 0
               : n_free;
}

static bool is_loaded(const json_t *worker)
{
    const char *state = keeper_text(worker, "state", "");

    return str_eq(state, "idle") || str_eq(state, "busy");
}

static bool is_usable(const json_t *worker, const struct pool_want *want)
{
    return is_loaded(worker) && !is_passed_by(worker) && free_slots(worker) > 0 &&
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

    return (is_loaded(worker) || str_eq(state, "starting") || str_eq(state, "loading")) &&
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
        if (!is_same_kind(w, want) || is_passed_by(w) || !is_given(w, want))
            continue;
        if (is_large_enough(w, want))
            return false;
        smaller = true;
    }
    return smaller;
}

/* ---- taking ---- */

#define HINT_PAIR "pair with the hive itself, by the line of `rbee-hive pair`"
#define HINT_TLS_PROXY                                                                             \
    "Does a proxy speak https for that hive? Tokens come straight from its workers: " HINT_PAIR    \
    ", or have it listen at 0.0.0.0:8080 with the proxy's certificate ([hive] tls_cert, "          \
    "tls_key), "                                                                                   \
    "the Host header kept, and the workers' ports (8081 and up) let through."
#define HINT_PROXY                                                                                 \
    "Behind a proxy or a port mapping, start the hive with --addr 0.0.0.0:8080, let the "          \
    "workers' ports (8081 and up) through, and have the proxy keep the Host header; or " HINT_PAIR \
    "."

static int refuse_plain(const char *node_url, const char *place, struct api_error *e)
{
    api_error_set(
        e, API_CERTIFICATE_MISMATCH, "keeper",
        "the hive at %s speaks https, but names a worker at http://%s, where nobody could "
        "tell who answers: neither key nor prompt was sent there",
        node_url, place);
    e->details = json_pack("{s:s}", "hint", HINT_TLS_PROXY);
    return -1;
}

/* "localhost." is the same name. */
static bool is_this_machine(const char *host)
{
    char bare[HTTP_URL_HOST_MAX];
    size_t n;

    str_copy(bare, sizeof bare, host);
    n = strlen(bare);
    if (n > 1 && bare[n - 1] == '.')
        bare[n - 1] = '\0';
    return access_is_loopback(bare);
}

/* A hive of another machine that speaks of its own loopback address: it is asked through something
 * that does not say by which name. From here it is a port of this machine, and anybody's. */
static bool is_elsewhere(const char *node_url, const struct http_url *at)
{
    struct http_url node;

    return is_this_machine(at->host) && http_url_parse(node_url, &node, NULL) == 0 &&
           !is_this_machine(node.host);
}

static int refuse_elsewhere(const char *node_url, const char *place, struct api_error *e)
{
    api_error_set(e, API_CONNECTION_REFUSED, "keeper",
                  "the hive at %s names a worker at %s, which from here is a port of this machine "
                  "and not of the hive's: neither key nor prompt was sent there",
                  node_url, place);
    e->details =
        json_pack("{s:s}", "hint", str_starts(node_url, "https://") ? HINT_TLS_PROXY : HINT_PROXY);
    return -1;
}

/* A hive does not know by which of this machine's links it is reached: its workers are reached by
 * the same one. */
static void put_url(const char *node_url, const struct http_url *at, char *dst, size_t dst_size)
{
    const char *scheme = at->tls ? "https" : "http";
    struct http_url node;
    size_t n;

    if (http_url_parse(node_url, &node, NULL) == 0 && strchr(node.host, '%')) {
        n = strcspn(node.host, "%");
        if (strcspn(at->host, "%") == n && strncasecmp(node.host, at->host, n) == 0) {
            snprintf(dst, dst_size, "%s://[%s]:%u", scheme, node.host, at->port);
            return;
        }
    }
    snprintf(dst, dst_size, "%s://%s", scheme, at->place);
}

/* A worker may be at any address: its hive knows best. But what is sent there must be as safe as
 * what is sent to the hive. */
int pool_take(const char *node_url, const json_t *worker, struct pool_worker *out,
              struct api_error *e)
{
    const char *id = keeper_text(worker, "worker_id", ""), *url = keeper_text(worker, "url", "");
    struct http_url at;

    if (!id[0] || !str_copy(out->id, sizeof out->id, id) || http_url_parse(url, &at, NULL) ||
        !(str_eq(at.target, "") || str_eq(at.target, "/"))) {
        api_error_set(e, API_INTERNAL, "keeper",
                      "the hive names a worker without a usable id and URL: '%.64s', '%.200s'", id,
                      url);
        return -1;
    }
    if (str_starts(node_url, "https://") && !at.tls)
        return refuse_plain(node_url, at.place, e);
    if (is_elsewhere(node_url, &at))
        return refuse_elsewhere(node_url, at.place, e);
    put_url(node_url, &at, out->url, sizeof out->url);
    return 0;
}

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
    text = json_dumps(body, JSON_COMPACT);
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

/* ---- afterwards ---- */
/* What the hive says of it: the caller's, NULL with *e when that is nothing. */
static json_t *look_up(struct keeper *k, const char *worker_id, struct api_error *e)
{
    char path[KEEPER_URL_MAX];
    json_t *answer = NULL;

    snprintf(path, sizeof path, "/v1/workers/%s", worker_id);
    return keeper_get(k, path, &answer, e) ? NULL : answer;
}

bool pool_has(struct keeper *k, const struct pool_want *want, const char *worker_id,
              const char **why_not)
{
    struct api_error ignored = {0};
    json_t *answer = look_up(k, worker_id, &ignored);

    *why_not = NULL;
    if (!answer && ignored.code != API_NOT_FOUND)
        *why_not = "may be gone: its hive does not say";
    else if (!answer || !is_loaded(answer))
        *why_not = "is gone";
    else if (is_passed_by(answer) && str_eq(keeper_text(answer, "model_ref", ""), want->model_ref))
        *why_not = json_is_true(json_object_get(answer, "replaced"))
                       ? "has a file of the model that was replaced"
                       : "has made room for one with a larger context";
    api_error_done(&ignored);
    json_decref(answer);
    return !*why_not;
}

static bool was_reached(const struct client_last *last)
{
    return last->rc != ERR_UNREACHABLE && last->rc != ERR_TIMEOUT && last->rc != ERR_IO;
}

enum pool_work pool_ask_work(struct keeper *k, const char *worker_id)
{
    struct api_error why = {0};
    json_t *answer = look_up(k, worker_id, &why);
    enum pool_work work = POOL_MAY_HAVE_WORK;

    if (!answer && !was_reached(client_last(k->client)))
        work = POOL_NOT_REACHED;
    else if (answer ? keeper_number(answer, "slots_busy", 0) <= 0 &&
                          keeper_number(answer, "queued", 0) <= 0
                    : why.code == API_NOT_FOUND)
        work = POOL_NO_WORK;
    api_error_done(&why);
    json_decref(answer);
    return work;
}

int pool_ask_ready(struct keeper *k, const struct pool_worker *worker, int64_t timeout_ms,
                   json_t **out, struct api_error *e)
{
    char url[KEEPER_URL_MAX], named[ADDRESSEE_LINE_MAX];
    const struct client_ask ask = {.url = url,
                                   .header = addressee_line(named, worker->id),
                                   .timeout_ms = timeout_ms,
                                   .connect_timeout_ms = POOL_REACH_MS};

    snprintf(url, sizeof url, "%.*s/v1/ready", KEEPER_URL_MAX / 2, worker->url);
    if (client_json(k->client, &ask, out, e))
        return -1;
    if (str_eq(keeper_text(*out, "worker_id", ""), worker->id))
        return 0;
    json_decref(*out);
    api_error_set(e, API_WRONG_WORKER, "keeper", "it is not the worker %s that answers at %.200s",
                  worker->id, worker->url);
    return -1;
}

/* The hive's "error" of an ended worker (owned by the caller), or NULL. */
static json_t *ask_fate(struct keeper *k, const char *worker_id)
{
    char path[KEEPER_URL_MAX];
    json_t *answer = NULL, *error = NULL;
    struct api_error lost;

    snprintf(path, sizeof path, "/v1/workers/%s", worker_id);
    for (unsigned i = 0; i < EXPLAIN_TRIES && !error; i++) {
        if (i > 0 && !interrupt_sleep_ms(EXPLAIN_MS))
            break;
        if (keeper_get(k, path, &answer, &lost)) {
            api_error_done(&lost);
            break;
        }
        error = json_incref(json_object_get(answer, "error"));
        json_decref(answer);
    }
    return error;
}

void pool_explain(struct keeper *k, const char *worker_id, const char *otherwise,
                  struct api_error *e)
{
    json_t *error = ask_fate(k, worker_id);
    size_t len = strlen(e->message);

    snprintf(e->message + len, sizeof e->message - len, ": %s",
             keeper_text(error, "message", otherwise));
    json_decref(e->details);
    e->details = error ? error : json_object();
    json_object_set_new(e->details, "worker_id", json_string(worker_id));
}
