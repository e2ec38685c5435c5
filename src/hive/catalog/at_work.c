/* at_work.c - see at_work.h. */
#include "hive/catalog/at_work.h"

#include <stdlib.h>

#include "base/str.h"
#include "hive/catalog/card.h"

void at_work_begin(struct at_work_list *l, struct at_work *w, const char *dir, bool takes)
{
    *w = (struct at_work){.dir = str_dup(dir), .takes = takes};
    if (w->dir)
        LIST_INSERT_HEAD(l, w, link);
}

bool at_work_bring(struct at_work_list *l, struct at_work *w, const struct card *card,
                   const char *model_ref)
{
    char *ref = str_dup(model_ref);

    *w = (struct at_work){0};
    if (ref)
        at_work_begin(l, w, card->dir, false);
    if (w->dir) {
        w->card = card;
        w->model_ref = ref;
        return true;
    }
    free(ref);
    return false;
}

void at_work_end(struct at_work *w)
{
    if (!w->dir)
        return;
    LIST_REMOVE(w, link);
    free(w->dir);
    free(w->model_ref);
    *w = (struct at_work){0};
}

void at_work_end_all(struct at_work_list *l)
{
    struct at_work *w;

    while ((w = LIST_FIRST(l)))
        at_work_end(w);
}

bool at_work_is_at(const struct at_work_list *l, const char *dir)
{
    const struct at_work *w;

    LIST_FOREACH(w, l, link)
    if (str_eq(w->dir, dir))
        return true;
    return false;
}

bool at_work_takes(const struct at_work_list *l, const char *dir)
{
    const struct at_work *w;

    LIST_FOREACH(w, l, link)
    if (w->takes && str_eq(w->dir, dir))
        return true;
    return false;
}

bool at_work_looks(const struct at_work_list *l, const char *dir)
{
    const struct at_work *w;

    LIST_FOREACH(w, l, link)
    if (w->looks && str_eq(w->dir, dir))
        return true;
    return false;
}

bool at_work_brings(const struct at_work_list *l, const struct card *card, const char *model_ref)
{
    const struct at_work *w;

    LIST_FOREACH(w, l, link)
    if (w->card && (str_eq(w->model_ref, model_ref) || (card && card_clash(card, w->card))))
        return true;
    return false;
}
