/* export.c - see export.h. */
#include "hive/chores/export.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/chores/chore.h"
#include "hive/chores/export_dir.h"
#include "hive/chores/manifest.h"
#include "hive/chores/rehash.h"
#include "hive/disk/place.h"
#include "hive/disk/reach.h"
#include "hive/hive.h"
#include "hive/http/reply.h"
#include "hive/models/models_internal.h"

struct export
{
    struct hive *h;
    struct card *card;
    char *model_ref, *dir;
    char **names;         /* of the files in the folder */
    enum place_how *hows; /* ... and how they got there */
    bool *was_there;
    struct file_mark *marks; /* of the files here, when they were hashed */
};

static void export_free(struct export *ex)
{
    for (size_t i = 0; ex->names && ex->card && i < ex->card->n_files; i++)
        free(ex->names[i]);
    free(ex->names);
    free(ex->hows);
    free(ex->was_there);
    free(ex->marks);
    card_free(ex->card);
    free(ex->model_ref);
    free(ex->dir);
    free(ex);
}

static void finish(struct export *ex, struct chore *c)
{
    chore_end(c);
    export_free(ex);
}

static void fail(struct export *ex, struct chore *c, enum api_code code, const char *message)
{
    chore_say_error(c, ex->model_ref, code, message);
    finish(ex, c);
}

/* Before a step that has waited. */
static int may_go_on(void *arg, struct err *err)
{
    const struct export *ex = arg;
    int rc = card_reach(ex->h->reach, ex->card, err);

    return rc ? rc : reach_check(ex->h->reach, ex->dir, err);
}

/* ---- last: the manifest, and all names, on the disk ---- */

static int sync_names(void *arg, struct chore *c, struct err *err)
{
    const struct export *ex = arg;

    (void)c;
    return path_sync_dir(ex->dir, err);
}

static void on_synced(void *arg, struct chore *c, int rc, const struct err *err)
{
    struct export *ex = arg;

    if (chore_is_gone(c)) {
        finish(ex, c);
        return;
    }
    if (rc) {
        fail(ex, c, api_code_of_files(rc, API_INTERNAL), err->text);
        return;
    }
    for (size_t i = 0; i < ex->card->n_files; i++)
        chore_say(c, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "stage", "exported", "model_ref",
                               ex->model_ref, "file", ex->names[i], "how",
                               ex->was_there[i] ? "already there" : place_how_text(ex->hows[i]),
                               "sha256", ex->card->files[i].sha256, "size_bytes",
                               (json_int_t)ex->card->files[i].size_bytes));
    chore_say(c, json_pack("{s:s, s:s}", "stage", "complete", "manifest", MANIFEST_NAME));
    finish(ex, c);
}

/* Of the folder that was asked for: another one may do, unless its disk fails. */
static enum api_code code_of_place(int rc)
{
    bool fails = rc == ERR_IO || rc == ERR_NO_MEMORY;

    return api_code_of_files(rc, fails ? API_INTERNAL : API_INVALID_REQUEST);
}

static void write_manifest(struct export *ex, struct chore *c)
{
    const struct chore_step step = {.stage = "syncing",
                                    .name = ex->model_ref,
                                    .arg = ex,
                                    .may = may_go_on,
                                    .work = sync_names,
                                    .done = on_synced};
    struct catalog_verdict v = {0};
    struct err err = {0};
    json_t *model;
    int rc;

    if (reach_check(ex->h->reach, ex->dir, &err)) {
        fail(ex, c, API_DISK_NOT_ANSWERING, err.text);
        return;
    }
    catalog_get_verdict(ex->h->models->catalog, ex->card->files[0].sha256, &v, NULL);
    model = manifest_model_json(ex->model_ref, ex->card, v.license, false);
    rc = model ? manifest_put(ex->dir, model, &err) : err_no_memory(&err, 1, "a manifest");
    json_decref(model);
    if (rc)
        fail(ex, c, code_of_place(rc), err.text);
    else
        chore_run(c, &step);
}

static void on_judged(void *arg, struct chore *c, const struct api_error *e)
{
    struct export *ex = arg;

    if (chore_is_gone(c))
        finish(ex, c);
    else if (e)
        fail(ex, c, e->code, e->message);
    else
        write_manifest(ex, c);
}

/* ---- second: the files, in a thread ---- */

static bool on_copied(void *arg, uint64_t n_more)
{
    return chore_count(arg, n_more);
}

/* What is there under that name must be the same. */
static int check_there(const char *path, const char *sha256, struct chore *c, struct err *err)
{
    char found[DIGEST_SHA256_BYTES];
    int rc = rehash_file(path, c, found, NULL, err);

    if (rc == 0 && !str_eq(found, sha256))
        rc = err_set(err, ERR_CONFLICT, "%s is there already, and is another file", path);
    return rc;
}

/* Where the folder goes, "Tale.gguf" and "tale.gguf" may be one file. */
static int check_spelling(const char *dir, const char *name, struct err *err)
{
    char *other = path_other_spelling(dir, name);
    int rc = 0;

    if (other)
        rc = err_set(err, ERR_CONFLICT,
                     "%s has a file %s already, and many sticks and disks do not tell %s from it: "
                     "export into another folder",
                     dir, other, name);
    free(other);
    return rc;
}

