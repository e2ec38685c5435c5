/* verify.c - see verify.h. */
#include "hive/chores/verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/flush.h"
#include "hive/chores/chore.h"
#include "hive/chores/rehash.h"
#include "hive/disk/reach.h"
#include "hive/hive.h"
#include "hive/http/reply.h"
#include "hive/models/models_internal.h"
#include "hive/workers/workers.h"

struct verify {
    struct hive *h;
    struct card **cards; /* owned */
    size_t n_cards, i;
    char (*found)[DIGEST_SHA256_BYTES]; /* of the files of the card at work */
    size_t bad_file;                    /* the first that differs; n_files = none */
    struct file_mark mark;              /* of it, when it was read */
    struct err why;                     /* what is wrong with it; code 0: nothing */
    char *aside;                        /* owned: where it has been put, until that is told */
    unsigned n_verified, n_bad, n_noted;
    json_t *cardless; /* references of listed models that nothing can be compared with */
    json_t *gone;     /* ... of which nothing is there: reference -> path */
};

static void next_card(struct verify *v, struct chore *c);

static void verify_free(struct verify *v)
{
    for (size_t i = 0; i < v->n_cards; i++)
        card_free(v->cards[i]);
    free(v->cards);
    free(v->found);
    free(v->aside);
    json_decref(v->cardless);
    json_decref(v->gone);
    free(v);
}

static void leave_card(struct verify *v, struct chore *c)
{
    free(v->found);
    free(v->aside);
    v->found = NULL;
    v->aside = NULL;
    v->i++;
    next_card(v, c);
}

/* Before a step that has waited. */
static int may_read(void *arg, struct err *err)
{
    const struct verify *v = arg;

    return card_reach(v->h->reach, v->cards[v->i], err);
}

/* ---- what comes of it ---- */

/* `hint` NULL: what there is to do is the same for all of the code. */
static void say_bad(struct verify *v, struct chore *c, const char *ref, enum api_code code,
                    const char *why, const char *kept_as, const char *hint)
{
    log_warn("%s: %s", ref, why);
    v->n_bad++;
    chore_say(c, json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s*}", "stage", "bad", "model_ref", ref,
                           "code", api_error_info(code)->code, "message", why, "kept_as", kept_as,
                           "hint", hint));
}

/* A file that is gone, of a model whose card is there: it may be a link to another disk. */
static void say_gone(struct verify *v, struct chore *c, const struct card *card)
{
    const char *ref = card_name(card);
    bool pulls = str_starts(ref, "hf:");
    char *hint =
        str_printf("If it is on another disk, mount that; if it was deleted, "
                   "`rbee-keeper models %s %s` %s.",
                   pulls ? "pull" : "rm", ref, pulls ? "fetches it again" : "forgets the model");

    workers_stop_path(v->h->workers, card->files[0].path);
    say_bad(v, c, ref, API_MODEL_NOT_FOUND, v->why.text, NULL, hint);
    free(hint);
}

static int sync_aside(void *arg, struct chore *c, struct err *err)
{
    const struct verify *v = arg;

    (void)c;
    return path_sync_folder(v->aside, err);
}

/* v->aside NULL: it is where it was. */
static void on_aside(void *arg, struct chore *c, int rc, const struct err *err)
{
    struct verify *v = arg;
    char text[ERR_TEXT_MAX];

    snprintf(text, sizeof text, "%.850s%s%.100s", v->why.text,
             rc ? "; after a power cut it may have its old name: " : "", rc ? err->text : "");
    say_bad(v, c, card_name(v->cards[v->i]), API_CHECKSUM_MISMATCH, text, v->aside, NULL);
    leave_card(v, c);
}

/* Under another name, or at least noted as bad; then v->why says that, too. */
static bool rename_bad(struct verify *v)
{
    const struct card *card = v->cards[v->i];
    const char *path = card->files[v->bad_file].path;
    char text[ERR_TEXT_MAX];

    v->aside = str_printf("%s%s", path, CARD_BAD_TAIL);
    if (v->aside && rename(path, v->aside) == 0)
        return true;
    snprintf(text, sizeof text, "%.700s; it cannot be renamed: %s", v->why.text, strerror(errno));
    err_set(&v->why, v->why.code, "%s", text);
    models_note_bad(v->h->models, card, v->bad_file, text);
    free(v->aside);
    v->aside = NULL;
    return false;
}

