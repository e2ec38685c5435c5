/* upload_run.c - see upload.h: the beginning of an upload, and its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/hive.h"
#include "hive/import.h"
#include "hive/models_internal.h"
#include "hive/reply.h"
#include "hive/upload_internal.h"

struct upload {
    struct hive *h;
    struct manifest manifest;
    struct upload_file *files;
};

static const struct manifest_model *model_of(const struct upload *u)
{
    return &u->manifest.models[0];
}

static void upload_free(struct upload *u)
{
    for (size_t i = 0; u->files && i < model_of(u)->n_files; i++) {
        free(u->files[i].part);
        pieces_free(u->files[i].pieces);
    }
    free(u->files);
    manifest_done(&u->manifest);
    free(u);
}

static uint64_t total_of(const struct manifest_model *model)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < model->n_files; i++)
        sum += model->files[i].size_bytes;
    return sum;
}

/* ---- what is missing ---- */

static json_t *ranges_json(const struct upload_file *f)
{
    json_t *list = json_array();
    uint64_t at = 0, first, last;

    while (list && pieces_hole_in(f->pieces, at, f->size_bytes, &first, &last)) {
        json_array_append_new(list, json_pack("[I, I]", (json_int_t)first, (json_int_t)last));
        at = last;
    }
    return list;
}

static uint64_t missing_of(const struct upload *u)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < model_of(u)->n_files; i++)
        sum += pieces_missing(u->files[i].pieces);
    return sum;
}

static void say_missing(struct upload *u, struct chore *c)
{
    json_t *files = json_array();

    for (size_t i = 0; i < model_of(u)->n_files; i++)
        json_array_append_new(files, json_pack("{s:s, s:o}", "file", model_of(u)->files[i].file,
                                               "missing", ranges_json(&u->files[i])));
    chore_say(c, json_pack("{s:s, s:I, s:I, s:o}", "stage", "missing", "bytes_missing",
                           (json_int_t)missing_of(u), "bytes_total",
                           (json_int_t)total_of(model_of(u)), "files", files));
}

/* False, having said so, when the rest does not fit. */
static bool has_room(struct upload *u, struct chore *c)
{
    char need[16], room_text[16], text[200];
    uint64_t room, missing = missing_of(u);

    if (path_free_bytes(u->h->models->dir, &room, NULL) || room >= missing)
        return true;
    snprintf(text, sizeof text, "%s are still to come, and the disk of the models has room for %s",
             str_human_bytes(missing, need, sizeof need),
             str_human_bytes(room, room_text, sizeof room_text));
    chore_say_error(c, model_of(u)->model_ref, API_DISK_FULL, text);
    return false;
}

static int check_all(void *arg, struct chore *c, struct err *err)
{
    struct upload *u = arg;
    char *dir = upload_folder(u->h->models, model_of(u)->files[0].sha256);
    int rc = dir ? path_make_dirs(dir, 0755, err) : err_no_memory(err, 1, "a path");

    for (size_t i = 0; i < model_of(u)->n_files && rc == 0; i++)
        rc = upload_look(&u->files[i], c, err);
    free(dir);
    return rc;
}

static void on_checked(void *arg, struct chore *c, int rc, const struct err *err)
{
    struct upload *u = arg;

    if (rc && !chore_is_gone(c))
        chore_say_error(c, model_of(u)->model_ref,
                        rc == ERR_NO_SPACE ? API_DISK_FULL : API_INTERNAL, err->text);
    else if (!rc && has_room(u, c))
        say_missing(u, c);
    else if (!rc && missing_of(u) == total_of(model_of(u))) /* nothing has come: nothing is left */
        upload_drop(u->h->models, model_of(u)->files[0].sha256, NULL);
    chore_end(c);
    upload_free(u);
}

/* ---- is it here? ---- */

static bool same_files(const struct card *card, const struct manifest_model *m)
{
    bool same = card->n_files == m->n_files;

    for (size_t i = 0; same && i < m->n_files; i++)
        same = str_eq(card->files[i].sha256, m->files[i].sha256);
    return same;
}

/*
 * False, and the exchange is answered, when the name means another file here. A hub's model of
 * another commit is no other file: import tells them apart.
 */
