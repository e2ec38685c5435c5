/* card_remove.c - what a card names goes from the disk, and what a killed hive left beside it; see
 * card.h. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "base/sweep.h"
#include "hive/catalog/card.h"
#include "hive/disk/ledger.h"
#include "hive/disk/place.h"
#include "hive/disk/unlinked.h"

#define FOLDERS 3 /* org, repo, commit */

/* The hive was killed between putting the file into its place and forgetting the ledger. */
static void sweep_ledger(const char *path)
{
    char *part = path_is_file(path) ? str_printf("%s.part", path) : NULL;
    char *ledger = part && !path_is_file(part) ? ledger_path(part) : NULL;

    if (ledger)
        unlink(ledger);
    free(part);
    free(ledger);
}

void card_sweep(const struct card *c)
{
    DIR *d = opendir(c->dir);
    struct dirent *entry;

    while (d && (entry = readdir(d)))
        if (sweep_is_copy(entry->d_name))
            unlinkat(dirfd(d), entry->d_name, 0);
    if (d)
        closedir(d);
    for (size_t i = 0; i < c->n_files; i++)
        sweep_ledger(c->files[i].path);
}

int card_remove(const struct card *c)
{
    char *dir = str_dup(c->dir);
    int error = unlink(c->path) == 0 || errno == ENOENT ? 0 : errno;

    for (unsigned i = 0; dir && i < FOLDERS && rmdir(dir) == 0; i++)
        *strrchr(dir, '/') = '\0'; /* the folder above; a folder in use stays */
    free(dir);
    return error;
}

/* What it gives back is counted when it went. */
static int remove_one(const char *path, struct unlinked *u, uint64_t *freed, struct err *err)
{
    uint64_t n = place_freed_by(path);
    int error = unlinked_add(u, path);

    if (error && error != ENOENT && error != ENOTDIR)
        return err_errno(err, error == EACCES || error == EPERM ? ERR_DENIED : ERR_IO, error,
                         "cannot delete %.300s", path);
    if (error == 0 && freed)
        *freed += n;
    return 0;
}

int card_remove_file(const char *path, struct unlinked *u, uint64_t *freed, struct err *err)
{
    char *part = str_printf("%s.part", path), *ledger = part ? ledger_path(part) : NULL;
    int rc = remove_one(path, u, freed, err);

    if (part && rc == 0)
        rc = remove_one(part, u, freed, err);
    if (ledger && rc == 0)
        rc = remove_one(ledger, u, freed, err);
    free(part);
    free(ledger);
    return rc;
}

/* ---- the files, but for those of others ---- */

struct others {
    const struct card *card;
    bool *named; /* which of its files another card names, too */
};

static bool is_named(const struct card *c, const char *path)
{
    bool named = str_eq(c->path, path);

    for (size_t i = 0; i < c->n_files && !named; i++)
        named = str_eq(c->files[i].path, path);
    return named;
}

static bool on_other(void *arg, struct card *other)
{
    struct others *o = arg;
    bool apart = str_eq(other->path, o->card->path) || !str_eq(other->dir, o->card->dir);

    for (size_t i = 0; !apart && i < o->card->n_files; i++)
        o->named[i] = o->named[i] || is_named(other, o->card->files[i].path);
    card_free(other);
    return true;
}

int card_remove_all(struct reach *r, const char *models_dir, const struct card *c,
                    struct unlinked *u, uint64_t *freed, struct err *err)
{
    struct others o = {.card = c, .named = calloc(c->n_files + 1, sizeof *o.named)};
    struct err why;
    int error, rc;

    if (!o.named)
        return err_no_memory(err, c->n_files, "what is to be deleted");
    rc = card_scan_beside(r, models_dir, c, on_other, &o, &why);
    if (rc && rc != ERR_UNREACHABLE) { /* whose files these are, too, is not known */
        free(o.named);
        return err_set(err, rc, "%s", why.text);
    }
    for (size_t i = 0; i < c->n_files; i++) {
        int one = o.named[i] ? 0 : card_remove_file(c->files[i].path, u, freed, rc ? NULL : err);

        rc = rc ? rc : one;
    }
    free(o.named);
    if (rc == 0 && (error = card_remove(c)))
        rc = err_errno(err, ERR_IO, error, "cannot delete %.300s", c->path);
    return rc;
}