/* Out of use: renamed, out of the catalog, its workers stopped; and told once the disk has the new
 * name. Not what a download or an import has put there while the other was read. */
static void set_bad_aside(struct verify *v, struct chore *c)
{
    struct card *card = v->cards[v->i];
    const struct chore_step sync = {.stage = "syncing",
                                    .name = card_name(card),
                                    .arg = v,
                                    .may = may_read,
                                    .work = sync_aside,
                                    .done = on_aside};
    struct err err;
    bool renamed;

    if (rehash_same(card->files[v->bad_file].path, &v->mark, &err)) {
        v->n_bad++;
        chore_say_error(c, card_name(card), API_INTERNAL, err.text);
        leave_card(v, c);
        return;
    }
    renamed = rename_bad(v);
    if (catalog_remove_path(v->h->models->catalog, card->files[0].path, &err))
        log_warn("%s", err.text);
    workers_stop_path(v->h->workers, card->files[0].path);
    if (renamed)
        chore_run(c, &sync);
    else
        on_aside(v, c, 0, NULL);
}

/* Than the one that was read. NULL: there is no card that can be read. */
static bool is_another(const struct verify *v, const struct card *now)
{
    const struct card *old = v->cards[v->i];

    if (now && now->n_files != old->n_files)
        return true;
    for (size_t i = 0; now && i < now->n_files; i++)
        if (now->files[i].sha256[0] && !str_eq(now->files[i].sha256, v->found[i]))
            return true;
    return false;
}

/*
 * Into the card as it is now: names that were taken away since the reading began, maybe hours ago,
 * would come back with the old one. That is written where there is none that can be read; not where
 * there is none, for then the model was removed.
 */
static int write_found(struct verify *v, struct err *err)
{
    struct card *old = v->cards[v->i], *now, *card;
    int rc = card_reach(v->h->reach, old, err);

    if (rc)
        return rc;
    if (!path_is_file(old->path))
        return err_set(err, ERR_NOT_FOUND, "%s is gone", old->path);
    now = card_load(v->h->models_dir, old->path);
    card = now ? now : old;
    if (is_another(v, now)) {
        rc = err_set(err, ERR_CONFLICT, "another model has come to be there meanwhile");
    } else {
        for (size_t i = 0; i < card->n_files; i++)
            str_copy(card->files[i].sha256, DIGEST_SHA256_BYTES, v->found[i]);
        rc = flush_card(v->h->reach, v->h->tasks, card, err);
    }
    card_free(now);
    return rc;
}

/* The digests that nobody told are kept from now on, if the card can be written. */
static void note(struct verify *v, struct chore *c)
{
    const struct card *card = v->cards[v->i];
    char text[ERR_TEXT_MAX];
    struct err err;
    int rc = write_found(v, &err);

    if (rc) {
        snprintf(text, sizeof text, "its SHA-256 %s could not be noted: %.800s", v->found[0],
                 err.text);
        v->n_bad++;
        chore_say_error(c, card_name(card), api_code_of_files(rc, API_INTERNAL), text);
        return;
    }
    v->n_noted++;
    chore_say(c, json_pack("{s:s, s:s, s:s}", "stage", "noted", "model_ref", card_name(card),
                           "sha256", v->found[0]));
}

/* Of a file that differs from what was told. */
static void say_why(struct verify *v)
{
    const struct card_file *f = &v->cards[v->i]->files[v->bad_file];

    err_set(&v->why, ERR_INVALID, "%.300s has the SHA-256 %s now, it should be %s", f->name,
            v->found[v->bad_file], f->sha256);
}

static void judge(struct verify *v, struct chore *c)
{
    struct card *card = v->cards[v->i];
    bool told = card_is_verified(card);

    if (v->why.code == 0 && v->bad_file < card->n_files)
        say_why(v);
    if (v->why.code && v->why.code != ERR_NOT_FOUND) {
        set_bad_aside(v, c);
        return;
    }
    if (v->why.code) {
        say_gone(v, c, card);
    } else if (told) {
        v->n_verified++;
        chore_say(c, json_pack("{s:s, s:s, s:s}", "stage", "verified", "model_ref", card_name(card),
                               "sha256", card->files[0].sha256));
    } else {
        note(v, c);
    }
    leave_card(v, c);
}

