/* download_active.c - is a download at work in a model's folder? See models_internal.h. */
#include "base/str.h"
#include "hive/models/download_internal.h"
#include "hive/models/models_internal.h"

bool downloads_write_to(const struct downloads *ds, const struct card *card)
{
    const struct download *d;

    TAILQ_FOREACH(d, &ds->all, link)
    if (download_is_active(d) && d->card && card_clash(d->card, card))
        return true;
    return false;
}

/* Somebody's fetch is in that folder. */
static bool is_written_in(const struct downloads *ds, const char *dir)
{
    const struct download *d;

    TAILQ_FOREACH(d, &ds->all, link)
    if (d->n_fetching && str_eq(d->card->dir, dir))
        return true;
    return false;
}

void downloads_sweep(const struct downloads *ds, const struct card *card)
{
    if (!is_written_in(ds, card->dir) && !at_work_is_at(ds->p.at_work, card->dir))
        card_sweep(card);
}

bool downloads_drop_ref(struct downloads *ds, const char *card_path, const char *model_ref)
{
    struct download *d;
    bool any = false;

    TAILQ_FOREACH(d, &ds->all, link)
    if (download_is_active(d) && d->card && str_eq(d->card->path, card_path) &&
        !str_eq(d->model_ref, model_ref)) {
        card_drop_ref(d->card, model_ref); /* it writes its card again */
        any = true;
    }
    return any;
}

const char *downloads_under_way(const struct downloads *ds, const char *model_ref,
                                const char *card_path)
{
    const struct download *d;

    TAILQ_FOREACH(d, &ds->all, link)
    if (download_is_active(d) && (str_eq(d->model_ref, model_ref) ||
                                  (d->card && card_path && str_eq(d->card->path, card_path))))
        return d->model_ref;
    return NULL;
}
