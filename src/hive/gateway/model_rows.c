/* model_rows.c - see model_rows.h. Source: the OpenAI API reference, as of 2026. */
#include "hive/gateway/model_rows.h"

#include "base/str.h"
#include "hive/gateway/model.h"
#include "hive/http/reply.h"
#include "hive/http/shape.h"
#include "hive/models/models.h"

struct listing {
    struct hive *hive;
    json_t *rows;
};

static json_t *row(struct hive *h, const char *ref, const char *path)
{
    const char *owner = str_starts(ref, "hf:") ? "huggingface" : "local";

    return json_pack("{s:s, s:s, s:I, s:s}", "id", ref, "object", "model", "created",
                     (json_int_t)(path ? models_file_ms(h->models, path) / 1000 : 0), "owned_by",
                     owner);
}

static bool has(const json_t *rows, const char *ref)
{
    const json_t *one;
    size_t i;

    json_array_foreach(
        rows, i, one) if (str_eq(json_string_value(json_object_get(one, "id")), ref)) return true;
    return false;
}

/* A file of the user's own is no model of the list, but while a worker runs it, it can be named. */
static bool add_worker(void *arg, const struct worker *w)
{
    struct listing *l = arg;
    struct worker_look look;

    worker_look(w, &look);
    if (look.usable && !has(l->rows, look.model_ref))
        json_array_append_new(l->rows, row(l->hive, look.model_ref, look.model_path));
    return true;
}

void model_rows_openai(struct hive *h, struct http_exchange *x, const char *id)
{
    json_t *all = models_list_json(h->models), *one;
    struct listing l = {h, json_array()};
    size_t i;

    (void)id;
    json_array_foreach(json_object_get(all, "models"), i, one)
    {
        const char *ref = json_string_value(json_object_get(one, "model_ref"));

        if (ref)
            json_array_append_new(
                l.rows, row(h, ref, json_string_value(json_object_get(one, "local_path"))));
    }
    workers_each(h->workers, add_worker, &l);
    json_object_set_new(all, "object", json_string("list"));
    json_object_set_new(all, "data", l.rows);
    reply_json(x, 200, all);
}

void model_rows_one(struct hive *h, struct http_exchange *x, const char *id)
{
    struct model_place place;
    struct api_error e;

    if (model_find(h, id, &place, &e)) {
        shape_answer(x, SHAPE_OPENAI, &e, 0);
        return;
    }
    if (place.path[0]) {
        reply_json(x, 200, row(h, place.ref, place.path));
    } else {
        api_error_set(&e, API_MODEL_NOT_FOUND, REPLY_SRC, "%.300s is not on this machine",
                      place.ref);
        shape_answer(x, SHAPE_OPENAI, &e, 0);
    }
    model_place_done(&place);
}
