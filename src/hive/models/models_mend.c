/*
 * models_mend.c - cards of listed models that are gone or cannot be read (a power cut, a copy that
 * was put back) are written anew from the catalog. Without its card a model is listed and runs, but
 * cannot be verified, exported or removed with its files.
 */
#include <stdlib.h>
#include <string.h>

#include "api/modelref.h"
#include "base/log.h"
#include "base/path.h"
#include "hive/catalog/flush.h"
#include "hive/disk/reach.h"
#include "hive/models/models_internal.h"

/* All its files must be there, and as large as the catalog says. */
static struct card *make_anew(struct models *m, const struct catalog_row *row)
{
    struct card *card = card_of_row(m->dir, row);

    if (!card || card_reach(m->reach, card, NULL) || !card_measure(card, row->size_bytes)) {
        card_free(card);
        return NULL;
    }
    if (row->sha256[0])
        catalog_get_verdict(m->catalog, row->sha256, &card->verdict, NULL);
    return card;
}

/* Each reference is a row; the card of them all is made with the first one. What is known from the
 * catalog is less than a card tells (the digests of further parts), so none is written over that
 * may be whole. */
static struct card *mend(struct models *m, const struct catalog_row *row, const char *path)
{
    struct card *card = card_load(m->dir, path);
    bool anew = !card;
    struct err err;

    if (card && card_has_ref(card, row->model_ref))
        return card;
    if (anew && (card_is_withheld(path, &err) || !(card = make_anew(m, row))))
        return NULL;
    if (card_add_ref(card, row->model_ref, &err) || flush_card(m->reach, m->tasks, card, &err))
        log_warn("%s", err.text);
    else if (anew)
        log_warn("%s was gone, or could not be read as what was noted of %s: it was written anew "
                 "from the catalog",
                 path, row->model_ref);
    return card;
}

/* False: there is nothing that a card could be of, or it cannot be looked at now. */
static bool is_there(struct models *m, const struct catalog_row *row, const char *path)
{
    return reach_check(m->reach, row->path, NULL) == 0 && reach_check(m->reach, path, NULL) == 0 &&
           path_is_file(row->path);
}

struct card *models_mend(struct models *m, const char *canonical)
{
    struct catalog_row row = {0};
    struct card *card = NULL;
    char *path = NULL;

    if (catalog_get(m->catalog, canonical, &row, NULL) == 0)
        path = card_path_beside(row.path);
    if (path && is_there(m, &row, path))
        card = mend(m, &row, path);
    free(path);
    catalog_row_done(&row);
    return card;
}

/* ---- those that cannot be mended ---- */

/* Where the card beside the catalog's file lies, if that may be looked at: free(), or NULL. */
static char *listed_path(struct models *m, const char *canonical)
{
    char *file, *path;

    if (models_row_path(m, canonical, &file))
        return NULL;
    path = card_path_beside(file);
    free(file);
    if (!path || reach_check(m->reach, path, NULL) == 0)
        return path;
    free(path);
    return NULL;
}

int models_check_age(struct models *m, const char *canonical, struct err *err)
{
    char *path = listed_path(m, canonical);
    int rc = path ? card_check_age(path, err) : 0;

    free(path);
    return rc;
}

int models_say_cardless(struct models *m, const char *canonical, struct err *err)
{
    char *path = listed_path(m, canonical);
    bool withheld = path && card_is_withheld(path, err);

    free(path);
    if (withheld)
        return ERR_CONFLICT;
    return err_set(err, ERR_CONFLICT,
                   "what was noted of %.200s when it came is gone or damaged, and the catalog does "
                   "not know enough to mend it: `rbee-keeper models rm %.200s`, then pull or "
                   "import it again",
                   canonical, canonical);
}

/* ---- all of them ---- */

/* The folder of the models is a copy of the one that the row leads to, which is still there: its
 * cards are whole, and the start's scan enters them. Also true: it cannot be looked at now. */
static bool is_copied(struct models *m, const struct catalog_row *row)
{
    struct model_ref ref;
    struct card *card = NULL;
    bool copied = false;

    if (models_holds(m, row->path))
        return false;
    if (model_ref_parse(row->model_ref, &ref, NULL) == 0 && ref.repo)
        copied =
            card_find(m->reach, m->dir, ref.repo, row->model_ref, NULL, &card, NULL) != 0 || card;
    model_ref_done(&ref);
    card_free(card);
    return copied;
}

struct mending {
    struct models *m;
    void (*left)(void *arg, const struct catalog_row *row);
    void *arg;
};

static bool on_row(void *arg, const struct catalog_row *row)
{
    struct mending *d = arg;
    char *path = card_path_beside(row->path);

    if (path && is_there(d->m, row, path)) {
        struct card *card = mend(d->m, row, path);

        if (!card && d->left && !is_copied(d->m, row))
            d->left(d->arg, row);
        card_free(card);
    }
    free(path);
    return true;
}

void models_mend_all(struct models *m, void (*left)(void *arg, const struct catalog_row *row),
                     void *arg)
{
    struct mending d = {m, left, arg};
    struct err err;

    if (catalog_each(m->catalog, on_row, &d, &err))
        log_warn("%s", err.text);
}

/* ---- may another one lie beside them? ---- */

struct beside {
    struct models *m;
    const struct card *card;
    struct err *err;
    int rc;
};

/* A listed model's card tells of its names; where it can be neither read nor mended, nobody knows
 * which files of the folder are its parts. */
static bool on_beside(void *arg, const struct catalog_row *row)
{
    struct beside *b = arg;
    char *path = card_path_beside(row->path);

    if (path && card_is_in_folder(b->card, row->path) && is_there(b->m, row, path)) {
        struct card *card = mend(b->m, row, path);

        if (!card)
            b->rc = models_say_cardless(b->m, row->model_ref, b->err);
        card_free(card);
    }
    free(path);
    return b->rc == 0;
}

int models_check_names(struct models *m, const struct card *card, struct err *err)
{
    struct beside b = {m, card, err, 0};
    int rc = catalog_each(m->catalog, on_beside, &b, err);

    if (b.rc)
        return b.rc;
    return rc ? rc : card_check_names(m->reach, m->dir, card, err);
}
