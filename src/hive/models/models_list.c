/* models_list.c - models.h's telling and removing. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/flush.h"
#include "hive/disk/reach.h"
#include "hive/http/reply.h"
#include "hive/models/models_internal.h"
#include "hive/process/programs.h"

/* ---- telling ---- */

static json_t *time_json(int64_t unix_ms)
{
    char text[CLOCK_ISO_BYTES];

    return unix_ms ? json_string(clock_iso8601(unix_ms, text)) : json_null();
}

static json_t *row_json(const struct catalog_row *row)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:b}", "model_ref",
                     row->model_ref, "local_path", row->path, "size_bytes",
                     (json_int_t)row->size_bytes, "quantization", row->quantization, "sha256",
                     row->sha256, "source", row->source, "file", row->file, "downloaded_at",
                     time_json(row->downloaded_ms), "last_used_at", time_json(row->last_used_ms),
                     "verified", row->verified);
}

/* A model that no catalog knows: the bundled one, or a file of the user's. */
static json_t *plain_json(struct models *m, const char *model_ref, const char *path,
                          const char *source)
{
    char *ref = str_dup(model_ref), *copy = str_dup(path);
    char none[] = "", from[16], *file = str_dup(path_base(path));
    struct catalog_row row = {.model_ref = ref,
                              .path = copy,
                              .source = from,
                              .file = file,
                              .quantization = none,
                              .sha256 = none};
    json_t *out = NULL;

    str_copy(from, sizeof from, source);
    if (reach_check(m->reach, path, NULL) == 0)
        path_file_size(path, &row.size_bytes, NULL);
    if (ref && copy && file)
        out = row_json(&row);
    free(ref);
    free(copy);
    free(file);
    return out;
}

struct listing {
    struct models *m;
    json_t *rows;
};

/* A row whose file is gone, or cut off, is no model that is here. One whose file system does not
 * answer is, as far as anybody knows. */
static bool add_row(void *arg, const struct catalog_row *row)
{
    struct listing *l = arg;
    int rc = models_check_row(l->m, row, NULL);

    if (rc == 0 || rc == ERR_UNREACHABLE)
        json_array_append_new(l->rows, row_json(row));
    return true;
}

json_t *models_list_json(struct models *m)
{
    struct listing l = {m, json_array()};
    struct err err;
    char *tiny;

    if (programs_find_tiny(&tiny, NULL) == 0) {
        json_array_append_new(l.rows, plain_json(m, "tiny", tiny, "bundled"));
        free(tiny);
    }
    if (catalog_each(m->catalog, add_row, &l, &err))
        log_warn("%s", err.text);
    return json_pack("{s:o}", "models", l.rows);
}

json_t *models_json(struct models *m, const char *canonical, const char *path)
{
    struct catalog_row row;
    json_t *out;

    if (!models_is_kept(canonical))
        return plain_json(m, canonical, path, str_eq(canonical, "tiny") ? "bundled" : "file");
    if (catalog_get(m->catalog, canonical, &row, NULL))
        return NULL;
    out = row_json(&row);
    catalog_row_done(&row);
    return out;
}

/* ---- removing ---- */

/* Deletes the files, or only forgets this reference when others mean or bring them too: the card
 * has to say so, or the next start lists it again. n_own rows are its own still. */
static int remove_files(struct models *m, struct card *card, const char *canonical, uint64_t n_own,
                        struct unlinked *u, uint64_t *freed, struct err *err)
{
    uint64_t n = 0;
    bool shared = downloads_drop_ref(m->downloads, card->path, canonical) ||
                  catalog_count_path(m->catalog, card->files[0].path, &n, NULL) != 0 || n > n_own;

    if (!shared) {
        downloads_sweep(m->downloads, card);
        return card_remove_all(m->reach, m->dir, card, u, freed, err);
    }
    card_drop_ref(card, canonical);
    return flush_card(m->reach, m->tasks, card, err);
}

/* Something could not be deleted, or noted. Where that is the first file the model is on the list
 * still. */
static int stays(struct models *m, const struct card *card, const char *canonical,
                 const struct catalog_row *row, const struct err *why, struct api_error *e)
{
    struct err err;

    if (row->path && path_is_file(card->files[0].path) && catalog_put(m->catalog, row, &err))
        log_warn("%s", err.text);
    api_error_set(e,
                  why->code == ERR_CONFLICT ? API_INVALID_REQUEST
                                            : api_code_of_files(why->code, API_INTERNAL),
                  REPLY_SRC, "%.200s was not removed: %.700s", canonical, why->text);
    if (e->code == API_INTERNAL)
        e->details =
            json_pack("{s:s}", "hint",
                      "Mend what the message names (a folder's permissions, a disk that is "
                      "read-only), then remove it again.");
    return -1;
}

