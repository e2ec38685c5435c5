/* models_locate.c - models.h's finding: which file a reference means, and whether it is here whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/near.h"
#include "hive/disk/reach.h"
#include "hive/http/reply.h"
#include "hive/models/models_internal.h"
#include "hive/process/programs.h"

int models_away(const struct err *err, struct api_error *e)
{
    api_error_set(e, err->code == ERR_UNREACHABLE ? API_DISK_NOT_ANSWERING : API_INTERNAL,
                  REPLY_SRC, "%s", err->text);
    return -1;
}

int models_reach(struct models *m, const char *path, struct api_error *e)
{
    struct err err;

    return reach_check(m->reach, path ? path : m->dir, &err) ? models_away(&err, e) : 0;
}

int64_t models_file_ms(struct models *m, const char *path)
{
    struct stat st;

    if (reach_check(m->reach, path, NULL) || stat(path, &st) != 0)
        return 0;
    return clock_unix_ms_of(&st.st_mtim);
}

static int locate_tiny(char **path, struct api_error *e)
{
    struct err err;

    if (programs_find_tiny(path, &err) == 0)
        return 0;
    api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC, "%s", err.text);
    e->details = json_pack("{s:s}", "hint",
                           "Install tiny.gguf with rbee-hive, or let RBEE_TINY name it where the "
                           "hive is started.");
    return -1;
}

/* The user's own file: it must be there, a regular file, and readable by the hive. */
static int locate_file(struct models *m, const char *given, char **path, struct api_error *e)
{
    struct err err;

    if (models_reach(m, given, e))
        return -1;
    if (path_real(given, path, &err)) {
        api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC, "%s", err.text);
        return -1;
    }
    if (!str_is_utf8(*path, strlen(*path))) /* no list could show a worker for it */
        api_error_set(e, API_INVALID_MODEL_REF, REPLY_SRC,
                      "the model lies at %.300s, a path that is not UTF-8: rename its folder, or "
                      "move the file",
                      *path);
    else if (path_is_file(*path) && access(*path, R_OK) == 0)
        return 0;
    else if (path_is_file(*path))
        api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC, "cannot read %.300s: %s", *path,
                      strerror(errno));
    else
        api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC, "%.300s is not a regular file", *path);
    free(*path);
    *path = NULL;
    return -1;
}

static bool add_name(void *arg, const struct catalog_row *row)
{
    near_add(arg, row->model_ref);
    return true;
}

static int row_path(struct models *m, const char *canonical, char **path)
{
    struct catalog_row row = {0};
    int rc = catalog_get(m->catalog, canonical, &row, NULL);

    *path = rc ? NULL : row.path;
    if (rc == 0)
        row.path = NULL;
    catalog_row_done(&row);
    return rc;
}

int models_row_path(struct models *m, const char *text, char **path)
{
    struct model_ref ref;
    struct api_error e;
    char *canonical;
    int rc;

    *path = NULL;
    if (models_parse(text, &ref, &canonical, &e)) {
        api_error_done(&e);
        return ERR_INVALID;
    }
    rc = models_is_kept(canonical) ? row_path(m, canonical, path) : ERR_NOT_FOUND;
    model_ref_done(&ref);
    free(canonical);
    return rc;
}

/* The card beside a model's first file; *out NULL: it cannot be read. ERR_UNREACHABLE. */
static int card_beside(struct models *m, const char *file, struct card **out, struct err *err)
{
    char *path = card_path_beside(file);
    int rc = path ? reach_check(m->reach, path, err) : err_no_memory(err, strlen(file), "a path");

    *out = rc ? NULL : card_load(m->dir, path);
    free(path);
    return rc;
}

/* The card beside the file that the catalog has for the reference: another one may have it, too, of
 * a file that was deleted by hand before this one came. */
static struct card *listed_card(struct models *m, const char *canonical)
{
    struct card *card = NULL;
    char *file;

    if (row_path(m, canonical, &file) == 0)
        card_beside(m, file, &card, NULL);
    free(file);
    if (card && !card_has_ref(card, canonical)) {
        card_free(card);
        card = NULL;
    }
    return card;
}

