/* import.c - see import.h: the steps of each item. Bringing its files in is in import_place.c. */
#include "hive/chores/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/flush.h"
#include "hive/chores/chore.h"
#include "hive/chores/import_internal.h"
#include "hive/chores/rehash.h"
#include "hive/chores/upload.h"
#include "hive/disk/reach.h"
#include "hive/hive.h"
#include "hive/http/reply.h"
#include "hive/models/models_internal.h"
#include "net/http_server.h"

static void next_item(struct import *im, struct chore *c);
static int may_go_on(void *arg, struct err *err);

/* What is kept of the item at work. */
static void drop_item(struct import *im)
{
    at_work_end(&im->from);
    at_work_end(&im->to);
    for (size_t i = 0; im->was && i < import_item_of(im)->m.n_files; i++)
        free(im->was[i]);
    card_free(im->card);
    card_free(im->before);
    free(im->marks);
    free(im->kept);
    free(im->was);
    im->card = im->before = NULL;
    im->marks = NULL;
    im->kept = NULL;
    im->was = NULL;
    im->n_placed = 0;
    im->was_here = false;
}

static void import_free(struct import *im)
{
    drop_item(im);
    import_list_done(&im->list);
    free(im);
}

/* On to the next one, whatever became of this one. */
static void leave_item(struct import *im, struct chore *c)
{
    drop_item(im);
    im->i++;
    next_item(im, c);
}

/* What is at hand then is the next one. */
static void skip_item(struct import *im, struct chore *c, enum api_code code, const char *message)
{
    im->n_failed++;
    chore_say_error(c, import_item_of(im)->m.name, code, message);
    drop_item(im);
    im->i++;
}

static void fail_item(struct import *im, struct chore *c, enum api_code code, const char *message)
{
    skip_item(im, c, code, message);
    next_item(im, c);
}

static enum api_code code_of(int rc)
{
    return rc == ERR_INVALID     ? API_CHECKSUM_MISMATCH
           : rc == ERR_NOT_FOUND ? API_MODEL_NOT_FOUND
           : rc == ERR_CONFLICT || rc == ERR_LIMIT || rc == ERR_DENIED
               ? API_INVALID_REQUEST
               : api_code_of_files(rc, API_INTERNAL);
}

/* ---- last: into the catalog ---- */

/* Of a model that is here: one more name. What could not enter is on no card either, or the next
 * start would list it. */
static int enter_beside(struct import *im, const char *model_ref, struct err *err)
{
    const struct hive *h = im->h;
    bool is_new = !card_has_ref(im->card, model_ref);
    int rc = card_add_ref(im->card, model_ref, err);

    if (rc == 0)
        rc = flush_card(h->reach, h->tasks, im->card, err);
    if (rc)
        return rc;
    rc = models_enter(h->models, model_ref, im->card, err);
    if (rc && is_new) {
        card_drop_ref(im->card, model_ref);
        flush_card_later(h->reach, h->tasks, im->card);
    }
    return rc;
}

static void enter(struct import *im, struct chore *c)
{
    const struct import_item *item = import_item_of(im);
    struct err err = {0};
    bool stays;
    int rc;

    rc = im->was_here ? enter_beside(im, item->m.model_ref, &err)
                      : models_enter(im->h->models, item->m.model_ref, im->card, &err);
    if (rc) {
        if (!im->was_here) /* no list would show what was the user's only copy */
            import_take_back(im, im->card->n_files, false);
        fail_item(im, c, code_of(rc), err.text);
        return;
    }
    im->n_imported++;
    stays = !import_leave_sources(im, &err);
    chore_say(c,
              json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:o, s:s*}", "stage", "imported",
                        "model_ref", item->m.model_ref, "name", item->m.name, "local_path",
                        im->card->files[0].path, "how",
                        im->n_placed ? place_how_text(im->how) : "already here", "size_bytes",
                        (json_int_t)card_total_bytes(im->card), "sha256", im->card->files[0].sha256,
                        "left_out", store_left_out(&item->m), "stays", stays ? err.text : NULL));
    leave_item(im, c);
}

/* ---- third: into its place ---- */

