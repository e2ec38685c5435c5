/* pool_ask.c - what a worker, and its hive, say of it; see pool.h. */
#include <stdio.h>
#include <string.h>

#include "api/addressee.h"
#include "base/str.h"
#include "keeper/ask/pool_internal.h"
#include "keeper/shell/interrupt.h"

json_t *pool_look_up(struct keeper *k, const char *worker_id, struct api_error *e)
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
    json_t *answer = pool_look_up(k, worker_id, &ignored);

    *why_not = NULL;
    if (!answer && ignored.code != API_NOT_FOUND)
        *why_not = "may be gone: its hive does not say";
    else if (!answer || !pool_is_loaded(answer))
        *why_not = "is gone";
    else if (pool_is_passed_by(answer) &&
             str_eq(keeper_text(answer, "model_ref", ""), want->model_ref))
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
    json_t *answer = pool_look_up(k, worker_id, &why);
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
    json_t *answer, *error = NULL;
    struct api_error lost;

    for (unsigned i = 0; i < POOL_NOTICE_TRIES && !error; i++) {
        if (i > 0 && !interrupt_sleep_ms(POOL_NOTICE_MS))
            break;
        answer = pool_look_up(k, worker_id, &lost);
        if (!answer) {
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
    e->details = error;
    pool_name(worker_id, e);
}

void pool_name(const char *worker_id, struct api_error *e)
{
    if (!e->details)
        e->details = json_object();
    if (!json_object_get(e->details, "worker_id"))
        json_object_set_new(e->details, "worker_id", json_string(worker_id));
}