static int place_one(struct export *ex, size_t i, struct chore *c, struct err *err)
{
    const struct place_watch watch = {.copied = on_copied, .arg = c, .was = &ex->marks[i]};
    char *to = path_join(ex->dir, ex->names[i]), *from = NULL;
    int rc = to ? check_spelling(ex->dir, ex->names[i], err)
                : err_no_memory(err, strlen(ex->dir), "a path");

    if (rc == 0)
        manifest_sweep(to); /* by a hive that was killed: as large as the model */
    if (rc == 0 && (ex->was_there[i] = path_is_file(to)))
        rc = check_there(to, ex->card->files[i].sha256, c, err);
    else if (rc == 0 && (rc = path_real(ex->card->files[i].path, &from, err)) == 0)
        rc = place_file(from, to, PLACE_WHOLE, &watch, &ex->hows[i], err);
    if (rc == ERR_CONFLICT && path_is_file(to)) { /* another export has done it meanwhile */
        ex->was_there[i] = true;
        rc = check_there(to, ex->card->files[i].sha256, c, err);
    }
    free(from);
    free(to);
    return rc;
}

static int place_all(void *arg, struct chore *c, struct err *err)
{
    struct export *ex = arg;
    int rc = path_make_dir(ex->dir, 0755, err);

    for (size_t i = 0; i < ex->card->n_files && rc == 0; i++)
        rc = place_one(ex, i, c, err);
    return rc;
}

static void on_placed(void *arg, struct chore *c, int rc, const struct err *err)
{
    struct export *ex = arg;

    if (chore_is_gone(c))
        finish(ex, c);
    else if (rc)
        fail(ex, c, code_of_place(rc), err->text);
    else
        chore_judge(c, ex->card->files[0].path, ex->card->files[0].sha256, on_judged, ex);
}

/* ---- first: would there be room in the list, and are the bytes right? ---- */

static int check_list(const struct export *ex, struct err *err)
{
    json_t *model = manifest_model_json(ex->model_ref, ex->card, "", false);
    int rc = model ? manifest_check_put(ex->dir, model, err) : err_no_memory(err, 1, "a manifest");

    json_decref(model);
    return rc == ERR_INVALID ? ERR_CONFLICT : rc; /* no word on the model's own bytes */
}

static int hash_all(void *arg, struct chore *c, struct err *err)
{
    struct export *ex = arg;
    int rc = check_list(ex, err);

    for (size_t i = 0; i < ex->card->n_files && rc == 0; i++) {
        struct card_file *f = &ex->card->files[i];
        char found[DIGEST_SHA256_BYTES];

        rc = rehash_file(f->path, c, found, &ex->marks[i], err);
        if (rc == 0 && f->sha256[0] && !str_eq(f->sha256, found))
            rc = err_set(err, ERR_INVALID,
                         "%.300s has the SHA-256 %s, it should be %s; `rbee-keeper models verify` "
                         "sets it aside",
                         f->path, found, f->sha256);
        if (rc == 0)
            str_copy(f->sha256, sizeof f->sha256, found);
    }
    return rc;
}

static void on_hashed(void *arg, struct chore *c, int rc, const struct err *err)
{
    struct export *ex = arg;
    const struct chore_step step = {.stage = "placing",
                                    .name = ex->model_ref,
                                    .bytes_total = card_total_bytes(ex->card),
                                    .arg = ex,
                                    .may = may_go_on,
                                    .work = place_all,
                                    .done = on_placed};

    if (chore_is_gone(c))
        finish(ex, c);
    else if (rc)
        fail(ex, c,
             rc == ERR_INVALID                       ? API_CHECKSUM_MISMATCH
             : rc == ERR_LIMIT || rc == ERR_CONFLICT ? API_INVALID_REQUEST
                                                     : api_code_of_files(rc, API_INTERNAL),
             err->text);
    else
        chore_run(c, &step);
}

/* ---- begin ---- */

static int find_card(struct export *ex, const char *text, struct api_error *e)
{
    struct err why;
    char *path;

    if (models_locate(ex->h->models, text, &ex->model_ref, &path, e))
        return -1;
    free(path);
    if (!models_is_kept(ex->model_ref)) {
        api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                      "%.300s is no model that was downloaded or imported; import it first",
                      ex->model_ref);
        return -1;
    }
    if (models_card(ex->h->models, ex->model_ref, &ex->card, e))
        return -1;
    if (ex->card)
        return 0;
    models_say_cardless(ex->h->models, ex->model_ref, &why);
    api_error_set(e, API_INVALID_REQUEST, REPLY_SRC, "%s", why.text);
    return -1;
}

static int name_files(struct export *ex, struct err *err)
{
    size_t n = ex->card->n_files;
    int rc = 0;

    ex->names = calloc(n, sizeof *ex->names);
    ex->hows = calloc(n, sizeof *ex->hows);
    ex->was_there = calloc(n, sizeof *ex->was_there);
    ex->marks = calloc(n, sizeof *ex->marks);
    if (!ex->names || !ex->hows || !ex->was_there || !ex->marks)
        return err_no_memory(err, n * sizeof *ex->names, "an export");
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = manifest_file_name(ex->card->files[i].name, &ex->names[i], err);
    return rc;
}

void export_run(struct hive *h, struct http_exchange *x, const char *model_ref, const char *dir)
{
    struct export *ex = calloc(1, sizeof *ex);
    struct chore_step step = {
        .stage = "hashing", .may = may_go_on, .work = hash_all, .done = on_hashed, .arg = ex};
    struct api_error e = {0};
    struct err err = {0};
    struct chore *c = NULL;

    if (!ex) {
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
        return;
    }
    ex->h = h;
    if (find_card(ex, model_ref, &e) || models_reach(h->models, NULL, &e))
        reply_error(x, 0, &e);
    else if (export_dir_find(dir, h->home, h->models_dir, &ex->dir, &err) || name_files(ex, &err))
        reply_fail(x, API_INVALID_REQUEST, "%s", err.text);
    else
        c = chore_begin(h, x);
    if (!c) {
        export_free(ex);
        return;
    }
    step.name = ex->model_ref;
    step.bytes_total = card_total_bytes(ex->card);
    chore_run(c, &step);
}
