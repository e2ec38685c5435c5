/*
 * fuzz_routes.c - the bodies of the hive's own POSTs: a letter of the route, then the body. Each is
 * answered once, in JSON: refused with fields that have names, or done with values that are within
 * what its handler promises to those behind it, who stand here.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/json_load.h"
#include "api/modelref.h"
#include "base/str.h"
#include "exchange.h"
#include "hive/chores/export.h"
#include "hive/chores/import.h"
#include "hive/chores/prune.h"
#include "hive/chores/verify.h"
#include "hive/hive.h"
#include "hive/http/reply.h"
#include "hive/http/unlinked_reply.h"
#include "hive/machine/detect.h"
#include "hive/models/models.h"
#include "hive/routes/routes.h"
#include "hive/workers/workers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void done(struct http_exchange *x)
{
    reply_json(x, 200, json_pack("{s:b}", "ok", 1));
}

static void check_text(const char *text, size_t max)
{
    BUG_ON(!text || !text[0] || strlen(text) > max || !str_is_utf8(text, strlen(text)));
}

/* ---- those behind the routes ---- */

const char *routes_public_host(const struct hive *h, const struct http_exchange *x,
                               char dst[CONFIG_HOST_MAX])
{
    (void)h;
    (void)x;
    str_copy(dst, CONFIG_HOST_MAX, "127.0.0.1");
    return dst;
}

int detect_choose(const char *asked, int64_t device, const char **backend, struct api_error *e)
{
    check_text(asked, 128);
    BUG_ON(device < 0 || device > INT32_MAX);
    *backend = "cpu";
    if (str_eq(asked, "auto") || str_eq(asked, "cpu"))
        return 0;
    api_error_set(e, API_BACKEND_UNAVAILABLE, "hive", "there is no %s here", asked);
    return -1;
}

int models_locate(struct models *m, const char *text, char **canonical, char **path,
                  struct api_error *e)
{
    (void)m;
    (void)e;
    check_text(text, MODEL_REF_MAX);
    *canonical = str_dup(text);
    *path = str_dup("/models/x.gguf");
    return 0;
}

/* What lies in folders of this name is on a file system that does not answer. */
int models_reach(struct models *m, const char *path, struct api_error *e)
{
    (void)m;
    check_text(path, 4096);
    if (!strstr(path, "/hung/"))
        return 0;
    api_error_set(e, API_DISK_NOT_ANSWERING, "hive", "%s does not answer", path);
    return -1;
}

void models_used(struct models *m, const char *canonical, int64_t unix_ms)
{
    (void)m, (void)unix_ms;
    check_text(canonical, MODEL_REF_MAX);
}

void workers_launch(struct workers *ws, const struct launch *l,
                    void (*launched)(void *arg, const struct worker *w, struct api_error *e,
                                     int retry_after_s),
                    void *arg)
{
    struct api_error e;

    (void)ws;
    BUG_ON(l->slots < 0 || l->slots > 64 || l->ctx < 0 || l->ctx > 16777216 || l->device < 0);
    BUG_ON(l->keep_alive_given && l->keep_alive_ms < -1);
    BUG_ON(!l->model_ref || !l->model_path || !l->backend);
    api_error_set(&e, API_INSUFFICIENT_MEMORY, "hive", "there is no room");
    launched(arg, NULL, &e, 0);
}

const struct worker *workers_find(struct workers *ws, const char *id)
{
    static int one;

    (void)ws;
    check_text(id, 128);
    return str_eq(id, "worker-a") ? (const struct worker *)(const void *)&one : NULL;
}

int models_download(struct models *m, const char *text, const struct download_wish *wish,
                    char **path, char id[DOWNLOAD_ID_BYTES], struct api_error *e)
{
    (void)m;
    (void)e;
    check_text(text, MODEL_REF_MAX);
    BUG_ON(wish->connections > 16 || wish->limit_per_sec > UINT64_C(1000000000000000));
    str_copy(id, DOWNLOAD_ID_BYTES, "an id");
    *path = str_dup(text);
    return 0;
}

void verify_run(struct hive *h, struct http_exchange *x, const char *model_ref)
{
    (void)h;
    if (model_ref)
        check_text(model_ref, MODEL_REF_MAX);
    done(x);
}

