/* routes_models.c - /v1/models/...: show, remove. */
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "base/str.h"
#include "hive/inspect.h"
#include "hive/models.h"
#include "hive/plan.h"
#include "hive/programs.h"
#include "hive/reply.h"
#include "hive/routes.h"
#include "hive/spawn.h"
#include "hive/unlinked_reply.h"
#include "hive/workers.h"

/* ---- show: the row and what the file itself says ---- */

struct showing {
    struct hive *h;
    struct http_exchange *x;
    struct inspect *inspect;
    json_t *row;
    int64_t slots, ctx; /* that memory is planned for; 0 = the worker's own choice */
};

/* What a worker with it would need, for the slots and positions asked for. */
static json_t *plan_json(const struct showing *s, const struct model_facts *facts)
{
    bool q8_0 = str_eq(config_text(s->h->config, "hive", "kv_type"), "q8_0");
    uint64_t total, usable;
    struct plan_need n;

    if (plan_memory(facts, (uint64_t)s->slots, (uint64_t)s->ctx, q8_0, &n, NULL))
        return json_null();
    workers_memory(s->h->workers, &total, &usable);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "slots", (json_int_t)n.slots,
                     "ctx", (json_int_t)n.ctx, "weight_bytes", (json_int_t)n.weight_bytes,
                     "kv_bytes", (json_int_t)n.kv_bytes, "scratch_bytes",
                     (json_int_t)n.scratch_bytes, "total_bytes", (json_int_t)n.total_bytes,
                     "memory_free_bytes", (json_int_t)usable, "fits",
                     total == 0 || n.total_bytes <= usable);
}

static void on_inspected(void *arg, const struct inspect_result *r)
{
    struct showing *s = arg;

    json_object_set(s->row, "inspect", r->json ? r->json : json_null());
    if (!r->error)
        json_object_set_new(s->row, "plan", plan_json(s, &r->facts));
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

/* The number in the query, or the configuration's. -1: it is none, and the answer is out. */
static int read_number(struct hive *h, struct http_exchange *x, const char *name, int64_t max,
                       int64_t *out)
{
    const char *text = http_query(x, name);

    *out = config_int(h->config, "hive", name);
    if (!text || (str_to_i64(text, out) == 0 && *out >= 1 && *out <= max))
        return 0;
    reply_fail(x, API_INVALID_REQUEST, "%s takes a whole number from 1 to %lld, not '%.40s'", name,
               (long long)max, text);
    return -1;
}

/* Takes `row` over. */
static void show(struct hive *h, struct http_exchange *x, const char *path, json_t *row,
                 int64_t slots, int64_t ctx)
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
        rc = inspect_start(h->looks, program, config_text(h->config, "hive", "sandbox"), path,
                           on_inspected, s, &s->inspect, &e);
    free(program);
    if (rc) {
        free(s);
        json_decref(row);
        reply_error(x, 0, &e);
        return;
    }
    s->h = h;
    s->x = x;
    s->row = row;
    s->slots = slots;
    s->ctx = ctx;
    http_on_gone(x, on_gone, s);
}

static void get_show(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *asked = http_query(x, "model_ref");
    char *canonical, *path;
    struct api_error e = {0};
    int64_t slots, ctx;

    (void)id;
    if (!asked) {
        reply_fail(x, API_INVALID_REQUEST, "the query needs model_ref=");
        return;
    }
    if (read_number(h, x, "slots", SPAWN_SLOTS_MAX, &slots) ||
        read_number(h, x, "ctx", SPAWN_CTX_MAX, &ctx))
        return;
    if (models_locate(h->models, asked, &canonical, &path, &e)) {
        reply_error(x, 0, &e);
    } else {
        show(h, x, path, models_json(h->models, canonical, path), slots, ctx);
        free(canonical);
        free(path);
    }
}

/* ---- remove ---- */

/* A model in use is kept, unless its workers are to be stopped with it. */
static bool may_remove(struct hive *h, struct http_exchange *x, const char *asked)
{
    const char *force = http_query(x, "force");
    char *path;
    struct api_error e = {0};
    bool forced = false, in_use;

    if (force && str_to_bool(force, &forced)) {
        reply_fail(x, API_INVALID_REQUEST, "force takes 1 or 0");
        return false;
    }
    if (models_row_path(h->models, asked, &path))
        return true; /* not rbee's to remove, or not here: removing says so */
    in_use = workers_use_path(h->workers, path); /* it may have lost a file since it was loaded */
    if (in_use && forced)
        workers_stop_path(h->workers, path);
    if (in_use && !forced) {
        api_error_set(&e, API_INVALID_REQUEST, REPLY_SRC,
                      "%.300s is in use by a worker; stop it first, or remove with force=1", asked);
        reply_error(x, 409, &e);
    }
    free(path);
    return forced || !in_use;
}

static void delete_model(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *asked = http_query(x, "model_ref");
    struct unlinked u = {0};
    struct api_error e = {0};
    uint64_t freed;

    (void)id;
    if (!asked) {
        reply_fail(x, API_INVALID_REQUEST, "the query needs model_ref=");
        return;
    }
    if (!may_remove(h, x, asked))
        return;
    if (models_remove(h->models, asked, &u, &freed, &e)) {
        reply_error(x, 0, &e);
        unlinked_reply(&u, h->tasks, NULL, 0, NULL);
        return;
    }
    unlinked_reply(&u, h->tasks, x, 200,
                   json_pack("{s:s, s:I}", "removed", asked, "freed_bytes", (json_int_t)freed));
}

const struct route routes_models[] = {
    {"DELETE", "/v1/models", delete_model},
    {"GET", "/v1/models/show", get_show},
    {0},
};
