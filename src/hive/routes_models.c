/* routes_models.c - /v1/models/...: show, remove. */
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "base/str.h"
#include "hive/inspect.h"
#include "hive/models.h"
#include "hive/programs.h"
#include "hive/reply.h"
#include "hive/routes.h"
#include "hive/workers.h"

/* ---- show: the row and what the file itself says ---- */

struct showing {
    struct http_exchange *x;
    struct inspect *inspect;
    json_t *row;
};

static void on_inspected(void *arg, const struct inspect_result *r)
{
    struct showing *s = arg;

    json_object_set(s->row, "inspect", r->json ? r->json : json_null());
    if (r->error)
        json_object_set_new(s->row, "error",
                            json_pack("{s:s, s:s}", "code", api_error_info(r->error->code)->code,
                                      "message", r->error->message));
    reply_json(s->x, 200, s->row);
    free(s);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct showing *s = arg;

    (void)x;
    inspect_cancel(s->inspect);
    json_decref(s->row);
    free(s);
}

/* Takes `row` over. */
static void show(struct hive *h, struct http_exchange *x, const char *path, json_t *row)
{
    struct showing *s = calloc(1, sizeof *s);
    struct api_error e = {0};
    struct err err = {0};
    char *program = NULL;
    int rc = -1;

    if (!s || !row)
        api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    else if (programs_find_worker(config_text(h->config, "hive", "worker"), &program, &err))
        api_error_set(&e, API_WORKER_START_FAILED, REPLY_SRC, "%s", err.text);
    else
        rc = inspect_start(h->base, program, path, on_inspected, s, &s->inspect, &e);
    free(program);
    if (rc) {
        free(s);
        json_decref(row);
        reply_error(x, 0, &e);
        return;
    }
    s->x = x;
    s->row = row;
    http_on_gone(x, on_gone, s);
}

static void get_show(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *asked = http_query(x, "model_ref");
    char *canonical, *path;
    struct api_error e = {0};

    (void)id;
    if (!asked) {
        reply_fail(x, API_INVALID_REQUEST, "the query needs model_ref=");
    } else if (models_locate(h->models, asked, &canonical, &path, &e)) {
        reply_error(x, 0, &e);
    } else {
        show(h, x, path, models_json(h->models, canonical, path));
        free(canonical);
        free(path);
    }
}

/* ---- remove ---- */

/* A model in use is kept, unless its workers are to be stopped with it. */
static bool may_remove(struct hive *h, struct http_exchange *x, const char *asked)
{
    const char *force = http_query(x, "force");
    char *canonical, *path;
    struct api_error e = {0};
    bool forced = false, in_use;

    if (force && str_to_bool(force, &forced)) {
        reply_fail(x, API_INVALID_REQUEST, "force takes 1 or 0");
        return false;
    }
    if (models_locate(h->models, asked, &canonical, &path, &e)) {
        api_error_done(&e);
        return true; /* nothing can use it; removing says what is wrong */
    }
    /* only what was downloaded is rbee's to remove; for the rest, removing says so */
    in_use = str_starts(canonical, "hf:") && workers_use_path(h->workers, path);
    if (in_use && forced)
        workers_stop_path(h->workers, path);
    if (in_use && !forced) {
        api_error_set(&e, API_INVALID_REQUEST, REPLY_SRC,
                      "%.300s is in use by a worker; stop it first, or remove with force=1",
                      canonical);
        reply_error(x, 409, &e);
    }
    free(canonical);
    free(path);
    return forced || !in_use;
}

static void delete_model(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *asked = http_query(x, "model_ref");
    struct api_error e = {0};

    (void)id;
    if (!asked) {
        reply_fail(x, API_INVALID_REQUEST, "the query needs model_ref=");
        return;
    }
    if (!may_remove(h, x, asked))
        return;
    if (models_remove(h->models, asked, &e))
        reply_error(x, 0, &e);
    else
        http_reply(x, 204, NULL, NULL, 0);
}

const struct route routes_models[] = {
    {"DELETE", "/v1/models", delete_model},
    {"GET", "/v1/models/show", get_show},
    {0},
};