void unlinked_reply(struct unlinked *u, struct tasks *ts, struct http_exchange *x, int status,
                    json_t *body)
{
    (void)ts;
    BUG_ON(u->n > 0);
    reply_json(x, status, body);
}

int prune_run(struct models *m, const char *plan, struct unlinked *u, json_t **out,
              struct api_error *e)
{
    (void)m;
    (void)u;
    (void)e;
    check_text(plan, 64);
    *out = json_object();
    return 0;
}

void export_run(struct hive *h, struct http_exchange *x, const char *model_ref, const char *dir)
{
    (void)h;
    check_text(model_ref, MODEL_REF_MAX);
    check_text(dir, 4096);
    BUG_ON(dir[0] != '/');
    done(x);
}

int import_list_file(struct reach *r, const char *path, const char *as, enum place_wish wish,
                     struct import_list *out, struct err *err)
{
    (void)r;
    (void)out;
    (void)err;
    check_text(path, 4096);
    BUG_ON(path[0] != '/' || (int)wish < 0 || wish > PLACE_MOVE);
    if (as)
        check_text(as, MODEL_REF_LOCAL_MAX);
    return 0;
}

int import_list_folder(struct reach *r, const char *dir, enum place_wish wish,
                       struct import_list *out, struct err *err)
{
    return import_list_file(r, dir, NULL, wish, out, err);
}

int import_list_store(struct reach *r, const char *store, const char *name, enum place_wish wish,
                      struct import_list *out, struct err *err)
{
    (void)r;
    (void)out;
    (void)err;
    BUG_ON(!str_eq(store, "hf-cache") && !str_eq(store, "ollama"));
    BUG_ON(wish == PLACE_MOVE);
    if (name)
        check_text(name, MODEL_REF_MAX);
    return 0;
}

void import_run(struct hive *h, struct http_exchange *x, struct import_list *list)
{
    (void)h;
    (void)list;
    done(x);
}

/* ---- the checks ---- */

static void check_error(const json_t *error, int status)
{
    const json_t *errors = json_object_get(json_object_get(error, "details"), "errors"), *one;
    size_t i;

    BUG_ON(!json_string_length(json_object_get(error, "message")));
    BUG_ON(!json_string_length(json_object_get(error, "code")));
    BUG_ON(errors && (status != 400 || json_array_size(errors) == 0));
    json_array_foreach(errors, i, one)
    {
        BUG_ON(!json_is_string(json_object_get(one, "field")));
        BUG_ON(!json_string_length(json_object_get(one, "message")));
    }
}

static void check_reply(const struct http_exchange *x)
{
    json_t *reply = json_loadb(buf_str(&x->reply), x->reply.len, 0, NULL);
    json_t *request = json_load_bounded(x->body, x->body_bytes, JSON_ALLOW_NUL, NULL);

    BUG_ON(x->status == 0 || !json_is_object(reply));
    if (x->status != 200)
        check_error(json_object_get(reply, "error"), x->status);
    else
        BUG_ON(x->body_bytes && !json_is_object(request));
    BUG_ON(x->status == 500);
    json_decref(request);
    json_decref(reply);
}

static const struct route *find(const char *path)
{
    const struct route *const tables[] = {routes_workers, routes_downloads, routes_catalog};

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct route *r = tables[i]; r->method; r++)
            if (str_eq(r->method, "POST") && str_eq(r->path, path))
                return r;
    BUG("no route %s", path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {
        "/v1/workers/spawn", "/v1/workers/ready", "/v1/models/download", "/v1/models/verify",
        "/v1/models/prune",  "/v1/models/export", "/v1/models/import"};
    static struct hive hive;
    struct http_exchange x;
    char *body;

    if (size < 1)
        return 0;
    body = exchange_body(data, size);
    exchange_begin(&x, body, size - 1);
    find(paths[(size_t)(data[0] - 'a') % (sizeof paths / sizeof paths[0])])
        ->handle(&hive, &x, NULL);
    check_reply(&x);
    exchange_done(&x);
    free(body);
    return 0;
}
