/*
 * card_names.c - whose is a name in a model's folder? See card.h.
 *
 * All models of one commit share a folder, and the names in it come from outside: a manifest may
 * call a file of its model as another model's file is called, or that one's card.
 */
#include <string.h>

#include "base/str.h"
#include "hive/card.h"
#include "hive/verify.h"

/* What may lie beside a file: an unfinished part, that one's ledger, the card, what was bad. */
static const char *const tails[] = {".part", ".part.ledger", CARD_TAIL, VERIFY_BAD_TAIL};

/* One is called as the other is, or as what may lie beside that one. */
static bool is_one_name(const char *a, const char *b)
{
    size_t n = strlen(a);

    if (n > strlen(b))
        return is_one_name(b, a);
    if (strncmp(a, b, n) != 0)
        return false;
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++)
        if (str_eq(b + n, tails[i]))
            return true;
    return b[n] == '\0';
}

/* Of the names behind the folder's; n: of the first so many files of b. */
static const char *clash(const struct card *a, size_t i, const struct card *b, size_t n)
{
    size_t n_dir = strlen(a->dir);

    for (size_t k = 0; k < n; k++)
        if (is_one_name(a->files[i].path + n_dir, b->files[k].path + n_dir))
            return a->files[i].path;
    return NULL;
}

const char *card_clash(const struct card *a, const struct card *b)
{
    const char *path = NULL;

    for (size_t i = 0; str_eq(a->dir, b->dir) && i < a->n_files && !path; i++)
        path = clash(a, i, b, b->n_files);
    return path;
}

/* ---- beside all others ---- */

struct checking {
    const struct card *card;
    struct err *err;
    int rc;
};

static bool on_other(void *arg, struct card *other)
{
    struct checking *ch = arg;
    const char *path = str_eq(other->path, ch->card->path) ? NULL : card_clash(ch->card, other);

    if (path)
        ch->rc = err_set(ch->err, ERR_CONFLICT,
                         "%.300s would be, or lie beside, a file of another model, %.200s: remove "
                         "that one first, or bring this under another name",
                         path, card_name(other));
    card_free(other);
    return ch->rc == 0;
}

/* What it names, nobody here knows. */
static void on_unreadable(void *arg, const char *path)
{
    struct checking *ch = arg;
    struct err why;

    if (ch->rc == 0 && !str_eq(path, ch->card->path) && card_is_in_folder(ch->card, path) &&
        card_is_withheld(path, &why))
        ch->rc = err_set(ch->err, ERR_CONFLICT, "%.200s would lie beside another model: %s",
                         card_name(ch->card), why.text);
}

int card_check_names(struct reach *r, const char *models_dir, const struct card *c, struct err *err)
{
    struct checking ch = {.card = c, .err = err};
    int rc;

    for (size_t i = 1; i < c->n_files; i++)
        if (clash(c, i, c, i))
            return err_set(err, ERR_CONFLICT,
                           "the file %.300s is named as another one of the same model, or as what "
                           "lies beside that one",
                           c->files[i].name);
    rc = card_scan_all(r, models_dir, c->repo, on_other, on_unreadable, &ch, err);
    return ch.rc ? ch.rc : rc;
}
