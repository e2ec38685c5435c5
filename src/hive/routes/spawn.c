/* spawn.c - see spawn.h. */
#include "hive/routes/spawn.h"

#include <stdlib.h>

#include "api/fields.h"
#include "api/modelref.h"
#include "hive/http/reply.h"
#include "hive/machine/detect.h"
#include "hive/models/models.h"

#define SPAWN_BACKEND_MAX 128

/* The fields, checked one by one; the texts live until fields_done. */
static int read_fields(struct fields *f, const char **model_ref, const char **backend,
                       struct launch *l, struct api_error *e)
{
    *backend = "auto";
    fields_text(f, "model_ref", true, MODEL_REF_MAX, model_ref);
    fields_text(f, "backend", false, SPAWN_BACKEND_MAX, backend);
    fields_int(f, "device", false, 0, INT32_MAX, &l->device);
    fields_int(f, "slots", false, 1, SPAWN_SLOTS_MAX, &l->slots);
    fields_int(f, "ctx", false, 1, SPAWN_CTX_MAX, &l->ctx);
    l->keep_alive_given = fields_duration_ms(f, "keep_alive", &l->keep_alive_ms);
    fields_bool(f, "new", &l->fresh);
    return fields_end(f, e, REPLY_SRC);
}

int spawn_read(struct hive *h, struct http_exchange *x, struct spawn *out, struct api_error *e)
{
    const char *text = NULL, *backend, *body;
    struct fields f;
    size_t n;
    int rc;

    *out = (struct spawn){0};
    body = http_body(x, &n);
    fields_begin(&f, body, n);
    rc = read_fields(&f, &text, &backend, &out->launch, e);
    if (rc == 0)
        rc = detect_choose(backend, out->launch.device, &out->launch.backend, e);
    if (rc == 0)
        rc = models_locate(h->models, text, &out->model_ref, &out->model_path, e);
    fields_done(&f);
    out->launch.model_ref = out->model_ref;
    out->launch.model_path = out->model_path;
    return rc;
}

void spawn_done(struct spawn *s)
{
    free(s->model_ref);
    free(s->model_path);
    *s = (struct spawn){0};
}
