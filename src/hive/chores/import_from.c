/* import_from.c - lists of what is to be imported; see import.h. */
#include <stdlib.h>
#include <string.h>

#include "api/modelref.h"
#include "base/heap.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/near.h"
#include "hive/chores/import.h"
#include "hive/chores/manifest.h"
#include "hive/disk/reach.h"

void import_list_done(struct import_list *l)
{
    bool large = l->n_bytes >= HEAP_LARGE_BYTES;

    for (size_t i = 0; i < l->n; i++) {
        store_model_done(&l->items[i].m);
        free(l->items[i].origin);
    }
    free(l->items);
    *l = (struct import_list){0};
    if (large)
        heap_give_back();
}

/* A new, empty item at the end; NULL when out of memory. */
static struct import_item *add_item(struct import_list *l, enum place_wish wish)
{
    struct import_item *more = realloc(l->items, (l->n + 1) * sizeof *more);

    if (!more)
        return NULL;
    l->items = more;
    more[l->n] = (struct import_item){.wish = wish};
    return &more[l->n++];
}

/* ---- what it takes ---- */

#define BESIDE_BYTES 16 /* of an allocation: what malloc keeps beside it (glibc, 64 bits) */

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 + BESIDE_BYTES : 0;
}

static size_t item_bytes(const struct import_item *item)
{
    const struct store_model *m = &item->m;
    size_t n = sizeof *item + m->n_files * sizeof *m->files + text_bytes(item->origin) +
               text_bytes(m->store) + text_bytes(m->name) + text_bytes(m->model_ref) +
               text_bytes(m->repo) + text_bytes(m->commit);

    for (size_t i = 0; i < m->n_files; i++)
        n += text_bytes(m->files[i].path) + text_bytes(m->files[i].name);
    return n;
}

/* Counts the last item, which is whole; true: the list may not have it. */
static bool is_too_much(struct import_list *l)
{
    size_t n = item_bytes(&l->items[l->n - 1]);

    if (n > IMPORT_LIST_MAX - l->n_bytes)
        return true;
    l->n_bytes += n;
    return false;
}

static int say_too_much(const struct import_list *l, const char *dir, struct err *err)
{
    const struct import_item *last = &l->items[l->n - 1];

    return err_set(err, ERR_LIMIT,
                   "the first %zu models of the list take %zu bytes with the full paths and names "
                   "of their files, one import takes %u: divide them among folders with lists of "
                   "their own, or import from a shorter path than one of %zu bytes",
                   l->n, l->n_bytes + item_bytes(last), IMPORT_LIST_MAX, strlen(dir));
}

/* ---- one file ---- */

/* A reference of the name: bytes that cannot stand in one become '-'. */
static int set_local_ref(struct import_item *item, const char *name, struct err *err)
{
    char *text = str_printf("%s%s", MODEL_REF_LOCAL_WORD, name);
    struct model_ref ref = {0};
    int rc;

    if (!text)
        return err_no_memory(err, strlen(name), "a name");
    rc = model_ref_parse(text, &ref, err);
    if (rc == 0) {
        item->m.model_ref = model_ref_text(&ref);
        item->m.repo = str_dup(ref.repo);
        item->m.commit = str_dup("");
        if (!item->m.model_ref || !item->m.repo || !item->m.commit)
            rc = err_no_memory(err, strlen(text), "a name");
    }
    model_ref_done(&ref);
    free(text);
    return rc;
}

/* "My model (1).Q4_K_M.gguf" -> "My-model--1-.Q4_K_M". free() */
static char *name_of_file(const char *file)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    unsigned number, count;
    size_t n = strlen(file), stem;
    char *name;

    if (quant_split_of_name(file, &number, &count, &stem))
        n = stem;
    else if (n > 5 && str_ends(file, ".gguf"))
        n -= 5;
    name = str_ndup(file, n < MODEL_REF_LOCAL_MAX ? n : MODEL_REF_LOCAL_MAX);
    for (char *p = name; p && *p; p++)
        if (!strchr(good, *p))
            *p = '-';
    return name;
}

/* What other programs keep under a digest has no ending; here it gets one. free() */
static char *name_here(const char *file)
{
    return quant_is_gguf(file) ? str_dup(file) : str_printf("%s.gguf", file);
}

static int add_file(struct reach *r, struct store_model *m, char *path, const char *name,
                    struct err *err)
{
    struct store_file *f = &m->files[m->n_files];
    int rc;

    *f = (struct store_file){.path = path, .name = str_dup(name)};
    m->n_files++;
    if (!path || !f->name)
        return err_no_memory(err, strlen(name), "a path");
    rc = reach_check(r, path, err);
    if (rc == 0)
        rc = path_file_size(path, &f->size_bytes, err);
    if (rc == 0 && !path_is_file(path))
        rc = err_set(err, ERR_INVALID, "%s is not a regular file", path);
    return rc;
}

