/* models.c - see models.h: opening, finding and fetching. The rest is in models_list.c. */
#include "hive/models.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/models_internal.h"
#include "hive/programs.h"
#include "hive/reply.h"

/* ---- the catalog's rows, made from cards ---- */

/* A row that borrows its texts. */
static int put_row(struct models *m, const char *model_ref, const struct card *card,
                   struct err *err)
{
    char *source = str_printf("hf:%s@%s", card->repo, card->commit);
    struct catalog_row row = {.path = card->files[0].path,
                              .source = source,
                              .file = card->files[0].name,
                              .quantization = card->quantization,
                              .sha256 = card->files[0].sha256,
                              .size_bytes = card_total_bytes(card),
                              .verified = card_is_verified(card),
                              .downloaded_ms = clock_unix_ms()};
    char *ref = str_dup(model_ref);
    int rc;

    row.model_ref = ref;
    rc = source && ref ? catalog_put(m->catalog, &row, err)
                       : err_no_memory(err, strlen(model_ref), "a row of the catalog");
    free(source);
    free(ref);
    return rc;
}

static int on_complete(void *arg, const char *model_ref, const struct card *card,
                       struct api_error *e)
{
    struct err err;
    int rc = put_row(arg, model_ref, card, &err);

    if (rc == 0)
        return 0;
    api_error_set(e, rc == ERR_NO_SPACE ? API_DISK_FULL : API_INTERNAL, REPLY_SRC, "%s", err.text);
    return -1;
}

static bool on_card(void *arg, struct card *card)
{
    struct models *m = arg;
    struct err err;

    for (size_t i = 0; i < card->n_refs && card_is_complete(card); i++)
        if (put_row(m, card->refs[i], card, &err))
            log_warn("%s", err.text);
    card_free(card);
    return true;
}

static int open_catalog(struct models *m, const char *path, struct err *err)
{
    char *aside;
    bool fresh = !path_is_file(path);
    int rc = catalog_open(path, &m->catalog, &aside, err);

    if (rc)
        return rc;
    if (aside)
        log_warn("the catalog %s was damaged: it is now %s, and a new one is made from what is on "
                 "disk",
                 path, aside);
    if (aside || fresh)
        card_scan(m->dir, NULL, on_card, m);
    free(aside);
    return 0;
}

int models_create(const struct models_params *params, struct models **out, struct err *err)
{
    struct models *m = calloc(1, sizeof *m);
    struct downloads_params downloads = {.base = params->base,
                                         .client = params->client,
                                         .tasks = params->tasks,
                                         .models_dir = params->dir,
                                         .endpoint = params->endpoint,
                                         .token = params->token,
                                         .stall_ms = params->stall_ms,
                                         .connections = params->connections,
                                         .limit_per_sec = params->limit_per_sec,
                                         .arg = m,
                                         .on_complete = on_complete};
    int rc;

    if (!m || !(m->dir = str_dup(params->dir))) {
        free(m);
        return err_no_memory(err, sizeof *m, "the models");
    }
    rc = open_catalog(m, params->catalog, err);
    if (rc == 0)
        rc = downloads_create(&downloads, &m->downloads, err);
    if (rc) {
        models_free(m);
        return rc;
    }
    *out = m;
    return 0;
}

void models_stop(struct models *m)
{
    downloads_stop_all(m->downloads);
}

void models_free(struct models *m)
{
    if (!m)
        return;
    downloads_free(m->downloads);
    catalog_close(m->catalog);
    free(m->dir);
    free(m);
}

/* ---- finding ---- */

static int locate_tiny(char **path, struct api_error *e)
{
    struct err err;

    if (programs_find_tiny(path, &err) == 0)
        return 0;
    api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC, "%s", err.text);
    return -1;
}