/* Where the files were and where they are. */
static int reach_all(struct import *im, struct err *err)
{
    const struct import_item *item = import_item_of(im);
    int rc = card_reach(im->h->reach, im->card, err);

    for (size_t i = 0; i < item->m.n_files && rc == 0; i++)
        rc = reach_check(im->h->reach, item->m.files[i].path, err);
    return rc;
}

/*
 * What is in its place enters though the client has left meanwhile: one who did not hear of it, and
 * asks again, finds the model. So it does at the hive's end: the catalog closes behind the helpers.
 */
static void on_placed(void *arg, struct chore *c, int rc, const struct err *err)
{
    struct import *im = arg;
    struct err why = {0};

    if (rc) {
        fail_item(im, c, rc == ERR_INVALID ? API_INTERNAL : code_of(rc), err->text);
    } else if ((rc = reach_all(im, &why))) { /* the next start finds it */
        fail_item(im, c, code_of(rc), why.text);
    } else if (!card_is_complete(im->card)) {
        import_take_back(im, im->card->n_files, false); /* what is left of it */
        fail_item(im, c, API_INTERNAL, "its files were deleted as soon as they were here");
    } else if ((rc = import_settle_again(im, &why))) {
        import_take_back(im, im->card->n_files, false);
        fail_item(im, c, code_of(rc), why.text);
    } else {
        enter(im, c);
    }
}

/* ---- second: may it enter? ---- */

static void on_judged(void *arg, struct chore *c, const struct api_error *e)
{
    struct import *im = arg;
    struct chore_step step = {.stage = "placing", .name = "", .arg = im};

    if (chore_is_gone(c) || e) {
        if (e)
            fail_item(im, c, e->code, e->message);
        else
            next_item(im, c);
        return;
    }
    catalog_get_verdict(im->h->models->catalog, im->card->files[0].sha256, &im->card->verdict,
                        NULL);
    if (im->was_here) {
        enter(im, c);
    } else {
        step.name = import_item_of(im)->m.name;
        step.bytes_total = card_total_bytes(im->card);
        step.may = may_go_on;
        step.work = import_place;
        step.done = on_placed;
        chore_run(c, &step);
    }
}

/* ---- first: what bytes are these? ---- */

static int hash_all(void *arg, struct chore *c, struct err *err)
{
    struct import *im = arg;
    struct store_model *m = &import_item_of(im)->m;
    int rc = 0;

    for (size_t i = 0; i < m->n_files && rc == 0; i++) {
        struct store_file *f = &m->files[i];
        char sha256[DIGEST_SHA256_BYTES];

        rc = rehash_file(f->path, c, sha256, &im->marks[i], err);
        if (rc == 0 && f->sha256[0] && !str_eq(f->sha256, sha256))
            rc = err_set(err, ERR_INVALID, "%.300s has the SHA-256 %s, it should be %s", f->path,
                         sha256, f->sha256);
        if (rc)
            break;
        f->size_bytes = (uint64_t)im->marks[i].size_bytes;
        str_copy(f->sha256, sizeof f->sha256, sha256);
    }
    return rc;
}

static void on_hashed(void *arg, struct chore *c, int rc, const struct err *err)
{
    struct import *im = arg;
    struct err why = {0};

    if (chore_is_gone(c)) {
        next_item(im, c);
    } else if (rc) {
        fail_item(im, c, code_of(rc), err->text);
    } else if ((rc = import_make_card(im, &why))) {
        fail_item(im, c, rc == ERR_INVALID ? API_INVALID_REQUEST : code_of(rc), why.text);
    } else {
        chore_judge(c, import_item_of(im)->m.files[0].path, import_item_of(im)->m.files[0].sha256,
                    on_judged, im);
    }
}

static bool is_under(const char *dir, const char *path)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* By its name, or through links: a model's file is not taken out of rbee's folder to be another's.
 */
static int check_not_ours(const struct import *im, const char *path, struct err *err)
{
    char *dir = NULL, *real = NULL;
    bool ours = is_under(im->h->models->dir, path);
    int rc = 0;

    if (upload_is_part(im->h->models, path))
        return 0;
    if (!ours)
        rc = reach_check(im->h->reach, path, err);
    if (!ours && rc == 0 && path_real(path, &real, NULL) == 0 &&
        path_real(im->h->models->dir, &dir, NULL) == 0)
        ours = is_under(dir, real);
    free(dir);
    free(real);
    return ours
               ? err_set(err, ERR_CONFLICT, "%.300s lies in rbee's own models folder already", path)
               : rc;
}

