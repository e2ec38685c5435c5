/* stores_ollama.c - Ollama's store; see stores.h. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/modelref.h"
#include "api/json_load.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/chores/stores_internal.h"
#include "hive/disk/digest.h"

#define LAYER_WORD   "application/vnd.ollama.image."
#define DIGEST_WORD  "sha256:"
#define REGISTRY     "registry.ollama.ai"
#define LIBRARY      "library"
#define LEVELS       4 /* host, namespace, model, tag */
#define MODEL_LEVEL  2
#define SIZE_MAX_I64 ((json_int_t)1 << 53)

int store_ollama_dir(struct reach *r, char **out, struct err *err)
{
    char *choices[] = {store_under("OLLAMA_MODELS", ""), store_under("HOME", ".ollama/models"),
                       str_dup("/usr/share/ollama/.ollama/models")};

    if (getenv("OLLAMA_MODELS")) { /* named: the others are not meant */
        free(choices[1]);
        free(choices[2]);
        choices[1] = choices[2] = NULL;
    }
    return store_first_dir(r, choices, sizeof choices / sizeof choices[0], out, err);
}

char *store_ollama_name(const char *host, const char *space, const char *model, const char *tag)
{
    if (!str_eq(host, REGISTRY))
        return str_printf("%s/%s/%s:%s", host, space, model, tag);
    if (!str_eq(space, LIBRARY))
        return str_printf("%s/%s:%s", space, model, tag);
    return str_printf("%s:%s", model, tag);
}

/* What the layers beside the model's make of it (Ollama's server/images.go). A licence is not told
 * of, nor the model that only guesses ahead of this one. */
static const struct {
    const char *type, *shown;
    enum store_part part;
} layers_beside[] = {
    {"adapter", "adapter", STORE_ADAPTER},  {"projector", "projector", STORE_PROJECTOR},
    {"system", "system", STORE_SYSTEM},     {"template", "template", STORE_TEMPLATE},
    {"prompt", "template", STORE_TEMPLATE}, /* as it was called once */
    {"params", "params", STORE_PARAMS},     {"messages", "messages", STORE_MESSAGES}};
#define N_LAYERS_BESIDE (sizeof layers_beside / sizeof layers_beside[0])

int store_check_parts(const struct store_model *m, struct err *err)
{
    if (!(m->beside & STORE_ADAPTER))
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "the model '%.200s' is a base model and an adapter (LoRA); adapters are not "
                   "supported: merge it into the model first",
                   m->name);
}

json_t *store_left_out(const struct store_model *m)
{
    json_t *words = json_array();
    unsigned told = 0;

    for (size_t i = 0; i < N_LAYERS_BESIDE; i++)
        if (m->beside & layers_beside[i].part & ~told) {
            json_array_append_new(words, json_string(layers_beside[i].shown));
            told |= layers_beside[i].part;
        }
    return words;
}

/* The model's digest and size. ERR_INVALID. */
static int take_model(const json_t *layer, struct store_ollama *out, struct err *err)
{
    const char *digest = json_string_value(json_object_get(layer, "digest"));
    json_int_t size = json_integer_value(json_object_get(layer, "size"));

    if (!digest || !str_starts(digest, DIGEST_WORD) ||
        !digest_is_sha256(digest + strlen(DIGEST_WORD)) || size <= 0 || size > SIZE_MAX_I64)
        return err_set(err, ERR_INVALID, "the manifest's model has no digest, or no size");
    str_copy(out->sha256, sizeof out->sha256, digest + strlen(DIGEST_WORD));
    out->size_bytes = (uint64_t)size;
    return 0;
}

static int take_layer(const json_t *layer, struct store_ollama *out, struct err *err)
{
    const char *type = json_string_value(json_object_get(layer, "mediaType"));

    if (!type || !str_starts(type, LAYER_WORD))
        return 0;
    type += strlen(LAYER_WORD);
    if (str_eq(type, "model"))
        return take_model(layer, out, err);
    for (size_t i = 0; i < N_LAYERS_BESIDE; i++)
        if (str_eq(type, layers_beside[i].type))
            out->beside |= layers_beside[i].part;
    return 0;
}