/* The user's own file: it must be there, a regular file, and readable by the hive. */
static int locate_file(const char *given, char **path, struct api_error *e)
{
    struct err err;

    if (path_real(given, path, &err)) {
        api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC, "%s", err.text);
        return -1;
    }
    if (path_is_file(*path) && access(*path, R_OK) == 0)
        return 0;
    if (path_is_file(*path))
        api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC, "cannot read %.300s: %s", *path,
                      strerror(errno));
    else
        api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC, "%.300s is not a regular file", *path);
    free(*path);
    *path = NULL;
    return -1;
}

/* The catalogued file, if it is on disk still. A row without its file is dropped. */
static int locate_downloaded(struct models *m, const char *canonical, char **path,
                             struct api_error *e)
{
    struct catalog_row row;
    struct err err;
    int rc = catalog_get(m->catalog, canonical, &row, &err);

    if (rc == 0 && path_is_file(row.path)) {
        *path = row.path;
        row.path = NULL;
        catalog_row_done(&row);
        return 0;
    }
    if (rc == 0) {
        api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC,
                      "%.300s was downloaded, but its file %.300s is no longer there", canonical,
                      row.path);
        catalog_row_done(&row);
        catalog_remove(m->catalog, canonical, NULL);
    } else if (rc == ERR_NOT_FOUND) {
        api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC,
                      "%.300s is not on this machine; POST /v1/models/download fetches it",
                      canonical);
    } else {
        api_error_set(e, API_INTERNAL, REPLY_SRC, "%s", err.text);
    }
    return -1;
}

int models_parse(const char *text, struct model_ref *ref, char **canonical, struct api_error *e)
{
    struct err err;

    *canonical = NULL;
    if (model_ref_parse(text, ref, &err)) {
        api_error_set(e, API_INVALID_MODEL_REF, REPLY_SRC, "%s", err.text);
    } else if (ref->kind == MODEL_REF_FILE && ref->path[0] != '/') {
        api_error_set(e, API_INVALID_MODEL_REF, REPLY_SRC,
                      "'%.300s' is a relative path; the hive needs the full one", ref->path);
    } else if (!(*canonical = model_ref_text(ref))) {
        api_error_set(e, API_INTERNAL, REPLY_SRC, "the hive is out of memory");
    } else {
        return 0;
    }
    model_ref_done(ref);
    return -1;
}

int models_locate(struct models *m, const char *text, char **canonical, char **path,
                  struct api_error *e)
{
    struct model_ref ref;
    int rc = -1;

    *path = NULL;
    if (models_parse(text, &ref, canonical, e))
        return -1;
    switch (ref.kind) {
    case MODEL_REF_TINY:
        rc = locate_tiny(path, e);
        break;
    case MODEL_REF_FILE:
        rc = locate_file(ref.path, path, e);
        break;
    case MODEL_REF_HF:
        rc = locate_downloaded(m, *canonical, path, e);
        break;
    }
    model_ref_done(&ref);
    if (rc) {
        free(*canonical);
        *canonical = NULL;
    }
    return rc;
}

void models_used(struct models *m, const char *canonical)
{
    struct err err;

    if (catalog_touch(m->catalog, canonical, clock_unix_ms(), &err))
        log_warn("%s", err.text);
}

/* ---- fetching ---- */

int models_download(struct models *m, const char *text, const struct download_wish *wish,
                    char **path, char id[DOWNLOAD_ID_BYTES], struct api_error *e)
{
    struct api_error missing = {0};
    struct model_ref ref;
    char *canonical;
    int rc;

    if (models_locate(m, text, &canonical, path, &missing) == 0) {
        free(canonical);
        return 0;
    }
    if (missing.code != API_MODEL_NOT_FOUND || models_parse(text, &ref, &canonical, e)) {
        *e = missing;
        return -1;
    }
    if (ref.kind == MODEL_REF_HF) {
        api_error_done(&missing);
        rc = downloads_begin(m->downloads, canonical, wish, id, e);
    } else {
        *e = missing;
        rc = -1;
    }
    model_ref_done(&ref);
    free(canonical);
    return rc;
}

struct download *models_find_download(struct models *m, const char *id)
{
    return downloads_find(m->downloads, id);
}

json_t *models_downloads_json(struct models *m)
{
    return downloads_json(m->downloads);
}
