/* upload_run.c - see upload.h: the beginning of an upload, and its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/chores/import.h"
#include "hive/chores/upload_internal.h"
#include "hive/disk/reach.h"
#include "hive/hive.h"
#include "hive/http/reply.h"
#include "hive/models/models_internal.h"

static void upload_free(struct upload *u)
{
    for (size_t i = 0; u->files && i < upload_model(u)->n_files; i++) {
        free(u->files[i].part);
        pieces_free(u->files[i].pieces);
    }
    at_work_end(&u->mark);
    free(u->files);
    free(u->dir);
    card_free(u->card);
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

#define RANGES_MAX 16384 /* a sender leaves one or two a file; more would not fit in an event */

/* *left: how many ranges may be told still, of all files; the rest is told the next time. */
static json_t *ranges_json(const struct upload_file *f, unsigned *left)
{
    json_t *list = json_array();
    const struct hole *h = NULL;

    for (; list && *left > 0 && pieces_next_hole(f->pieces, &h); --*left)
        json_array_append_new(list, json_pack("[I, I]", (json_int_t)h->from, (json_int_t)h->to));
    return list;
}

static uint64_t missing_of(const struct upload *u)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < upload_model(u)->n_files; i++)
        sum += pieces_missing(u->files[i].pieces);
    return sum;
}

static void say_missing(struct upload *u, struct chore *c)
{
    json_t *files = json_array();
    unsigned left = RANGES_MAX;

    for (size_t i = 0; i < upload_model(u)->n_files; i++)
        json_array_append_new(files, json_pack("{s:s, s:o}", "file", upload_model(u)->files[i].file,
                                               "missing", ranges_json(&u->files[i], &left)));
    chore_say(c, json_pack("{s:s, s:I, s:I, s:o}", "stage", "missing", "bytes_missing",
                           (json_int_t)missing_of(u), "bytes_total",
                           (json_int_t)total_of(upload_model(u)), "files", files));
}

/* What the disk has still to find for a file. Its part is as long as it will be, and where there
 * are no sparse files (FAT) all of it is taken already. */
static uint64_t need_of(const struct upload_file *f)
{
    uint64_t missing = pieces_missing(f->pieces), held;
    struct stat st;

    held = stat(f->part, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
    held = held < f->size_bytes ? held : f->size_bytes;
    return missing < f->size_bytes - held ? missing : f->size_bytes - held;
}

/* False, having said so, when the rest does not fit. */
static bool has_room(struct upload *u, struct chore *c)
{
    char need[16], room_text[16], text[200];
    uint64_t room, missing = missing_of(u), sum = 0;

    for (size_t i = 0; i < upload_model(u)->n_files; i++)
        sum += need_of(&u->files[i]);
    if (path_free_bytes(u->h->models->dir, &room, NULL) || room >= sum)
        return true;
    snprintf(text, sizeof text, "%s are still to come, and the disk of the models has room for %s",
             str_human_bytes(missing, need, sizeof need),
             str_human_bytes(room, room_text, sizeof room_text));
    chore_say_error(c, upload_model(u)->model_ref, API_DISK_FULL, text);
    return false;
}

/* The owner's alone, also if an early version made it: a lock that a stranger had on a part, for
 * which reading it is enough, would have its pieces refused. */
static int make_folder(const struct upload *u, struct err *err)
{
    int rc = path_make_dirs_in(u->dir, strlen(u->h->models->dir), 0700, err);

    if (rc == 0 && chmod(u->dir, 0700) != 0)
        errno = 0; /* another's: it is theirs to say who may read it */
    return rc;
}

static int check_all(void *arg, struct chore *c, struct err *err)
{
    struct upload *u = arg;
    int rc = make_folder(u, err);

    for (size_t i = 0; i < upload_model(u)->n_files && rc == 0; i++)
        rc = upload_look(&u->files[i], c, err);
    return rc;
}

/* Before a step that has waited. */
static int may_look(void *arg, struct err *err)
{
    struct upload *u = arg;

    u->mark.looks = true; /* from now on; until then it waited for its turn */
    return reach_check(u->h->reach, u->dir, err);
}

/* Of a file that was not come to: as when an earlier one had no room. */
static bool has_nothing(const struct upload_file *f)
{
    struct stat st;

    if (f->pieces)
        return pieces_missing(f->pieces) == f->size_bytes;
    return stat(f->part, &st) != 0 ? errno == ENOENT : st.st_size == 0;
}

/* Of a push that has no room: parts of which nothing has come would take what there is. */
static void drop_empty(struct upload *u)
{
    bool nothing = true;

    for (size_t i = 0; i < upload_model(u)->n_files && nothing; i++)
        nothing = has_nothing(&u->files[i]);
    if (nothing)
        upload_drop(u->h->models, upload_model(u)->files[0].sha256, NULL, NULL);
}

static void on_checked(void *arg, struct chore *c, int rc, const struct err *err)
{
    struct upload *u = arg;
    struct err away;

    if ((rc == 0 || rc == ERR_NO_SPACE) && reach_check(u->h->reach, u->dir, &away)) {
        err = &away;
        rc = ERR_UNREACHABLE;
    }
    if (rc && !chore_is_gone(c))
        chore_say_error(c, upload_model(u)->model_ref, api_code_of_files(rc, API_INTERNAL),
                        err->text);
    if (rc == 0 && has_room(u, c))
        say_missing(u, c);
    else if (rc == 0 || rc == ERR_NO_SPACE)
        drop_empty(u);
    chore_end(c);
    upload_free(u);
}

/* ---- the manifest ---- */

/* Two files of one name, but for the case of letters, may be written into each other. */
static const char *bad_name(const struct manifest_model *m)
{
    for (size_t i = 0; i < m->n_files; i++)
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(m->files[i].file, m->files[k].file) == 0)
                return m->files[i].file;
    return NULL;
}

