/* routes_models.c - /v1/models/...: show, remove. */
#include <stdlib.h>
#include <string.h>

#include "api/fields.h"
#include "base/str.h"
#include "hive/catalog/inspect.h"
#include "hive/http/reply.h"
#include "hive/http/unlinked_reply.h"
#include "hive/models/models.h"
#include "hive/process/programs.h"
#include "hive/routes/removed_reply.h"
#include "hive/routes/routes.h"
#include "hive/routes/spawn.h"
#include "hive/workers/plan.h"
#include "hive/workers/workers.h"

/* ---- show: the row and what the file itself says ---- */

struct showing {
    struct hive *h;
    struct http_exchange *x;
    struct inspect *inspect;
    json_t *row;
    struct launch l; /* the slots and positions that memory is planned for; 0 = not asked */
};

/* What a worker with it would need. NULL with *e: none could be. */
static json_t *plan_json(struct showing *s, const struct model_facts *facts, struct api_error *e)
{
    uint64_t total, usable;
    struct plan_need n;
    struct err err;
    int rc;

    workers_fill_in(s->h->workers, &s->l);
    rc = workers_plan(s->h->workers, &s->l, facts, &n, &err);
    if (rc) {
        api_error_set(e, workers_plan_code(rc), REPLY_SRC, "%s", err.text);
        return NULL;
    }
    workers_memory(s->h->workers, &total, &usable);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "slots", (json_int_t)n.slots,
                     "ctx", (json_int_t)n.ctx, "weight_bytes", (json_int_t)n.weight_bytes,
                     "kv_bytes", (json_int_t)n.kv_bytes, "scratch_bytes",
                     (json_int_t)n.scratch_bytes, "total_bytes", (json_int_t)n.total_bytes,
                     "memory_free_bytes", (json_int_t)usable, "fits",
                     total == 0 || n.total_bytes <= usable);
}

static void add_error(struct showing *s, const struct api_error *e)
{
    json_object_set_new(
        s->row, "error",
        json_pack("{s:s, s:s}", "code", api_error_info(e->code)->code, "message", e->message));
}

static void show_all(struct showing *s, const struct inspect_result *r)
{
    struct api_error e = {0};
    json_t *plan = r->error ? NULL : plan_json(s, &r->facts, &e);

    json_object_set(s->row, "inspect", r->json ? r->json : json_null());
    if (plan)
        json_object_set_new(s->row, "plan", plan);
    else
        add_error(s, r->error ? r->error : &e);
    reply_json(s->x, 200, s->row);
}

static void on_inspected(void *arg, const struct inspect_result *r)
{
    struct showing *s = arg;
    const char *ref = json_string_value(json_object_get(s->row, "model_ref"));
    struct api_error e = {0};

    if (!r->error && workers_check_ctx(s->l.ctx, ref ? ref : "it", &r->facts, &e)) {
        json_decref(s->row);
        reply_error(s->x, 0, &e);
    } else {
        show_all(s, r);
    }
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

/* The number in the query, or 0. -1: it is none, and the answer is out. */
static int read_number(struct http_exchange *x, const char *name, int64_t max, int64_t *out)
{
    const char *text = http_query(x, name);

    *out = 0;
    if (!text || (str_to_i64(text, out) == 0 && *out >= 1 && *out <= max))
        return 0;
    reply_fail(x, API_INVALID_REQUEST, "%s takes a whole number from 1 to %lld, not '%.40s'", name,
               (long long)max, text);
    return -1;
}

/* Takes `row` over. */
static void show(struct hive *h, struct http_exchange *x, const char *path, json_t *row,
                 const struct launch *l)
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
    s->l = *l;
    http_on_gone(x, on_gone, s);
}

static void get_show(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *asked = http_query(x, "model_ref");
    char *canonical, *path;
    struct api_error e = {0};
    struct launch l = {0};

    (void)id;
    if (!asked) {
        reply_fail(x, API_INVALID_REQUEST, "the query needs model_ref=");
        return;
    }
    if (read_number(x, "slots", SPAWN_SLOTS_MAX, &l.slots) ||
        read_number(x, "ctx", SPAWN_CTX_MAX, &l.ctx))
        return;
    if (models_locate(h->models, asked, &canonical, &path, &e)) {
        reply_error(x, 0, &e);
    } else {
        show(h, x, path, models_json(h->models, canonical, path), &l);
        free(canonical);
        free(path);
    }
}

/* ---- remove ---- */

/* A model in use is kept, unless its workers are to be stopped with it. *path, free(): of its
 * workers; NULL: not rbee's to remove, or not here, as removing says. */
static bool may_remove(struct hive *h, struct http_exchange *x, const char *asked, char **path)
{
    const char *force = http_query(x, "force");
    struct api_error e = {0};
    bool forced = false;

    *path = NULL;
    if (force && str_to_bool(force, &forced)) {
        reply_fail(x, API_INVALID_REQUEST, "force takes 1 or 0");
        return false;
    }
    if (models_row_path(h->models, asked, path) || forced ||
        !workers_use_path(h->workers, *path)) /* it may have lost a file since it was loaded */
        return true;
    api_error_set(&e, API_INVALID_REQUEST, REPLY_SRC,
                  "%.300s is in use by a worker; stop it first, or remove with force=1", asked);
    reply_error(x, 409, &e);
    free(*path);
    return false;
}

/* Is it on the list still, at that path? */
static bool is_listed(struct hive *h, const char *asked, const char *path)
{
    char *now = NULL;
    bool listed = models_row_path(h->models, asked, &now) == 0 && str_eq(now, path);

    free(now);
    return listed;
}

/* Behind it: what is refused leaves its workers alone. One that has lost its place on the list ends
 * them, though not all of its files could be deleted. */
static int remove_model(struct hive *h, const char *asked, const char *path, struct unlinked *u,
                        uint64_t *freed, struct api_error *e)
{
    int rc = models_remove(h->models, asked, u, freed, e);

    if (path && (rc == 0 || !is_listed(h, asked, path)))
        workers_stop_path(h->workers, path);
    return rc;
}

static void delete_model(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *asked = http_query(x, "model_ref");
    struct unlinked u = {0};
    struct api_error e = {0};
    uint64_t freed;
    char *path;

    (void)id;
    if (!asked) {
        reply_fail(x, API_INVALID_REQUEST, "the query needs model_ref=");
        return;
    }
    if (!may_remove(h, x, asked, &path))
        return;
    if (remove_model(h, asked, path, &u, &freed, &e)) {
        reply_error(x, 0, &e);
        unlinked_reply(&u, h->tasks, NULL, 0, NULL);
    } else {
        removed_reply(h, x, asked, path, &u, freed);
    }
    free(path);
}

const struct route routes_models[] = {
    {"DELETE", "/v1/models", delete_model},
    {"GET", "/v1/models/show", get_show},
    {0},
};
