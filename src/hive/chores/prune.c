/* prune.c - see prune.h. */
#include "hive/chores/prune.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/json_whole.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/chores/upload.h"
#include "hive/chores/verify.h"
#include "hive/disk/digest.h"
#include "hive/disk/place.h"
#include "hive/disk/reach.h"
#include "hive/disk/unlinked.h"
#include "hive/http/reply.h"
#include "hive/models/models_internal.h"

#define FOLDER_DEPTH 8

/* In the models folder: files of models lie so many levels down, above them are folders only. */
static const struct {
    const char *name;
    unsigned levels;
} folders[] = {{"hf", 3}, {"local", 2}, {UPLOAD_FOLDER, 1}};

struct pruning {
    struct models *m;
    json_t *used;  /* object: paths that a card vouches for */
    json_t *busy;  /* object: folders in which somebody is at work */
    json_t *items; /* array */
    uint64_t freed_bytes;
    size_t n_left_out; /* items past the limit */
    struct err away;   /* code 0: all that was come by answers, the catalog too */
};

/* A path that is left out for want of memory would be one that nothing refers to. What is not UTF-8
 * is safe without: it is never an item. */
static void use(struct pruning *p, json_t *set, const char *path)
{
    if (json_object_set_new(set, path, json_true()) && str_is_utf8(path, strlen(path)) &&
        p->away.code == 0)
        err_no_memory(&p->away, strlen(path), "what is in use");
}

static char *folder_of(const char *path)
{
    return str_ndup(path, (size_t)(path_base(path) - path - 1));
}

/* A card vouches for itself and for its files that are there; a download at work for its folder. */
static bool on_card(void *arg, struct card *card)
{
    struct pruning *p = arg;
    bool busy = downloads_write_to(p->m->downloads, card), any = false;
    struct stat st;

    for (size_t i = 0; i < card->n_files; i++) {
        use(p, p->used, card->files[i].path);
        any = any || lstat(card->files[i].path, &st) == 0;
    }
    if (busy)
        use(p, p->busy, card->dir);
    if (busy || any)
        use(p, p->used, card->path);
    card_free(card);
    return true;
}

/* It may be whole: which of the files there are its own cannot be told. */
static void on_unreadable(void *arg, const char *path)
{
    struct pruning *p = arg;
    char *folder = folder_of(path);
    struct err why;

    if (folder && card_is_withheld(path, &why))
        use(p, p->busy, folder);
    free(folder);
}

static void on_busy(void *arg, const char *dir)
{
    struct pruning *p = arg;

    use(p, p->busy, dir);
}

/* Chores, and pushes. */
static void find_busy(struct pruning *p)
{
    const struct at_work *w;

    LIST_FOREACH(w, &p->m->at_work, link)
    on_busy(p, w->dir);
    upload_each_active(p->m, on_busy, p);
}

static const char *why_of(const struct pruning *p, const char *path)
{
    const char *name = path_base(path);

    if (upload_is_part(p->m, path))
        return "an unfinished push; pushing it again would go on with it";
    if (str_ends(name, CARD_BAD_TAIL))
        return "set aside: its digest was wrong";
    if (strstr(name, ".part"))
        return "an unfinished download; pulling it again would go on with it";
    if (str_ends(name, CARD_TAIL))
        return "the card of a download that was not finished";
    if (strstr(name, ".tmp-"))
        return "left over by a process that ended";
    return "nothing refers to it";
}

/* What cannot be shown, for its name is not UTF-8, is not deleted either: it was not agreed to. */
static void add_item(struct pruning *p, const char *key, const char *text, const char *why,
                     uint64_t size_bytes)
{
    json_t *item;

    if (json_array_size(p->items) == PRUNE_ITEMS_MAX) {
        p->n_left_out++;
        return;
    }
    item =
        json_pack("{s:s, s:s, s:I}", key, text, "why", why, "size_bytes", (json_int_t)size_bytes);
    if (item && json_array_append_new(p->items, item) == 0)
        p->freed_bytes += size_bytes;
    else
        log_warn("%s: prune leaves it alone, for it cannot be shown by its name", text);
}

static void look_at_file(struct pruning *p, const char *path)
{
    char *folder = folder_of(path);
    bool busy = folder && json_object_get(p->busy, folder);

    if (folder && !busy && !json_object_get(p->used, path))
        add_item(p, "path", path, why_of(p, path), place_freed_by(path));
    free(folder);
}

/* The owner has put models onto another disk, which may not be there at the moment. rbee makes
 * links to files only. */
static bool is_owners_link(const char *path, const struct stat *st, bool above)
{
    return S_ISLNK(st->st_mode) && (above || path_is_dir(path));
}

/* False: nothing answers there. A plan without what lies there would not be the plan. */
static bool reaches(struct pruning *p, const char *path)
{
    return p->away.code == 0 && reach_check(p->m->reach, path, &p->away) == 0;
}

/* Links are never followed. In the order of the names: a plan is the same as long as the folder is.
 * The first n_above levels should have folders only. */
