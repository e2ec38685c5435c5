/* ollama_models.c - Ollama's lists of models: /api/tags, /api/ps, /api/show, /api/version. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/json_text.h"
#include "base/clock.h"
#include "base/str.h"
#include "hive/catalog/inspect.h"
#include "hive/gateway/ollama.h"
#include "hive/gateway/request.h"
#include "hive/http/reply.h"
#include "hive/models/models.h"
#include "hive/process/programs.h"
#include "net/http_server.h"

#define FOREVER                                                                                    \
    "2318-01-01T00:00:00.000Z" /* what never expires; as far as Ollama's clients count */

/* ---- rows ---- */

static json_t *time_json(int64_t ms)
{
    char when[CLOCK_ISO_BYTES];

    return json_string(clock_iso8601(ms, when));
}

/* A row of the hive's own list in Ollama's words. */
static json_t *row_of(struct hive *h, const json_t *model)
{
    const char *ref = json_text(model, "model_ref"), *quant = json_text(model, "quantization");
    int64_t modified_ms = models_file_ms(h->models, json_text(model, "local_path"));
    json_t *size = json_object_get(model, "size_bytes");
    char digest[SHA256_HEX_BYTES];

    ollama_digest(json_text(model, "sha256"), ref, json_integer_value(size), modified_ms, digest);
    return json_pack("{s:s, s:s, s:o, s:O, s:s, s:o}", "name", ref, "model", ref, "modified_at",
                     time_json(modified_ms), "size", size, "digest", digest, "details",
                     ollama_details("", "", quant));
}

void ollama_tags(struct hive *h, struct http_exchange *x, const char *id)
{
    json_t *all = models_list_json(h->models), *rows = json_array(), *model;
    size_t i;

    (void)id;
    json_array_foreach(json_object_get(all, "models"), i, model)
        json_array_append_new(rows, row_of(h, model));
    json_decref(all);
    reply_json(x, 200, json_pack("{s:o}", "models", rows));
}

/* ---- what is loaded ---- */

struct loaded {
    struct hive *hive;
    json_t *rows;
};

static json_t *expiry_of(const struct worker_look *look)
{
    char when[CLOCK_ISO_BYTES];

    if (look->keep_alive_ms < 0 || look->keep_alive_ms > CLOCK_ISO_MAX_MS)
        return json_string(FOREVER);
    return json_string(clock_iso8601(
        clock_unix_ms() + look->idle_since_ms + look->keep_alive_ms - clock_ms(), when));
}

static bool add_loaded(void *arg, const struct worker *w)
{
    struct loaded *l = arg;
    struct worker_look look;
    json_t *model, *row;

    worker_look(w, &look);
    if (!look.usable)
        return true;
    model = models_json(l->hive->models, look.model_ref, look.model_path);
    row = model ? row_of(l->hive, model) : NULL;
    json_decref(model);
    if (!row)
        return true;
    json_object_del(row, "modified_at");
    json_object_set_new(row, "expires_at", expiry_of(&look));
    json_object_set_new(row, "size_vram", json_integer(0));
    json_object_set_new(row, "context_length", json_integer(look.n_ctx));
    json_array_append_new(l->rows, row);
    return true;
}

void ollama_ps(struct hive *h, struct http_exchange *x, const char *id)
{
    struct loaded l = {.hive = h, .rows = json_array()};

    (void)id;
    workers_each(h->workers, add_loaded, &l);
    reply_json(x, 200, json_pack("{s:o}", "models", l.rows));
}

void ollama_version(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)h;
    (void)id;
    reply_json(x, 200, json_pack("{s:s}", "version", OLLAMA_API_VERSION));
}

/* ---- show ---- */

struct showing {
    struct hive *hive;
    struct http_exchange *x;
    struct inspect *inspect;
    char *path, *quant;
};

static void showing_free(struct showing *s)
{
    free(s->path);
    free(s->quant);
    free(s);
}

static void on_gone(struct http_exchange *x, void *arg)
{
    struct showing *s = arg;

    (void)x;
    inspect_cancel(s->inspect);
    showing_free(s);
}

static json_t *shown(const struct showing *s, const json_t *said)
{
    double params = json_number_value(json_object_get(said, "n_params"));
    char size[32];

    snprintf(size, sizeof size, "%.1f%c", params >= 1e9 ? params / 1e9 : params / 1e6,
             params >= 1e9 ? 'B' : 'M');
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "modelfile", "", "parameters", "",
                     "template", json_text(said, "chat_template"), "details",
                     ollama_details(json_text(said, "architecture"), size,
                                    s->quant[0] ? s->quant : json_text(said, "file_type")),
                     "model_info", ollama_info(said), "capabilities", ollama_capabilities(said),
                     "modified_at", time_json(models_file_ms(s->hive->models, s->path)));
}

static void on_inspected(void *arg, const struct inspect_result *r)
{
    struct showing *s = arg;
    struct api_error e;

    http_on_gone(s->x, NULL, NULL);
    if (r->error) {
        e = *r->error;
        *r->error = (struct api_error){0};
        shape_answer(s->x, SHAPE_OLLAMA, &e, 0);
    } else {
        reply_json(s->x, 200, shown(s, r->json));
    }
    showing_free(s);
}

static int start(struct hive *h, struct showing *s, struct api_error *e)
{
    struct err err = {0};
    char *program = NULL;
    int rc;

    if (programs_find_worker(config_text(h->config, "hive", "worker"), &program, &err)) {
        api_error_set(e, API_WORKER_START_FAILED, REPLY_SRC, "%s", err.text);
        return -1;
    }
    rc = inspect_start(h->looks, program, config_text(h->config, "hive", "sandbox"), s->path,
                       on_inspected, s, &s->inspect, e);
    free(program);
    return rc;
}

static void show(struct hive *h, struct http_exchange *x, const struct model_place *place)
{
    struct showing *s = calloc(1, sizeof *s);
    json_t *model = models_json(h->models, place->ref, place->path);
    struct api_error e;
    int rc = -1;

    api_error_set(&e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    if (s) {
        s->hive = h;
        s->x = x;
        s->path = str_dup(place->path);
        s->quant = str_dup(json_text(model, "quantization"));
        if (s->path && s->quant)
            rc = start(h, s, &e);
    }
    json_decref(model);
    if (rc == 0) {
        http_on_gone(x, on_gone, s);
        return;
    }
    if (s)
        showing_free(s);
    shape_answer(x, SHAPE_OLLAMA, &e, 0);
}

void ollama_show(struct hive *h, struct http_exchange *x, const char *id)
{
    static const char *const unset[] = {"system", "template", NULL};
    struct model_place place = {0};
    struct api_error e;
    struct fields f;
    const char *body, *name;
    bool verbose;
    size_t n;
    int rc;

    (void)id;
    body = http_body(x, &n);
    fields_begin(&f, body, n);
    name = request_ollama_model(&f);
    fields_bool(&f, "verbose", &verbose);
    request_ollama_unset(&f, unset);
    order_ignore_object(&f, "options");
    if (!name)
        fields_fail(&f, "model", "required", "model is missing.");
    rc = fields_end(&f, &e, REPLY_SRC);
    if (rc == 0)
        rc = model_find(h, name, &place, &e);
    fields_done(&f);
    if (rc == 0 && !place.path[0]) { /* it could be pulled */
        api_error_set(&e, API_MODEL_NOT_FOUND, REPLY_SRC, "%.300s is not on this machine",
                      place.ref);
        rc = -1;
    }
    if (rc)
        shape_answer(x, SHAPE_OLLAMA, &e, 0);
    else
        show(h, x, &place);
    model_place_done(&place);
}
