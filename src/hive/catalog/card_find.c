/*
 * card_find.c - the cards under the folder of the models; see card.h.
 *
 * The one way by which the loop comes to a card. A folder of models may have links to folders of
 * another disk in it, and an imported model is a link to a file of one: each name is asked of
 * reach.h before it is followed, and a card is given out only when its files can be looked at, too.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/card.h"
#include "hive/disk/reach.h"

#define SCAN_DEPTH       3 /* org, repo, commit */
#define SCAN_LOCAL_DEPTH 2 /* name, digest */

static int reach_files(struct reach *r, const struct card *c, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < c->n_files && rc == 0; i++)
        rc = reach_check(r, c->files[i].path, err);
    return rc;
}

int card_reach(struct reach *r, const struct card *c, struct err *err)
{
    int rc = reach_check(r, c->path, err);

    return rc ? rc : reach_files(r, c, err);
}

char *card_path_beside(const char *file)
{
    return str_printf("%s" CARD_TAIL, file);
}

/* Of path_read_file, ERR_CONFLICT, or ERR_NO_MEMORY. */
static int check(const char *path, struct err *err)
{
    char *text;
    size_t n;
    int version, rc = path_read_file(path, CARD_BYTES_MAX, &text, &n, err);

    if (rc)
        return rc;
    version = card_text_version(text, n);
    free(text);
    if (version == ERR_NO_MEMORY)
        return err_no_memory(err, n, path);
    if (version <= CARD_VERSION)
        return 0;
    return err_set(err, ERR_CONFLICT,
                   "%.300s was written by a newer rbee (in version %d, this one knows versions up "
                   "to %d): start that one; nothing of that model is changed or deleted "
                   "here",
                   path, version, CARD_VERSION);
}

int card_check_age(const char *path, struct err *err)
{
    struct err why = {0};
    int rc = check(path, &why);

    return rc == ERR_CONFLICT || rc == ERR_NO_MEMORY ? err_set(err, rc, "%s", why.text) : 0;
}

bool card_is_withheld(const char *path, struct err *why)
{
    int rc = check(path, why);

    return rc && rc != ERR_NOT_FOUND && rc != ERR_INVALID && rc != ERR_LIMIT;
}

/* Its place must be the one that its own content leads to. */
struct card *card_load(const char *models_dir, const char *path)
{
    struct card *c;
    char *text;
    size_t n;

    if (path_read_file(path, CARD_BYTES_MAX, &text, &n, NULL))
        return NULL;
    c = card_parse(models_dir, text, n);
    free(text);
    if (!c || str_eq(c->path, path))
        return c;
    card_free(c);
    return NULL;
}

struct scan {
    struct reach *reach;
    const char *models_dir;
    bool (*each)(void *arg, struct card *c);
    void (*unreadable)(void *arg, const char *path); /* may be NULL */
    void *arg;
    int rc; /* of what was left out first */
    struct err *err;
};

/* False: it is left out. */
static bool reaches(struct scan *s, int rc, const struct err *why)
{
    if (rc && s->rc == 0) {
        s->rc = rc;
        if (s->err)
            *s->err = *why;
    }
    return rc == 0;
}

static bool reaches_path(struct scan *s, const char *path)
{
    struct err why = {0};

    return reaches(s, reach_check(s->reach, path, &why), &why);
}

/* False when `each` wants no more. */
static bool give(struct scan *s, struct card *c)
{
    struct err why = {0};

    if (reaches(s, reach_files(s->reach, c, &why), &why))
        return s->each(s->arg, c);
    card_free(c);
    return true;
}

/*
 * NULL: it is not there, or left out. One that cannot be opened for want of something, or for a
 * fault of the disk's, is not empty. Another's, which this account may never look into, is none of
 * ours.
 */
static DIR *open_dir(struct scan *s, const char *dir)
{
    struct err why;
    DIR *d;

    if (!reaches_path(s, dir))
        return NULL;
    d = opendir(dir);
    if (!d && errno != ENOENT && errno != ENOTDIR && errno != EACCES && errno != ELOOP)
        reaches(s, err_errno(&why, ERR_IO, errno, "cannot look into %s", dir), &why);
    return d;
}

