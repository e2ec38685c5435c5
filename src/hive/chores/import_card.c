/*
 * import_card.c - the card of an item: under which reference, beside what, in whose place; see
 * import_internal.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/flush.h"
#include "hive/chores/import_internal.h"
#include "hive/disk/reach.h"
#include "hive/hive.h"
#include "hive/models/models_internal.h"

/* ---- the reference ---- */

/* The name means another file already: a hub's is told apart by its commit, others are refused. */
static int settle_ref(struct import *im, struct err *err)
{
    struct import_item *item = import_item_of(im);
    struct catalog_row row = {0};
    bool same;
    char *more;
    int rc;

    if (catalog_get(im->h->models->catalog, item->m.model_ref, &row, NULL))
        return 0;
    same = str_eq(row.path, im->card->files[0].path);
    rc = same ? 0 : reach_check(im->h->reach, row.path, err);
    if (!same && rc == 0)
        same = !path_is_file(row.path);
    catalog_row_done(&row);
    if (same || rc)
        return rc;
    if (!str_starts(item->m.model_ref, "hf:") || strchr(item->m.model_ref, '@'))
        return err_set(err, ERR_CONFLICT,
                       "%.200s is another file already; import it under another name (--as), or "
                       "remove that one first",
                       item->m.model_ref);
    more = str_printf("%s@%s", item->m.model_ref, item->m.commit);
    if (!more)
        return err_no_memory(err, strlen(item->m.model_ref), "a name");
    free(item->m.model_ref);
    item->m.model_ref = more;
    return 0;
}

int import_settle_again(struct import *im, struct err *err)
{
    const struct import_item *item = import_item_of(im);
    char *before = str_dup(item->m.model_ref);
    int rc = before ? settle_ref(im, err) : err_no_memory(err, 1, "a name");

    if (rc == 0 && !str_eq(before, item->m.model_ref)) {
        card_drop_ref(im->card, before);
        rc = card_add_ref(im->card, item->m.model_ref, err);
        if (rc == 0)
            rc = flush_card(im->h->reach, im->h->tasks, im->card, err);
    }
    free(before);
    return rc;
}

/* ---- the place ---- */

/* Of a file that both name, two digests are known, and they differ. */
static bool contradicts(const struct card *a, const struct card *b)
{
    for (size_t i = 0; i < a->n_files; i++)
        for (size_t k = 0; k < b->n_files; k++)
            if (str_eq(a->files[i].path, b->files[k].path) && a->files[i].sha256[0] &&
                b->files[k].sha256[0] && !str_eq(a->files[i].sha256, b->files[k].sha256))
                return true;
    return false;
}

/* The card on disk, when it has the same digests. One of a download that is not done gives its
 * references, and stands again should this go wrong. */
static int use_old_card(struct import *im, struct err *err)
{
    struct card *old;
    int rc = card_find(im->h->reach, im->h->models->dir, im->card->repo, NULL, im->card->path, &old,
                       err);

    if (old && models_is_whole(im->h->models, old) && card_same_files(old, im->card)) {
        card_free(im->card);
        im->card = old;
        im->to.card = old;
        im->was_here = true;
        return 0;
    }
    if (old && models_is_whole(im->h->models, old))
        rc = err_set(err, ERR_CONFLICT, "%.300s is there already, with another SHA-256",
                     old->files[0].path);
    else if (old && contradicts(old, im->card))
        rc = err_set(err, ERR_CONFLICT,
                     "a file of %.200s is to have another SHA-256: `rbee-keeper models rm %.200s` "
                     "deletes what is here of it",
                     card_name(old), card_name(old));
    for (size_t i = 0; old && rc == 0 && i < old->n_refs; i++)
        rc = card_add_ref(im->card, old->refs[i], err);
    if (rc == 0)
        rc = card_add_ref(im->card, import_item_of(im)->m.model_ref, err);
    im->before = old;
    return rc;
}

/*
 * From here on the model is this import's alone to bring. Two at one file took the one's for what
 * an earlier life had left, and of a file that moves that was the only one there was; two under one
 * name both became its file. A download that is at work is not disturbed, and none of these files,
 * or of that name, begins while the mark is set (download_resolve.c).
 */
static int claim(struct import *im, struct err *err)
{
    struct at_work_list *l = &im->h->models->at_work;
    const char *ref = import_item_of(im)->m.model_ref;

    if (at_work_brings(l, im->card, ref))
        return err_set(err, ERR_CONFLICT,
                       "%.200s is being imported at this moment: look again when that is done",
                       ref);
    if (downloads_under_way(im->h->models->downloads, ref, NULL) ||
        downloads_write_to(im->h->models->downloads, im->card))
        return err_set(
            err, ERR_CONFLICT,
            "a download of the same files, or of %.200s, is under way: wait until that is "
            "done, or end it with `rbee-keeper models cancel %.200s`",
            ref, ref);
    return at_work_bring(l, &im->to, im->card, ref) ? 0
                                                    : err_no_memory(err, strlen(ref), "an import");
}

int import_check_names(const struct import *im, struct err *err)
{
    const struct store_model *m = &im->list.items[im->i].m;
    struct card *c = NULL;
    int rc =
        card_create(im->h->models->dir, m->repo, m->commit[0] ? m->commit : "-", m->quant, &c, err);

    for (size_t i = 0; i < m->n_files && rc == 0; i++)
        rc = card_add_file(c, m->files[i].name, m->files[i].size_bytes, "", err);
    card_free(c);
    return rc;
}

int import_make_card(struct import *im, struct err *err)
{
    const struct import_item *item = import_item_of(im);
    const char *commit = item->m.commit[0] ? item->m.commit : item->m.files[0].sha256;
    int rc = card_create(im->h->models->dir, item->m.repo, commit, item->m.quant, &im->card, err);

    for (size_t i = 0; i < item->m.n_files && rc == 0; i++)
        rc = card_add_file(im->card, item->m.files[i].name, item->m.files[i].size_bytes,
                           item->m.files[i].sha256, err);
    if (rc == 0)
        rc = card_set_origin(im->card, item->origin, err);
    if (rc == 0)
        rc = settle_ref(im, err);
    if (rc == 0)
        rc = models_check_names(im->h->models, im->card, err);
    if (rc == 0)
        rc = claim(im, err);
    return rc ? rc : use_old_card(im, err);
}