/* ---- reading ---- */

/* What has another size need not be read. False: it is gone, or is larger or smaller. */
static bool is_as_large(struct verify *v, size_t i)
{
    const struct card *card = v->cards[v->i];

    if (card_check_file(card, i, &v->why) == 0)
        return true;
    v->bad_file = i;
    file_mark_of(card->files[i].path, &v->mark);
    return false;
}

static int hash_all(void *arg, struct chore *c, struct err *err)
{
    struct verify *v = arg;
    const struct card *card = v->cards[v->i];
    int rc = 0;

    v->bad_file = card->n_files;
    v->why = (struct err){0};
    for (size_t i = 0; i < card->n_files && is_as_large(v, i); i++) {
        rc = rehash_disk(card->files[i].path, c, v->found[i], &v->mark, err);
        if (rc)
            break;
        if (card->files[i].sha256[0] && !str_eq(card->files[i].sha256, v->found[i])) {
            v->bad_file = i;
            break;
        }
    }
    return rc;
}

static void on_hashed(void *arg, struct chore *c, int rc, const struct err *err)
{
    struct verify *v = arg;
    struct err away;

    if (rc == 0 && (rc = card_reach(v->h->reach, v->cards[v->i], &away)))
        err = &away;
    if (!chore_is_gone(c) && rc) {
        v->n_bad++;
        chore_say_error(c, card_name(v->cards[v->i]),
                        rc == ERR_NOT_FOUND ? API_MODEL_NOT_FOUND
                                            : api_code_of_files(rc, API_INTERNAL),
                        err->text);
    } else if (!chore_is_gone(c)) {
        judge(v, c);
        return;
    }
    leave_card(v, c);
}

static void next_card(struct verify *v, struct chore *c)
{
    struct chore_step step = {.stage = "verifying",
                              .name = "",
                              .arg = v,
                              .may = may_read,
                              .work = hash_all,
                              .done = on_hashed};
    const struct card *card;

    if (v->i == v->n_cards || chore_is_gone(c)) {
        chore_say(c, json_pack("{s:s, s:I, s:I, s:I}", "stage", "complete", "verified",
                               (json_int_t)v->n_verified, "bad", (json_int_t)v->n_bad, "noted",
                               (json_int_t)v->n_noted));
        chore_end(c);
        verify_free(v);
        return;
    }
    card = v->cards[v->i];
    v->found = calloc(card->n_files, sizeof *v->found);
    if (!v->found) {
        chore_say_error(c, card_name(card), API_INTERNAL, "the hive is out of memory");
        leave_card(v, c);
        return;
    }
    step.name = card_name(card);
    step.bytes_total = card_total_bytes(card);
    chore_run(c, &step);
}

/* ---- which ones ---- */

static bool add_card(struct verify *v, struct card *card)
{
    struct card **more = realloc(v->cards, (v->n_cards + 1) * sizeof(struct card *));

    if (!more) {
        card_free(card);
        return false;
    }
    v->cards = more;
    more[v->n_cards++] = card;
    return true;
}

/* A download or an import that is not done yet is verified when it is; what is not whole and is on
 * the list, was judged, or has a file of another size, was whole. */
static bool is_to_be_read(struct verify *v, const struct card *card)
{
    struct models *m = v->h->models;
    uint64_t n_rows = 0;

    if (card->n_refs == 0)
        return false;
    if (card_is_complete(card))
        return true;
    if (downloads_write_to(m->downloads, card) || at_work_brings(&m->at_work, card, card->refs[0]))
        return false;
    catalog_count_path(m->catalog, card->files[0].path, &n_rows, NULL);
    return n_rows > 0 || card->verdict.judge[0] || card_is_cut(card, NULL);
}

static bool on_card(void *arg, struct card *card)
{
    if (is_to_be_read(arg, card))
        return add_card(arg, card);
    card_free(card);
    return true;
}

static void on_cardless(void *arg, const struct catalog_row *row)
{
    json_array_append_new(((struct verify *)arg)->cardless, json_string(row->model_ref));
}