/* The exchange is answered when it is false. */
static bool is_fit(const struct manifest *manifest, struct http_exchange *x)
{
    const char *bad = manifest->n_models == 1 ? bad_name(&manifest->models[0]) : NULL;

    if (manifest->n_models != 1)
        reply_fail(x, API_INVALID_REQUEST, "a manifest of one model is taken, this has %zu",
                   manifest->n_models);
    else if (bad)
        reply_fail(x, API_INVALID_REQUEST,
                   "a file of the manifest cannot be called %.200s: another is", bad);
    return manifest->n_models == 1 && !bad;
}

/* The paths of the parts, and the card; false without memory. */
static bool fill(struct upload *u)
{
    const struct manifest_model *m = upload_model(u);
    bool ok;

    u->dir = upload_folder(u->h->models, m->files[0].sha256);
    u->files = calloc(m->n_files, sizeof *u->files);
    ok = u->dir && u->files &&
         card_create(u->h->models->dir, m->repo, m->commit, m->quantization, &u->card, NULL) == 0;
    for (size_t i = 0; ok && i < m->n_files; i++) {
        const struct manifest_file *f = &m->files[i];

        u->files[i].size_bytes = f->size_bytes;
        u->files[i].part = upload_part(u->h->models, m->files[0].sha256, f->file);
        ok = u->files[i].part &&
             card_add_file(u->card, f->name, f->size_bytes, f->sha256, NULL) == 0;
    }
    return ok;
}

/* One model, and the paths of its parts; NULL, and the exchange is answered. */
static struct upload *prepare(struct hive *h, struct http_exchange *x, struct manifest *manifest)
{
    bool fit = is_fit(manifest, x);
    struct upload *u = fit ? calloc(1, sizeof *u) : NULL;

    if (u) {
        *u = (struct upload){.h = h, .manifest = *manifest};
        *manifest = (struct manifest){0};
        if (fill(u))
            return u;
        upload_free(u);
    }
    manifest_done(manifest);
    if (fit)
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
    return NULL;
}

void upload_begin(struct hive *h, struct http_exchange *x, struct manifest *manifest)
{
    struct upload *u = prepare(h, x, manifest);
    struct chore_step step = {
        .stage = "checking", .arg = u, .may = may_look, .work = check_all, .done = on_checked};
    struct chore *c = NULL;

    if (u && !upload_is_answered(u, x))
        c = chore_begin(h, x);
    if (c) {
        at_work_begin(&h->models->at_work, &u->mark, u->dir, false);
        step.name = upload_model(u)->model_ref;
        step.bytes_total = total_of(upload_model(u));
        chore_run(c, &step);
    } else if (u) {
        upload_free(u);
    }
}

/* ---- the end ---- */

void upload_commit(struct hive *h, struct http_exchange *x, struct manifest *manifest)
{
    struct upload *u = prepare(h, x, manifest);
    struct import_list list = {0};
    struct err err = {0};

    if (u && !upload_is_answered(u, x) && !upload_is_looked_at(u, x)) {
        if (import_list_model(u->dir, upload_model(u), PLACE_MOVE, &list, &err))
            reply_fail_of(x, &err);
        else
            import_run(h, x, &list);
    }
    if (u)
        upload_free(u);
}
