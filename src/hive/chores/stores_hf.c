/* stores_hf.c - the Hugging Face cache; see stores.h. */
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/modelref.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/chores/stores_internal.h"
#include "hive/disk/digest.h"

#define FOLDER_WORD    "models--"
#define WALK_DEPTH     4    /* folders inside a snapshot */
#define SNAPSHOT_FILES 1000 /* GGUF files of a snapshot */
#define COMMIT_MAX     128

int store_hf_dir(struct reach *r, char **out, struct err *err)
{
    char *choices[] = {store_under("HF_HUB_CACHE", ""), store_under("HF_HOME", "hub"),
                       store_under("XDG_CACHE_HOME", "huggingface/hub"),
                       store_under("HOME", ".cache/huggingface/hub")};

    return store_first_dir(r, choices, sizeof choices / sizeof choices[0], out, err);
}

char *store_hf_repo_of(const char *folder)
{
    const char *org = folder + strlen(FOLDER_WORD), *dashes;

    if (!str_starts(folder, FOLDER_WORD))
        return NULL;
    dashes = strstr(org, "--");
    if (!dashes || dashes == org || !dashes[2])
        return NULL;
    return str_printf("%.*s/%s", (int)(dashes - org), org, dashes + 2);
}

/* A snapshot while it is looked at. */
struct snapshot {
    struct store_walk *walk;
    const char *root; /* of the whole cache, links resolved: nothing outside it is taken */
    const char *repo, *commit;
    bool is_main; /* refs/main means it */
    struct store_file *files;
    size_t n_files;
};

static void add_file(struct snapshot *s, const char *path, const char *name)
{
    struct store_file *f, *more;
    size_t n_root = strlen(s->root);
    char *real = NULL;

    if (s->n_files == SNAPSHOT_FILES) {
        s->walk->scan->n_past_limit++;
        return;
    }
    more = realloc(s->files, (s->n_files + 1) * sizeof *more);
    if (!more)
        return;
    s->files = more;
    f = &more[s->n_files];
    *f = (struct store_file){.name = str_dup(name), .path = str_dup(path)};
    if (f->name && f->path && store_may_look(s->walk, path) && path_real(path, &real, NULL) == 0 &&
        str_starts(real, s->root) && real[n_root] == '/' && path_is_file(real) &&
        path_file_size(real, &f->size_bytes, NULL) == 0) {
        if (digest_is_sha256(path_base(real)))
            str_copy(f->sha256, sizeof f->sha256, path_base(real));
        s->n_files++;
    } else {
        free(f->name);
        free(f->path);
    }
    free(real);
}

/* `under` is the folder's name inside the snapshot, "" at its top. */
static void walk(struct snapshot *s, const char *dir, const char *under, unsigned depth)
{
    DIR *d = store_may_look(s->walk, dir) ? opendir(dir) : NULL;
    const struct dirent *entry;

    while (d && (entry = readdir(d))) {
        char *path, *name;

        if (entry->d_name[0] == '.')
            continue;
        path = path_join(dir, entry->d_name);
        name = str_printf("%s%s%s", under, under[0] ? "/" : "", entry->d_name);
        if (path && name && quant_is_gguf(name))
            add_file(s, path, name);
        else if (path && name && depth > 0 && store_may_look(s->walk, path) && path_is_dir(path))
            walk(s, path, name, depth - 1);
        free(path);
        free(name);
    }
    if (d)
        closedir(d);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct store_file *)a)->name, ((const struct store_file *)b)->name);
}

/* How many files from files[i] on are one model: all the parts of a split one; 0 when none begins
 * there. They are sorted, so that parts stand together. */
static size_t group(const struct snapshot *s, size_t i)
{
    unsigned number, count, n, c;
    size_t stem, other;

    if (quant_is_beside(s->files[i].name))
        return 0;
    if (!quant_split_of_name(s->files[i].name, &number, &count, &stem))
        return 1;
    if (number != 1 || count == 0 || count > s->n_files - i)
        return 0;
    for (unsigned k = 0; k < count; k++)
        if (!quant_split_of_name(s->files[i + k].name, &n, &c, &other) || n != k + 1 ||
            c != count || other != stem ||
            strncmp(s->files[i + k].name, s->files[i].name, stem) != 0)
            return 0;
    return count;
}