/* Neither the file nor a card is there; what is unreachable is told by card_scan. */
static bool on_row(void *arg, const struct catalog_row *row)
{
    struct verify *v = arg;
    char *card = card_path_beside(row->path);

    if (card && reach_check(v->h->reach, row->path, NULL) == 0 && !path_is_file(row->path) &&
        !path_is_file(card))
        json_object_set_new(v->gone, row->model_ref, json_string(row->path));
    free(card);
    return true;
}

/* Where the disk of all of them is not there, that is told, and not that each of them is gone. */
static void add_all(struct verify *v, struct err *away)
{
    struct models *m = v->h->models;

    v->cardless = json_array();
    v->gone = json_object();
    if (models_check_dir(m, away))
        return;
    models_mend_all(m, on_cardless, v);
    card_scan(m->reach, m->dir, NULL, on_card, v, away);
    catalog_each(m->catalog, on_row, v, NULL);
}

/* What is not whole is not here, for whoever would use it; here it is to be told why. *why is made
 * another where the disk of all models is away. */
static bool add_broken(struct verify *v, const char *text, struct api_error *why)
{
    struct models *m = v->h->models;
    struct card *card = NULL;
    struct api_error e = {0};
    struct model_ref ref;
    struct err away;
    char *canonical;
    bool kept = false;

    if (models_parse(text, &ref, &canonical, &e) == 0) {
        kept = models_is_kept(canonical);
        if (kept)
            models_card(m, canonical, &card, &e);
        model_ref_done(&ref);
        free(canonical);
    }
    api_error_done(&e);
    if (card && is_to_be_read(v, card))
        return add_card(v, card);
    card_free(card);
    if (kept && models_check_dir(m, &away)) {
        api_error_done(why);
        models_away(&away, why);
    }
    return false;
}

static int add_one(struct verify *v, const char *text, struct api_error *e)
{
    struct models *m = v->h->models;
    struct card *card = NULL;
    char *canonical, *path;
    struct err why;

    if (models_locate(m, text, &canonical, &path, e)) {
        if (e->code != API_MODEL_NOT_FOUND || !add_broken(v, text, e))
            return -1;
        api_error_done(e);
        return 0;
    }
    if (!models_is_kept(canonical))
        api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                      "%.300s has no digest to be compared with: it was neither downloaded nor "
                      "imported",
                      canonical);
    else if (models_card(m, canonical, &card, e) == 0 && !card &&
             models_say_cardless(m, canonical, &why))
        api_error_set(e, API_INVALID_REQUEST, REPLY_SRC, "%s", why.text);
    free(canonical);
    free(path);
    return card && add_card(v, card) ? 0 : -1;
}

/* The others are verified. */
static void say_left_out(struct verify *v, struct chore *c, const struct err *away)
{
    struct err why;
    json_t *ref, *path;
    const char *name;
    size_t i;

    if (away->code) {
        v->n_bad++;
        chore_say_error(c, NULL,
                        away->code == ERR_UNREACHABLE ? API_DISK_NOT_ANSWERING : API_INTERNAL,
                        away->text);
    }
    json_array_foreach(v->cardless, i, ref)
    {
        const char *text = json_string_value(ref);

        v->n_bad++;
        models_say_cardless(v->h->models, text, &why);
        chore_say_error(c, text, API_INVALID_REQUEST, why.text);
    }
    json_object_foreach(v->gone, name, path)
    {
        err_set(&why, ERR_NOT_FOUND, "its file %.800s is no longer there, nor what was noted of it",
                json_string_value(path));
        say_bad(v, c, name, API_MODEL_NOT_FOUND, why.text, NULL,
                "If it is on another disk, mount that; if it was deleted, `rbee-keeper models "
                "prune` forgets the model.");
    }
}

void verify_run(struct hive *h, struct http_exchange *x, const char *model_ref)
{
    struct verify *v = calloc(1, sizeof *v);
    struct api_error e = {.code = API_INTERNAL, .src = REPLY_SRC};
    struct err away = {0};
    struct chore *c;

    if (!v) {
        reply_fail(x, API_INTERNAL, "the hive is out of memory");
        return;
    }
    v->h = h;
    if (!model_ref)
        add_all(v, &away);
    if (model_ref && add_one(v, model_ref, &e)) {
        reply_error(x, 0, &e);
        verify_free(v);
        return;
    }
    c = chore_begin(h, x);
    if (c)
        say_left_out(v, c, &away);
    if (c)
        next_card(v, c);
    else
        verify_free(v);
}
