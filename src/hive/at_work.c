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

void at_work_end(struct at_work *w)
{
    if (!w->dir)
        return;
    LIST_REMOVE(w, link);
    free(w->dir);
    w->dir = NULL;
}

void at_work_end_all(struct at_work_list *l)
{
    struct at_work *w;

    while ((w = LIST_FIRST(l)))
        at_work_end(w);
}

bool at_work_takes(const struct at_work_list *l, const char *dir)
{
    const struct at_work *w;

    LIST_FOREACH(w, l, link)
    if (w->takes && str_eq(w->dir, dir))
        return true;
    return false;
}