int models_card(struct models *m, const char *canonical, struct card **out, struct api_error *e)
{
    struct model_ref ref;
    struct err err;
    int rc = 0;

    *out = listed_card(m, canonical);
    if (*out && (rc = card_reach(m->reach, *out, &err))) {
        card_free(*out);
        *out = NULL;
        return models_away(&err, e);
    }
    if (*out)
        return 0;
    if (model_ref_parse(canonical, &ref, NULL) == 0)
        rc = card_find(m->reach, m->dir, ref.repo, canonical, NULL, out, &err);
    model_ref_done(&ref);
    if (rc == 0 && !*out)
        *out = models_mend(m, canonical);
    return rc ? models_away(&err, e) : 0;
}

void models_say_missing(struct models *m, const char *canonical, struct api_error *e)
{
    struct near names = {0};
    const char *best;

    catalog_each(m->catalog, add_name, &names, NULL);
    best = near_best(&names, canonical);
    api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC, "%.300s is not on this machine%s%.200s%s%s",
                  canonical, best ? "; did you mean " : "", best ? best : "", best ? "?" : "",
                  str_starts(canonical, "hf:")
                      ? "; `rbee-keeper models pull` (POST /v1/models/download) fetches it"
                      : "");
    near_done(&names);
}

/* One file as large as the catalog says is whole; else the card tells of the others. */
static int check_card(struct models *m, const struct catalog_row *row, struct err *err)
{
    struct card *card;
    int rc = card_beside(m, row->path, &card, err);

    for (size_t i = 0; card && i < card->n_files && rc == 0; i++) {
        rc = reach_check(m->reach, card->files[i].path, err);
        if (rc == 0)
            rc = card_check_file(card, i, err);
    }
    card_free(card);
    return rc;
}

int models_check_row(struct models *m, const struct catalog_row *row, struct err *err)
{
    uint64_t size;
    int rc = reach_check(m->reach, row->path, err);

    if (rc)
        return rc;
    if (!path_is_file(row->path))
        return err_set(err, ERR_NOT_FOUND, "its file %.300s is no longer there", row->path);
    if (models_is_out(m, row->path))
        return err_set(err, ERR_INVALID, "`models verify` has found a file of it to be bad");
    if (path_file_size(row->path, &size, NULL) == 0 && size == row->size_bytes)
        return 0;
    return check_card(m, row, err);
}

/* The catalogued file, if all of the model is on disk. A row whose file is gone stays: the disk
 * that it is on may come back, a pull writes over it, and `models prune` removes it. */
static int locate_downloaded(struct models *m, const char *canonical, char **path,
                             struct api_error *e)
{
    struct catalog_row row = {0};
    struct err err;
    int rc = catalog_get(m->catalog, canonical, &row, &err);

    if (rc == ERR_NOT_FOUND) {
        models_say_missing(m, canonical, e);
        return -1;
    }
    if (rc) {
        api_error_of_files(e, REPLY_SRC, &err);
        return -1;
    }
    rc = models_check_row(m, &row, &err);
    if (rc == 0) {
        *path = row.path;
        row.path = NULL;
    } else if (rc == ERR_UNREACHABLE) {
        models_away(&err, e);
    } else {
        api_error_set(e, API_MODEL_NOT_FOUND, REPLY_SRC, "%.300s was downloaded, but %.500s",
                      canonical, err.text);
    }
    catalog_row_done(&row);
    return rc ? -1 : 0;
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
        rc = locate_file(m, ref.path, path, e);
        break;
    case MODEL_REF_HF:
    case MODEL_REF_LOCAL:
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

bool models_is_kept(const char *canonical)
{
    return str_starts(canonical, "hf:") || str_starts(canonical, MODEL_REF_LOCAL_WORD);
}

void models_used(struct models *m, const char *canonical, int64_t unix_ms)
{
    struct err err;

    if (!models_is_kept(canonical)) /* it has no row */
        return;
    if (catalog_touch(m->catalog, canonical, unix_ms, &err))
        log_warn("%s", err.text);
}