static int check_sources(const struct import *im, struct err *err)
{
    const struct store_model *m = &import_item_of(im)->m;
    int rc = models_check_dir(im->h->models, err);

    for (size_t i = 0; i < m->n_files && rc == 0; i++)
        rc = check_not_ours(im, m->files[i].path, err);
    return rc;
}

/* Before a step that has waited. */
static int may_go_on(void *arg, struct err *err)
{
    return check_sources(arg, err);
}

/* An upload's folder is nobody else's until it is empty. */
static void mark_source(struct import *im, const char *path)
{
    char *dir = upload_is_part(im->h->models, path)
                    ? str_ndup(path, (size_t)(path_base(path) - path - 1))
                    : NULL;

    if (dir)
        at_work_begin(&im->h->models->at_work, &im->from, dir, true);
    free(dir);
}

static void say_past_limit(const struct import *im, struct chore *c)
{
    char text[ERR_TEXT_MAX];

    if (im->list.n_past_limit == 0)
        return;
    snprintf(text, sizeof text,
             "%zu more repositories, models or files of the store were not looked at, the limits "
             "are %d, and %u bytes of paths and names: import what is wanted of those by its name",
             im->list.n_past_limit, STORE_MODELS_MAX, IMPORT_LIST_MAX);
    chore_say_error(c, "the rest", API_INVALID_REQUEST, text);
}

/* False: it cannot be, and was passed over. Where a disk goes away, thousands in a row. */
static bool begin_item(struct import *im, struct chore *c)
{
    struct chore_step step = {.stage = "hashing",
                              .name = "",
                              .arg = im,
                              .may = may_go_on,
                              .work = hash_all,
                              .done = on_hashed};
    const struct store_model *m;
    struct err why = {0};
    int rc;

    if (im->i == im->list.n || chore_is_gone(c)) {
        say_past_limit(im, c);
        chore_say(c, json_pack("{s:s, s:I, s:I}", "stage", "complete", "imported",
                               (json_int_t)im->n_imported, "failed", (json_int_t)im->n_failed));
        chore_end(c);
        import_free(im);
        return true;
    }
    m = &import_item_of(im)->m;
    if ((rc = check_sources(im, &why)) || store_check_parts(m, &why)) {
        skip_item(im, c, rc ? code_of(rc) : API_UNSUPPORTED_MODEL, why.text);
        return false;
    }
    if ((rc = import_check_names(im, &why))) {
        skip_item(im, c, rc == ERR_INVALID ? API_INVALID_REQUEST : code_of(rc), why.text);
        return false;
    }
    mark_source(im, m->files[0].path);
    im->marks = calloc(m->n_files, sizeof *im->marks);
    im->kept = calloc(m->n_files, sizeof *im->kept);
    im->was = calloc(m->n_files, sizeof *im->was);
    if (!im->marks || !im->kept || !im->was) {
        skip_item(im, c, API_INTERNAL, "the hive is out of memory");
        return false;
    }
    step.name = m->name;
    for (size_t i = 0; i < m->n_files; i++)
        step.bytes_total += m->files[i].size_bytes;
    chore_run(c, &step);
    return true;
}

static void next_item(struct import *im, struct chore *c)
{
    while (!begin_item(im, c))
        ;
}

/* Of a request of a few bytes, which may wait for its turn for hours. */
static bool hold(struct http_exchange *x, const struct import_list *list)
{
    struct api_error e;

    http_drop_body(x);
    if (http_hold(x, list->n_bytes))
        return true;
    reply_say_held(&e, list->n_bytes);
    reply_error(x, 0, &e);
    return false;
}

void import_run(struct hive *h, struct http_exchange *x, struct import_list *list)
{
    struct import *im = calloc(1, sizeof *im);
    struct chore *c = NULL;

    if (!im)
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
    else if (hold(x, list))
        c = chore_begin(h, x);
    if (!c) {
        free(im);
        import_list_done(list);
        return;
    }
    im->h = h;
    im->list = *list;
    *list = (struct import_list){0};
    next_item(im, c);
}
