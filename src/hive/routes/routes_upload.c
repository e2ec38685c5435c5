/* routes_upload.c - /v1/models/manifest, /v1/models/upload...: models from hive to hive. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/chores/upload.h"
#include "hive/chores/upload_piece.h"
#include "hive/http/reply.h"
#include "hive/http/unlinked_reply.h"
#include "hive/models/models_internal.h"
#include "hive/routes/routes.h"

/* ---- the sender's side: what a model is made of ---- */

static json_t *manifest_json(struct hive *h, const char *ref, const struct card *card)
{
    struct catalog_verdict v = {0};
    json_t *model;

    catalog_get_verdict(h->models->catalog, card->files[0].sha256, &v, NULL);
    model = manifest_model_json(ref, card, v.license, true);
    return model ? json_pack("{s:i, s:[o]}", "rbee_manifest", MANIFEST_VERSION, "models", model)
                 : NULL;
}

/* As an export's, and with the files' paths. */
static void get_manifest(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *asked = http_query(x, "model_ref");
    char *canonical = NULL, *path = NULL;
    struct api_error e = {0};
    struct card *card = NULL;

    (void)id;
    if (!asked) {
        reply_fail(x, API_INVALID_REQUEST, "the query needs model_ref=");
        return;
    }
    if (models_locate(h->models, asked, &canonical, &path, &e)) {
        reply_error(x, 0, &e);
    } else if (models_is_kept(canonical) && models_card(h->models, canonical, &card, &e)) {
        reply_error(x, 0, &e);
    } else if (!card) {
        reply_fail(x, API_INVALID_REQUEST,
                   "%.300s is no model of the catalog, which alone knows digests: `rbee-keeper "
                   "models import FILE` takes a file in, as local:NAME",
                   canonical);
    } else if (!card->files[0].sha256[0]) {
        reply_fail(x, API_INVALID_REQUEST,
                   "the SHA-256 of %.300s is not known, as its hub told none: `rbee-keeper models "
                   "export` and `rbee-keeper models import` by hand",
                   canonical);
    } else {
        reply_json(x, 200, manifest_json(h, canonical, card));
    }
    card_free(card);
    free(canonical);
    free(path);
}

/* ---- the receiver's side ---- */

static void with_manifest(struct hive *h, struct http_exchange *x,
                          void (*run)(struct hive *, struct http_exchange *, struct manifest *))
{
    struct manifest manifest = {0};
    struct err err = {0};
    const char *body;
    size_t n;

    body = http_body(x, &n);
    if (manifest_parse(body, n, &manifest, &err)) {
        reply_fail(x, API_INVALID_REQUEST, "%s", err.text);
        manifest_done(&manifest);
    } else {
        run(h, x, &manifest);
    }
}

static void post_upload(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)id;
    with_manifest(h, x, upload_begin);
}

static void post_commit(struct hive *h, struct http_exchange *x, const char *id)
{
    (void)id;
    with_manifest(h, x, upload_commit);
}

static void put_piece(struct hive *h, struct http_exchange *x, const char *id)
{
    const char *said = http_header(x, "X-Content-SHA256"), *from = http_query(x, "from"),
               *file = http_query(x, "file");
    uint64_t at = 0;

    if (!from || str_to_u64(from, &at) != 0)
        reply_fail(x, API_INVALID_REQUEST, "the query needs from=, where the piece begins");
    else
        upload_piece(h, x, id, file ? file : "", at, said ? said : "");
}

static void delete_upload(struct hive *h, struct http_exchange *x, const char *id)
{
    struct unlinked u = {0};
    struct err err = {0};
    int rc = upload_drop(h->models, id, &u, &err);

    if (rc)
        upload_fail(x, rc, &err);
    else
        unlinked_reply(&u, h->tasks, x, 204, NULL);
}

const struct route routes_upload[] = {
    {"GET", "/v1/models/manifest", get_manifest},      {"POST", "/v1/models/upload", post_upload},
    {"POST", "/v1/models/upload/commit", post_commit}, {"PUT", "/v1/models/upload/*", put_piece},
    {"DELETE", "/v1/models/upload/*", delete_upload},  {0},
};