static void walk(struct pruning *p, const char *dir, unsigned n_above, unsigned depth)
{
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        char *path = path_join(dir, name);
        struct stat st;

        if (path && !str_eq(name, ".") && !str_eq(name, "..") && reaches(p, path) &&
            lstat(path, &st) == 0) {
            if (S_ISDIR(st.st_mode) && depth > 0)
                walk(p, path, n_above ? n_above - 1 : 0, depth - 1);
            else if (!S_ISDIR(st.st_mode) && !is_owners_link(path, &st, n_above > 0))
                look_at_file(p, path);
        }
        free(path);
        free(entries[i]);
    }
    free(entries);
}

/* A listed model without its card: which of the files there are its parts cannot be told. */
static bool on_listed(void *arg, const struct catalog_row *row)
{
    struct pruning *p = arg;
    char *folder = folder_of(row->path);

    if (folder && !json_object_get(p->used, row->path) &&
        reach_check(p->m->reach, row->path, NULL) == 0 && path_is_file(row->path))
        use(p, p->busy, folder);
    free(folder);
    return true;
}

static bool on_row(void *arg, const struct catalog_row *row)
{
    struct pruning *p = arg;

    if (reach_check(p->m->reach, row->path, NULL) == 0 && !path_is_file(row->path))
        add_item(arg, "model_ref", row->model_ref, "its file is gone", 0);
    return true;
}

/* The digest of all that is to be deleted: what was shown is what is done. */
static void name_plan(const json_t *items, char hex[DIGEST_SHA256_BYTES])
{
    char *text = json_write(items, JSON_COMPACT);

    hex[0] = '\0';
    if (text)
        digest_of(text, strlen(text), hex, NULL);
    free(text);
}

static void look_everywhere(struct pruning *p)
{
    find_busy(p);
    if (card_scan_all(p->m->reach, p->m->dir, NULL, on_card, on_unreadable, p, &p->away) ||
        catalog_each(p->m->catalog, on_listed, p, &p->away))
        return;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char *dir = path_join(p->m->dir, folders[i].name);

        if (dir && reaches(p, dir))
            walk(p, dir, folders[i].levels, FOLDER_DEPTH);
        free(dir);
    }
    if (p->away.code == 0)
        catalog_each(p->m->catalog, on_row, p, &p->away);
}

static int fail(const struct err *why, struct api_error *e)
{
    api_error_of_files(e, REPLY_SRC, why);
    return -1;
}

int prune_plan(struct models *m, json_t **out, struct api_error *e)
{
    struct pruning p = {
        .m = m, .used = json_object(), .busy = json_object(), .items = json_array()};
    char hex[DIGEST_SHA256_BYTES];

    if (p.used && p.busy && p.items)
        look_everywhere(&p);
    name_plan(p.items, hex);
    json_decref(p.used);
    json_decref(p.busy);
    if (p.away.code) {
        json_decref(p.items);
        return fail(&p.away, e);
    }
    *out = json_pack("{s:s, s:I, s:o, s:I}", "plan", hex, "freed_bytes", (json_int_t)p.freed_bytes,
                     "items", p.items, "left_out", (json_int_t)p.n_left_out);
    return 0;
}

/* The folders above it that have become empty, up to the models folder. */
static void remove_empty(const char *models_dir, const char *path)
{
    char *dir = folder_of(path);

    while (dir && strlen(dir) > strlen(models_dir) && rmdir(dir) == 0)
        *strrchr(dir, '/') = '\0';
    free(dir);
}

/* 0, or errno. */
static int remove_path(struct models *m, const char *path, struct unlinked *u)
{
    int error = unlinked_add(u, path);

    if (error == 0)
        remove_empty(m->dir, path);
    return error == ENOENT ? 0 : error;
}

/* What it frees is returned. */
static uint64_t remove_item(struct models *m, json_t *item, struct unlinked *u)
{
    const char *path = json_string_value(json_object_get(item, "path"));
    const char *ref = json_string_value(json_object_get(item, "model_ref"));
    struct err err = {0};
    int error = path ? remove_path(m, path, u) : 0;

    if (error)
        json_object_set_new(item, "kept", json_string(strerror(error)));
    else if (ref && catalog_remove(m->catalog, ref, &err))
        json_object_set_new(item, "kept", json_string(err.text));
    else
        return (uint64_t)json_integer_value(json_object_get(item, "size_bytes"));
    return 0;
}

int prune_run(struct models *m, const char *plan, struct unlinked *u, json_t **done,
              struct api_error *e)
{
    json_t *now, *item;
    uint64_t freed = 0;
    size_t i;

    if (prune_plan(m, &now, e))
        return -1;
    if (!now || !str_eq(json_string_value(json_object_get(now, "plan")), plan)) {
        api_error_set(e, API_INVALID_REQUEST, REPLY_SRC,
                      "what is to be deleted is not what was shown any more; look again");
        json_decref(now);
        return -1;
    }
    json_array_foreach(json_object_get(now, "items"), i, item) freed += remove_item(m, item, u);
    json_object_set_new(now, "freed_bytes", json_integer((json_int_t)freed));
    *done = now;
    return 0;
}