static bool is_free(struct http_exchange *x, const struct manifest_model *m,
                    const struct card *card)
{
    if (!card || (!str_starts(m->model_ref, "local:") && !str_eq(card->commit, m->commit)))
        return true;
    reply_fail(x, API_INVALID_REQUEST,
               "%.200s is another file here: its SHA-256 is %s, that of the one to come %s; remove "
               "it here, or import yours under another name",
               m->model_ref, card->files[0].sha256, m->files[0].sha256);
    return false;
}

/* Two files of one name would be written into each other, and so would a file and a ledger. */
static const char *bad_name(const struct manifest_model *m)
{
    for (size_t i = 0; i < m->n_files; i++) {
        if (str_ends(m->files[i].file, ".ledger"))
            return m->files[i].file;
        for (size_t k = 0; k < i; k++)
            if (str_eq(m->files[i].file, m->files[k].file))
                return m->files[i].file;
    }
    return NULL;
}

/* One model, and the paths of its parts; NULL, and the exchange is answered. */
static struct upload *prepare(struct hive *h, struct http_exchange *x, struct manifest *manifest)
{
    struct upload *u = calloc(1, sizeof *u);
    bool ok = u != NULL;

    if (manifest->n_models != 1 || bad_name(&manifest->models[0])) {
        if (manifest->n_models != 1)
            reply_fail(x, API_INVALID_REQUEST, "a manifest of one model is taken, this has %zu",
                       manifest->n_models);
        else
            reply_fail(
                x, API_INVALID_REQUEST,
                "a file of the manifest cannot be called %.200s: another is, or it is the name of "
                "a ledger",
                bad_name(&manifest->models[0]));
        manifest_done(manifest);
        free(u);
        return NULL;
    }
    if (u) {
        *u = (struct upload){.h = h, .manifest = *manifest};
        *manifest = (struct manifest){0};
        u->files = calloc(model_of(u)->n_files, sizeof *u->files);
        ok = u->files != NULL;
    }
    for (size_t i = 0; ok && i < model_of(u)->n_files; i++) {
        u->files[i].size_bytes = model_of(u)->files[i].size_bytes;
        u->files[i].part =
            upload_part(h->models, model_of(u)->files[0].sha256, model_of(u)->files[i].file);
        ok = u->files[i].part != NULL;
    }
    if (ok)
        return u;
    reply_fail(x, API_INTERNAL, "the hive is out of memory");
    if (u)
        upload_free(u);
    else
        manifest_done(manifest);
    return NULL;
}

void upload_begin(struct hive *h, struct http_exchange *x, struct manifest *manifest)
{
    struct upload *u = prepare(h, x, manifest);
    struct card *card = u ? models_card(h->models, model_of(u)->model_ref) : NULL;
    bool whole = card && card_is_complete(card), here = whole && same_files(card, model_of(u));
    struct chore_step step = {.stage = "checking", .arg = u, .work = check_all, .done = on_checked};
    struct chore *c = NULL;

    if (u && (here || is_free(x, model_of(u), whole ? card : NULL)))
        c = chore_begin(h, x);
    if (c && here) {
        chore_say(c, json_pack("{s:s, s:s}", "stage", "here", "local_path", card->files[0].path));
        chore_end(c);
    } else if (c) {
        step.name = model_of(u)->model_ref;
        step.bytes_total = total_of(model_of(u));
        chore_run(c, &step);
        u = NULL; /* its own now */
    }
    if (u)
        upload_free(u);
    card_free(card);
}

/* ---- the end ---- */

void upload_commit(struct hive *h, struct http_exchange *x, struct manifest *manifest)
{
    struct upload *u = prepare(h, x, manifest);
    struct import_list list = {0};
    struct err err = {0};
    char *dir;
    int rc;

    if (!u)
        return;
    dir = upload_folder(h->models, model_of(u)->files[0].sha256);
    rc = dir ? import_list_model(dir, model_of(u), PLACE_MOVE, &list, &err)
             : err_no_memory(&err, 1, "a path");
    if (rc)
        reply_fail(x, API_INTERNAL, "%s", err.text);
    else
        import_run(h, x, &list);
    free(dir);
    upload_free(u);
}