/* A full disk takes no change of the catalog: to remove a model is how one makes room, so its files
 * went first. If that was not enough yet, a row without its file is found out later. */
static int remove_row_late(struct models *m, const char *canonical, uint64_t freed,
                           struct api_error *e)
{
    struct err err = {0};

    if (catalog_remove(m->catalog, canonical, &err) == 0)
        return 0;
    log_warn("%s", err.text);
    if (freed > 0)
        return 0;
    api_error_of_files(e, REPLY_SRC, &err);
    return -1;
}

/* Its row goes before its files, unless the disk is full. */
static int forget_row(struct models *m, const char *canonical, struct catalog_row *row, bool *full,
                      struct err *err)
{
    int rc = catalog_get(m->catalog, canonical, row, err);

    if (rc == 0)
        rc = catalog_remove(m->catalog, canonical, err);
    *full = rc == ERR_NO_SPACE;
    return rc;
}

static int remove_known(struct models *m, struct card *card, const char *canonical,
                        struct catalog_row *row, struct unlinked *u, uint64_t *freed,
                        struct api_error *e)
{
    struct err err = {0};
    bool ended, full;
    int rc = forget_row(m, canonical, row, &full, &err);

    if (rc && rc != ERR_NOT_FOUND && !full) {
        api_error_of_files(e, REPLY_SRC, &err);
        return -1;
    }
    ended = downloads_cancel(m->downloads, canonical);
    if (card && remove_files(m, card, canonical, full, u, freed, &err))
        return stays(m, card, canonical, row, &err, e);
    if (full)
        return remove_row_late(m, canonical, *freed, e);
    if (card || ended || rc == 0)
        return 0;
    models_say_missing(m, canonical, e);
    return -1;
}

/* Asked before anything is done: is there a card of another model beside its files that cannot be
 * read? Nothing of these goes where they are others' too. */
static int check_beside(struct models *m, const struct card *card, struct err *err)
{
    uint64_t n_rows = 0;

    if (catalog_count_path(m->catalog, card->files[0].path, &n_rows, NULL) == 0 && n_rows > 1)
        return 0;
    return card_check_beside(m->reach, m->dir, card, err);
}

/* `card` NULL: there is nothing of it on disk, finished or not. */
static int remove_downloaded(struct models *m, struct card *card, const char *canonical,
                             struct unlinked *u, uint64_t *freed, struct api_error *e)
{
    struct catalog_row row = {0};
    struct err err;
    int rc;

    if (card ? check_beside(m, card, &err) : models_check_age(m, canonical, &err)) {
        api_error_set(e, err.code == ERR_CONFLICT ? API_INVALID_REQUEST : API_INTERNAL, REPLY_SRC,
                      "%.200s was not removed: %.700s", canonical, err.text);
        return -1;
    }
    /* an import moves the user's files there at this moment: they are not rbee's to delete yet */
    if (at_work_brings(&m->at_work, card, canonical)) {
        api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                      "%.200s is being imported at this moment: remove it when that is done",
                      canonical);
        return -1;
    }
    rc = remove_known(m, card, canonical, &row, u, freed, e);
    catalog_row_done(&row);
    return rc;
}

int models_remove(struct models *m, const char *text, struct unlinked *u, uint64_t *freed,
                  struct api_error *e)
{
    struct card *card = NULL;
    struct model_ref ref;
    char *canonical;
    int rc = -1;

    *freed = 0;
    if (models_parse(text, &ref, &canonical, e))
        return -1;
    if (models_is_kept(canonical)) {
        if (models_reach(m, NULL, e) == 0 && models_card(m, canonical, &card, e) == 0)
            rc = remove_downloaded(m, card, canonical, u, freed, e);
    } else {
        api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                      ref.kind == MODEL_REF_TINY
                          ? "the bundled model cannot be removed"
                          : "a file of your own is yours to delete: rbee did not put it there");
    }
    card_free(card);
    free(canonical);
    model_ref_done(&ref);
    return rc;
}

int models_discard(struct models *m, struct download *d, struct unlinked *u, struct api_error *e)
{
    const char *ref = download_ref(d);
    struct api_error missing = {0};
    char *canonical, *path;
    uint64_t freed;

    if (models_locate(m, ref, &canonical, &path, &missing) == 0) {
        api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                      "%.200s is here, and complete: nothing of this download is left to discard; "
                      "`rbee-keeper models rm` (DELETE /v1/models) removes the model",
                      ref);
        free(canonical);
        free(path);
        return -1;
    }
    api_error_done(&missing);
    if (!download_is_active(d) && downloads_under_way(m->downloads, ref, NULL)) {
        api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                      "another download of %.200s is under way, and goes on with what this one "
                      "left: discard that one",
                      ref);
        return -1;
    }
    return models_remove(m, ref, u, &freed, e);
}
