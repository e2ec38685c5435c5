/*
 * models_dir.c - is the folder of the models the one that it was?
 *
 * Where its disk is not mounted there is an empty folder, on another disk, which would be filled in
 * silence: everything once more, hidden when the disk is there again. So nothing is brought into a
 * folder without anything in it while the catalog has models there. Nobody can tell this from a
 * folder that was emptied by hand; having these models forgotten says which it was.
 */
#include <dirent.h>
#include <errno.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/disk/home.h"
#include "hive/disk/reach.h"
#include "hive/models/models_internal.h"

struct count {
    struct models *m;
    unsigned n;
};

static bool count_row(void *arg, const struct catalog_row *row)
{
    struct count *c = arg;

    c->n += models_holds(c->m, row->path);
    return true;
}

/* Nothing but the hive's own lock. One that cannot be read may hold anything. */
static bool is_empty(const char *dir, bool *there)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    bool empty = d;

    *there = d || errno != ENOENT;
    while (empty && (entry = readdir(d)))
        empty = str_eq(entry->d_name, ".") || str_eq(entry->d_name, "..") ||
                str_eq(entry->d_name, HOME_MODELS_LOCK);
    if (d)
        closedir(d);
    return empty;
}

int models_check_dir(struct models *m, struct err *err)
{
    struct count listed = {.m = m};
    bool there, empty;
    int rc = reach_check(m->reach, m->dir, err);

    if (rc)
        return rc;
    empty = is_empty(m->dir, &there);
    if (!there)
        return path_say_away(m->dir, err);
    if (empty)
        catalog_each(m->catalog, count_row, &listed, NULL);
    if (listed.n == 0)
        return 0;
    return err_set(err, ERR_UNREACHABLE,
                   "%u model%s noted in %s, and there is nothing in that folder: is its disk "
                   "mounted? If the files were deleted, `rbee-keeper models prune` forgets them",
                   listed.n, listed.n == 1 ? " is" : "s are", m->dir);
}
