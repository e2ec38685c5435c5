/* download_left.c - downloads that an earlier life of this hive began and nobody has gone on with.
 */
#include "base/str.h"
#include "hive/models/download_internal.h"

struct looking {
    const struct downloads *ds;
    json_t *list;
};

/* Is there a download of this life for it, whatever became of that? */
static bool is_known(const struct downloads *ds, const struct card *card)
{
    const struct download *d;

    TAILQ_FOREACH(d, &ds->all, link)
    if ((d->card && str_eq(d->card->path, card->path)) || card_has_ref(card, d->model_ref))
        return true;
    return false;
}

static bool on_card(void *arg, struct card *card)
{
    struct looking *l = arg;
    uint64_t total = card_total_bytes(card), here = card_bytes_on_disk(card);

    if (card->n_refs > 0 && !card_is_local(card) && !card_is_complete(card) &&
        !is_known(l->ds, card))
        json_array_append_new(l->list,
                              json_pack("{s:n, s:s, s:s, s:I, s:I}", "download_id", "model_ref",
                                        card->refs[0], "state", "interrupted", "bytes_downloaded",
                                        (json_int_t)(here < total ? here : total), "bytes_total",
                                        (json_int_t)total));
    card_free(card);
    return true;
}

void downloads_add_left(const struct downloads *ds, json_t *list)
{
    struct looking l = {.ds = ds, .list = list};

    card_scan(ds->p.reach, ds->models_dir, NULL, on_card, &l, NULL);
}