/* NULL: that was all, or it could not be read to its end, which is noted. */
static struct dirent *next_entry(struct scan *s, DIR *d, const char *dir)
{
    struct dirent *entry;
    struct err why;

    errno = 0;
    entry = readdir(d);
    if (!entry && errno)
        reaches(s, err_errno(&why, ERR_IO, errno, "cannot read all of %s", dir), &why);
    return entry;
}

/* False when `each` wants no more. Folders are `depth` levels deep; cards lie at the bottom. */
static bool scan_dir(struct scan *s, const char *dir, unsigned depth)
{
    DIR *d = open_dir(s, dir);
    struct dirent *entry;
    struct err why;
    bool more = true;

    while (d && more && (entry = next_entry(s, d, dir))) {
        char *path;
        struct card *c;

        if (entry->d_name[0] == '.' || (depth == 0 && !str_ends(entry->d_name, CARD_TAIL)))
            continue;
        path = path_join(dir, entry->d_name);
        if (!path)
            reaches(s, err_no_memory(&why, strlen(dir), "a path"), &why);
        if (path && depth > 0)
            more = scan_dir(s, path, depth - 1);
        else if (path && reaches_path(s, path) && (c = card_load(s->models_dir, path)))
            more = give(s, c);
        else if (path && s->unreadable && reach_check(s->reach, path, NULL) == 0)
            s->unreadable(s->arg, path);
        free(path);
    }
    if (d)
        closedir(d);
    return more;
}

static int scan(struct scan *s, const char *repo)
{
    char *dir = NULL, *local;
    bool more;
    int rc = 0;

    if (repo)
        rc = card_repo_dir(s->models_dir, repo, &dir, NULL);
    else
        dir = path_join(s->models_dir, "hf");
    if (rc == ERR_NO_MEMORY || (rc == 0 && !dir))
        return err_no_memory(s->err, strlen(s->models_dir), "the models' folder");
    if (rc)
        return 0;
    more = scan_dir(s, dir, repo ? 1 : SCAN_DEPTH);
    free(dir);
    if (repo || !more)
        return s->rc;
    local = path_join(s->models_dir, "local");
    if (!local)
        return err_no_memory(s->err, strlen(s->models_dir), "the models' folder");
    scan_dir(s, local, SCAN_LOCAL_DEPTH);
    free(local);
    return s->rc;
}

int card_scan(struct reach *r, const char *models_dir, const char *repo,
              bool (*each)(void *arg, struct card *c), void *arg, struct err *err)
{
    struct scan s = {.reach = r, .models_dir = models_dir, .each = each, .arg = arg, .err = err};

    return scan(&s, repo);
}

int card_scan_all(struct reach *r, const char *models_dir, const char *repo,
                  bool (*each)(void *arg, struct card *c),
                  void (*unreadable)(void *arg, const char *path), void *arg, struct err *err)
{
    struct scan s = {.reach = r,
                     .models_dir = models_dir,
                     .each = each,
                     .unreadable = unreadable,
                     .arg = arg,
                     .err = err};

    return scan(&s, repo);
}

/* ---- one ---- */

struct search {
    const char *model_ref, *path;
    struct card *found;
};

static bool on_found(void *arg, struct card *c)
{
    struct search *s = arg;

    if ((s->model_ref && card_has_ref(c, s->model_ref)) || (s->path && str_eq(c->path, s->path)))
        s->found = c;
    else
        card_free(c);
    return s->found == NULL;
}

int card_find(struct reach *r, const char *models_dir, const char *repo, const char *model_ref,
              const char *path, struct card **out, struct err *err)
{
    struct search s = {.model_ref = model_ref, .path = path};
    int rc = card_scan(r, models_dir, repo, on_found, &s, err);

    *out = s.found;
    return s.found ? 0 : rc;
}