/* The file alone, or all parts of the split model that it belongs to. */
static int add_parts(struct reach *r, struct store_model *m, const char *path, struct err *err)
{
    const char *base = path_base(path);
    unsigned number, count = 1;
    size_t stem = 0;
    bool split = quant_split_of_name(base, &number, &count, &stem);
    int rc = 0;

    if (split && (count == 0 || count > CARD_FILES_MAX))
        return err_set(err, ERR_LIMIT, "%s says it is one of %u parts, the limit is %d", path,
                       count, CARD_FILES_MAX);
    m->files = calloc(count, sizeof *m->files);
    if (!m->files)
        return err_no_memory(err, count * sizeof *m->files, "the list of files");
    for (unsigned i = 1; i <= count && rc == 0; i++) {
        char *there =
            split ? str_printf("%.*s-%05u-of-%05u.gguf", (int)stem, base, i, count) : str_dup(base);
        char *name = there ? name_here(there) : NULL;

        rc = name ? add_file(r, m, str_printf("%.*s%s", (int)(base - path), path, there), name, err)
                  : err_no_memory(err, 64, "a path");
        if (rc && split)
            err_prefix(err, "part %u of %u", i, count);
        free(there);
        free(name);
    }
    return rc;
}

/* The file's name is the one that was given: a link's own, since what it leads to may be called by
 * a digest, and lie beside no other part. */
static int resolve_folder(const char *path, char **out, struct err *err)
{
    const char *base = path_base(path);
    char *folder = str_ndup(path, (size_t)(base - path)), *real = NULL, *behind = NULL;
    int rc = folder ? path_real(path, &behind, err) : err_no_memory(err, strlen(path), "a path");

    if (rc == 0)
        rc = path_real(folder, &real, err);
    if (rc == 0 && !(*out = path_join(real, base)))
        rc = err_no_memory(err, strlen(path), "a path");
    free(folder);
    free(real);
    free(behind);
    return rc;
}

int import_list_file(struct reach *r, const char *path, const char *as, enum place_wish wish,
                     struct import_list *out, struct err *err)
{
    char *given = NULL, *name = NULL;
    struct import_item *item = NULL;
    int rc = reach_check(r, path, err);

    *out = (struct import_list){0};
    if (rc == 0)
        rc = resolve_folder(path, &given, err);
    if (rc == 0 && (!(name = as ? str_dup(as) : name_of_file(path_base(given))) ||
                    !(item = add_item(out, wish)) || !(item->origin = str_dup(given)) ||
                    !(item->m.name = str_dup(path_base(given)))))
        rc = err_no_memory(err, strlen(path), "an import");
    if (rc == 0)
        rc = set_local_ref(item, name, err);
    if (rc == 0)
        rc = add_parts(r, &item->m, given, err);
    if (rc == 0)
        quant_of_name(item->m.name, item->m.quant);
    if (rc == 0 && is_too_much(out))
        rc = say_too_much(out, given, err);
    free(given);
    free(name);
    if (rc)
        import_list_done(out);
    return rc;
}

/* ---- an exported folder ---- */

static int take_model(const char *dir, const struct manifest_model *from, enum place_wish wish,
                      struct import_list *out, struct err *err)
{
    struct import_item *item = add_item(out, wish);
    struct store_model *m;

    if (!item)
        return err_no_memory(err, sizeof *item, "an import");
    m = &item->m;
    item->origin = str_dup(from->source);
    m->name = str_dup(from->model_ref);
    m->model_ref = str_dup(from->model_ref);
    m->repo = str_dup(from->repo);
    m->commit = str_dup(from->commit);
    str_copy(m->quant, sizeof m->quant, from->quantization);
    m->files = calloc(from->n_files, sizeof *m->files);
    if (!item->origin || !m->name || !m->model_ref || !m->repo || !m->commit || !m->files)
        return err_no_memory(err, sizeof *item, "an import");
    for (size_t i = 0; i < from->n_files; i++) {
        struct store_file *f = &m->files[m->n_files++];

        f->path = path_join(dir, from->files[i].file);
        f->name = str_dup(from->files[i].name);
        f->size_bytes = from->files[i].size_bytes;
        str_copy(f->sha256, sizeof f->sha256, from->files[i].sha256);
        if (!f->path || !f->name)
            return err_no_memory(err, sizeof *f, "an import");
    }
    return is_too_much(out) ? say_too_much(out, dir, err) : 0;
}

int import_list_model(const char *dir, const struct manifest_model *model, enum place_wish wish,
                      struct import_list *out, struct err *err)
{
    int rc;

    *out = (struct import_list){0};
    rc = take_model(dir, model, wish, out, err);
    if (rc)
        import_list_done(out);
    return rc;
}