/* Texts go with the model; files stay the snapshot's. */
static void tell(const struct snapshot *s, size_t i, size_t n)
{
    const char *first = s->files[i].name;
    struct model_ref ref = {0};
    struct store_model m = {.files = &s->files[i], .n_files = n};
    char *text = str_printf("hf:%s:%s%s%s", s->repo, first, s->is_main ? "" : "@",
                            s->is_main ? "" : s->commit);

    if (text && model_ref_parse(text, &ref, NULL) == 0) {
        m.store = str_dup(STORE_HF_WORD);
        m.name = str_printf("%s/%s", s->repo, first);
        m.model_ref = model_ref_text(&ref);
        m.repo = str_dup(s->repo);
        m.commit = str_dup(s->commit);
        if (!quant_of_name(first, m.quant))
            m.quant[0] = '\0';
        if (m.store && m.name && m.model_ref && m.repo && m.commit)
            s->walk->enough = !s->walk->scan->each(s->walk->scan->arg, &m);
    }
    m.files = NULL; /* borrowed */
    m.n_files = 0;
    store_model_done(&m);
    model_ref_done(&ref);
    free(text);
}

static void look_at_snapshot(struct snapshot *s, const char *dir)
{
    walk(s, dir, "", WALK_DEPTH);
    if (s->n_files)
        qsort(s->files, s->n_files, sizeof *s->files, by_name);
    for (size_t i = 0; i < s->n_files && !s->walk->enough && s->walk->rc == 0; i++) {
        size_t n = group(s, i);

        if (n)
            tell(s, i, n);
    }
    for (size_t i = 0; i < s->n_files; i++) {
        free(s->files[i].path);
        free(s->files[i].name);
    }
    free(s->files);
}

/* The commit that refs/main holds, or "". */
static void read_main(struct store_walk *w, const char *repo_dir, char dst[COMMIT_MAX])
{
    char *path = path_join(repo_dir, "refs/main"), *text = NULL;
    size_t n;

    dst[0] = '\0';
    if (path && store_may_look(w, path) && path_read_file(path, COMMIT_MAX, &text, &n, NULL) == 0) {
        text[strcspn(text, " \r\n")] = '\0';
        str_copy(dst, COMMIT_MAX, text);
    }
    free(text);
    free(path);
}

static void look_at_repo(struct store_walk *w, const char *root, const char *repo_dir,
                         const char *repo)
{
    char *snapshots = path_join(repo_dir, "snapshots"), main_commit[COMMIT_MAX];
    DIR *d = snapshots && store_may_look(w, snapshots) ? opendir(snapshots) : NULL;
    const struct dirent *entry;

    read_main(w, repo_dir, main_commit);
    while (d && !w->enough && w->rc == 0 && (entry = readdir(d))) {
        struct snapshot s = {.walk = w, .root = root, .repo = repo, .commit = entry->d_name};
        char *dir;

        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= COMMIT_MAX)
            continue;
        s.is_main = str_eq(entry->d_name, main_commit);
        dir = path_join(snapshots, entry->d_name);
        if (dir)
            look_at_snapshot(&s, dir);
        free(dir);
    }
    if (d)
        closedir(d);
    free(snapshots);
}

int store_scan_hf(struct reach *r, struct store_scan *s, struct err *err)
{
    struct store_walk w = {.reach = r, .scan = s, .err = err};
    struct dirent **entries = NULL;
    char *root = NULL;
    bool there = store_may_look(&w, s->dir) && path_real(s->dir, &root, NULL) == 0;
    int n = there ? scandir(root, &entries, NULL, alphasort) : 0;

    s->n_past_limit = 0;
    for (int i = 0; i < n; i++) {
        char *repo = store_hf_repo_of(entries[i]->d_name);
        char *repo_dir = path_join(root, entries[i]->d_name);

        if (repo && repo_dir && store_has_room(&w, repo) && store_may_look(&w, repo_dir))
            look_at_repo(&w, root, repo_dir, repo);
        free(repo);
        free(repo_dir);
        free(entries[i]);
    }
    free(entries);
    free(root);
    return w.rc;
}
