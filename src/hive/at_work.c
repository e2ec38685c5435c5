/* at_work.c - see at_work.h. */
#include "hive/at_work.h"

#include <stdlib.h>

#include "base/str.h"

void at_work_begin(struct at_work_list *l, struct at_work *w, const char *dir, bool takes)
{
    *w = (struct at_work){.dir = str_dup(dir), .takes = takes};
    if (w->dir)
        LIST_INSERT_HEAD(l, w, link);
}

bool at_work_bring(struct at_work_list *l, struct at_work *w, const char *dir, const char *card,
                   const char *model_ref)
{
    char *of = str_dup(card), *ref = str_dup(model_ref);

    *w = (struct at_work){0};
    if (of && ref)
        at_work_begin(l, w, dir, false);
    if (w->dir) {
        w->card = of;
        w->model_ref = ref;
        return true;
    }
    free(of);
    free(ref);
    return false;
}

void at_work_end(struct at_work *w)
{
    if (!w->dir)
        return;
    LIST_REMOVE(w, link);
    free(w->dir);
    free(w->card);
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

bool at_work_brings(const struct at_work_list *l, const char *card, const char *model_ref)
{
    const struct at_work *w;

    LIST_FOREACH(w, l, link)
    if (w->card && ((card && str_eq(w->card, card)) || str_eq(w->model_ref, model_ref)))
        return true;
    return false;
}
