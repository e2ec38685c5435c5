/*
 * card_names.c - whose is a name in a model's folder? See card.h.
 *
 * All models of one commit share a folder, and the names in it come from outside: a manifest may
 * call a file of its model as another model's file is called, or that one's card.
 */
#include <string.h>

#include "base/str.h"
#include "hive/catalog/card.h"

/* What may lie beside a file: an unfinished part, that one's ledger, the card, what was bad. */
static const char *const tails[] = {".part", ".part.ledger", CARD_TAIL, CARD_BAD_TAIL};

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

/* One walk over a folder's cards, for `each`; `why`: one in that folder cannot be read. */
struct walk {
    const struct card *card;
    bool (*each)(void *arg, struct card *other);
    void *arg;
    struct err why;
};

static bool on_card(void *arg, struct card *other)
{
    const struct walk *w = arg;

    return w->each(w->arg, other);
}

static void on_unreadable(void *arg, const char *path)
{
    struct walk *w = arg;
    struct err why;

    if (w->why.code || str_eq(path, w->card->path) || !card_is_in_folder(w->card, path) ||
        !card_is_withheld(path, &why))
        return;
    err_set(&w->why, ERR_CONFLICT, "another model lies in its folder; %.500s%s", why.text,
            why.code == ERR_CONFLICT
                ? ""
                : ". Nobody can tell which files are that one's: let rbee read this file, or "
                  "delete it, if that model is needed no more");
}

int card_scan_beside(struct reach *r, const char *models_dir, const struct card *c,
                     bool (*each)(void *arg, struct card *other), void *arg, struct err *err)
{
    struct walk w = {.card = c, .each = each, .arg = arg};
    int rc = card_scan_all(r, models_dir, c->repo, on_card, on_unreadable, &w, err);

    return w.why.code ? err_set(err, w.why.code, "%s", w.why.text) : rc;
}

static bool on_any(void *arg, struct card *other)
{
    (void)arg;
    card_free(other);
    return true;
}

int card_check_beside(struct reach *r, const char *models_dir, const struct card *c,
                      struct err *err)
{
    int rc = card_scan_beside(r, models_dir, c, on_any, NULL, err);

    return rc == ERR_UNREACHABLE ? 0 : rc; /* a neighbour on a disk that is away */
}

struct checking {
    const struct card *card;
    struct err clash; /* code 0: none */
};

static bool on_other(void *arg, struct card *other)
{
    struct checking *ch = arg;
    const char *path =
        ch->clash.code || str_eq(other->path, ch->card->path) ? NULL : card_clash(ch->card, other);

    if (path)
        err_set(&ch->clash, ERR_CONFLICT,
                "%.300s would be, or lie beside, a file of another model, %.200s: remove that one "
                "first, or bring this under another name",
                path, card_name(other));
    card_free(other);
    return true;
}

int card_check_names(struct reach *r, const char *models_dir, const struct card *c, struct err *err)
{
    struct checking ch = {.card = c};
    int rc;

    for (size_t i = 1; i < c->n_files; i++)
        if (clash(c, i, c, i))
            return err_set(err, ERR_CONFLICT,
                           "the file %.300s is named as another one of the same model, or as what "
                           "lies beside that one",
                           c->files[i].name);
    rc = card_scan_beside(r, models_dir, c, on_other, &ch, err);
    if (rc == ERR_CONFLICT)
        err_prefix(err, "%.200s cannot come", card_name(c));
    else if (ch.clash.code)
        rc = err_set(err, ch.clash.code, "%s", ch.clash.text);
    return rc;
}