/* A move takes what a link leads to away from where it is: it must be of this folder. */
static int check_links(struct reach *r, const char *dir, const struct store_model *m,
                       struct err *err)
{
    size_t n = strlen(dir);
    int rc = 0;

    for (size_t i = 0; i < m->n_files && rc == 0; i++) {
        const char *path = m->files[i].path;
        char *real = NULL;

        rc = reach_check(r, path, err);
        if (rc == 0 && path_real(path, &real, NULL) == 0 &&
            (strncmp(real, dir, n) != 0 || real[n] != '/'))
            rc = err_set(err, ERR_INVALID,
                         "%.300s is a link to %.300s, which is not the folder's to move: import "
                         "without --move, or move that file itself",
                         path, real);
        free(real);
    }
    return rc;
}

int import_list_folder(struct reach *r, const char *dir, enum place_wish wish,
                       struct import_list *out, struct err *err)
{
    struct manifest manifest = {0};
    char *real = NULL, *list = path_join(dir, MANIFEST_NAME);
    int rc = list ? reach_check(r, list, err) : err_no_memory(err, strlen(dir), "a path");

    *out = (struct import_list){0};
    if (rc == 0)
        rc = path_real(dir, &real, err);
    if (rc == 0)
        rc = manifest_read(real, &manifest, err);
    for (size_t i = 0; i < manifest.n_models && rc == 0; i++) {
        rc = take_model(real, &manifest.models[i], wish, out, err);
        if (rc == 0 && wish == PLACE_MOVE)
            rc = check_links(r, real, &out->items[out->n - 1].m, err);
    }
    manifest_done(&manifest);
    free(real);
    free(list);
    if (rc)
        import_list_done(out);
    return rc;
}

/* ---- a store ---- */

struct collecting {
    struct import_list *out;
    const char *name; /* NULL = all */
    enum place_wish wish;
    struct near names;
    size_t n_left_out; /* more than the list takes */
};

/* By its name there, without Ollama's ":latest", or by its reference here. */
static bool is_meant(const char *name, const struct store_model *m)
{
    size_t n = strlen(name);

    if (str_eq(name, m->name) || str_eq(name, m->model_ref))
        return true;
    return strncmp(name, m->name, n) == 0 && str_eq(m->name + n, ":latest");
}

static void drop_last(struct import_list *l)
{
    struct import_item *item = &l->items[--l->n];

    store_model_done(&item->m);
    free(item->origin);
}

static bool collect(void *arg, const struct store_model *m)
{
    struct collecting *c = arg;
    struct import_item *item;
    bool ok;

    near_add(&c->names, m->name);
    if (c->name && !is_meant(c->name, m))
        return true;
    item = add_item(c->out, c->wish);
    if (!item)
        return false;
    item->origin = str_printf("%s:%s", m->store, m->name);
    ok = item->origin && store_model_copy(m, &item->m) == 0;
    if (ok && !is_too_much(c->out))
        return true;
    drop_last(c->out);
    c->n_left_out += ok;
    return ok;
}

/* *dir NULL: there is none. */
static int find_store(struct reach *r, bool hf, char **dir, struct err *err)
{
    int rc = hf ? store_hf_dir(r, dir, err) : store_ollama_dir(r, dir, err);

    if (rc || *dir)
        return rc;
    return err_set(err, ERR_NOT_FOUND, "this machine has no %s",
                   hf ? "Hugging Face cache (HF_HUB_CACHE, HF_HOME, ~/.cache/huggingface/hub)"
                      : "store of Ollama's (OLLAMA_MODELS, ~/.ollama/models)");
}

int import_list_store(struct reach *r, const char *store, const char *name, enum place_wish wish,
                      struct import_list *out, struct err *err)
{
    bool hf = str_eq(store, STORE_HF_WORD);
    struct collecting c = {.out = out, .name = name, .wish = wish};
    struct store_scan scan = {.name = name, .each = collect, .arg = &c};
    char *dir, near[256];
    int rc = find_store(r, hf, &dir, err);

    *out = (struct import_list){0};
    if (rc)
        return rc;
    scan.dir = dir;
    rc = hf ? store_scan_hf(r, &scan, err) : store_scan_ollama(r, &scan, err);
    out->n_past_limit = (name ? 0 : scan.n_past_limit) + c.n_left_out;
    if (rc == 0 && out->n == 0 && name) {
        near_text(&c.names, name, near, sizeof near);
        rc = err_set(err, ERR_NOT_FOUND, "there is no '%.200s' in %.300s%s%s", name, dir,
                     near[0] ? "; what comes nearest: " : "", near);
    }
    if (rc)
        import_list_done(out);
    near_done(&c.names);
    free(dir);
    return rc;
}