int store_ollama_parse(const char *text, size_t n, struct store_ollama *out, struct err *err)
{
    json_t *root = json_load_bounded(text, n, 0, NULL), *layer;
    int rc = 0;
    size_t i;

    *out = (struct store_ollama){0};
    json_array_foreach(json_object_get(root, "layers"), i, layer) if (rc == 0) rc =
        take_layer(layer, out, err);
    json_decref(root);
    if (rc == 0 && !out->sha256[0])
        rc = err_set(err, ERR_INVALID, "the manifest names no layer with a model");
    return rc;
}

struct walk {
    struct store_walk w;
    const char *blobs;
    const char *names[LEVELS]; /* of the folders down to here */
};

/* Blobs are named sha256-<hex>; older versions wrote sha256:<hex>. free() */
static char *blob_path(struct walk *w, const char *sha256)
{
    char *path = str_printf("%s/sha256-%s", w->blobs, sha256);

    if (path && store_may_look(&w->w, path) && path_is_file(path))
        return path;
    free(path);
    path = str_printf("%s/sha256:%s", w->blobs, sha256);
    if (path && store_may_look(&w->w, path) && path_is_file(path))
        return path;
    free(path);
    return NULL;
}

/* The name of its file here: what is no letter or digit becomes '-', "llama3-8b.gguf". free() */
static char *file_name_of(const char *name)
{
    char *text = str_printf("%s.gguf", name);

    for (char *p = text; p && *p; p++)
        if (*p == '/' || *p == ':')
            *p = '-';
    return text;
}

static void tell(struct walk *w, const char *name, struct store_file *file, unsigned beside)
{
    struct model_ref ref = {0};
    struct store_model m = {.files = file, .n_files = 1, .beside = beside};

    m.store = str_dup(STORE_OLLAMA_WORD);
    m.name = str_dup(name);
    m.model_ref = str_printf("%s%s", MODEL_REF_LOCAL_WORD, name);
    m.commit = str_dup(file->sha256);
    if (m.store && m.name && m.model_ref && m.commit &&
        model_ref_parse(m.model_ref, &ref, NULL) == 0 && (m.repo = str_dup(ref.repo)))
        w->w.enough = !w->w.scan->each(w->w.scan->arg, &m);
    m.files = NULL; /* borrowed */
    m.n_files = 0;
    store_model_done(&m);
    model_ref_done(&ref);
}

static void look_at_manifest(struct walk *w, const char *path)
{
    char *text = NULL, *name = NULL;
    struct store_ollama said;
    struct store_file f = {0};
    size_t n;

    if (path_read_file(path, STORE_MANIFEST_MAX, &text, &n, NULL) == 0 &&
        store_ollama_parse(text, n, &said, NULL) == 0 &&
        str_copy(f.sha256, sizeof f.sha256, said.sha256) && (f.path = blob_path(w, f.sha256)) &&
        path_file_size(f.path, &f.size_bytes, NULL) == 0 && f.size_bytes == said.size_bytes &&
        (name = store_ollama_name(w->names[0], w->names[1], w->names[2], w->names[3])) &&
        (f.name = file_name_of(name)))
        tell(w, name, &f, said.beside);
    free(text);
    free(name);
    free(f.path);
    free(f.name);
}

static void walk(struct walk *w, const char *dir, unsigned level)
{
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        char *path = path_join(dir, entries[i]->d_name);

        if (path && entries[i]->d_name[0] != '.' && store_may_look(&w->w, path)) {
            w->names[level] = entries[i]->d_name;
            if (level + 1 == LEVELS) {
                if (store_has_room(&w->w, w->names[MODEL_LEVEL]))
                    look_at_manifest(w, path);
            } else if (path_is_dir(path)) {
                walk(w, path, level + 1);
            }
        }
        free(path);
        free(entries[i]);
    }
    free(entries);
}

int store_scan_ollama(struct reach *r, struct store_scan *s, struct err *err)
{
    char *manifests = path_join(s->dir, "manifests"), *blobs = path_join(s->dir, "blobs");
    struct walk w = {.w = {.reach = r, .scan = s, .err = err}, .blobs = blobs};

    s->n_past_limit = 0;
    if (manifests && blobs && store_may_look(&w.w, manifests))
        walk(&w, manifests, 0);
    free(manifests);
    free(blobs);
    return w.w.rc;
}
