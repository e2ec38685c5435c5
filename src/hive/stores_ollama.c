/* stores_ollama.c - Ollama's store; see stores.h. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/modelref.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/stores_internal.h"

#define MODEL_LAYER  "application/vnd.ollama.image.model"
#define DIGEST_WORD  "sha256:"
#define REGISTRY     "registry.ollama.ai"
#define LIBRARY      "library"
#define LAYERS_MAX   64
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

/* The layer's digest and size; false when it is no layer with a model. */
static bool take_layer(const json_t *layer, char sha256[CARD_SHA256_BYTES], uint64_t *size_bytes)
{
    const char *type = json_string_value(json_object_get(layer, "mediaType"));
    const char *digest = json_string_value(json_object_get(layer, "digest"));
    json_int_t size = json_integer_value(json_object_get(layer, "size"));

    if (!str_eq(type, MODEL_LAYER) || !digest || !str_starts(digest, DIGEST_WORD) ||
        !store_is_sha256(digest + strlen(DIGEST_WORD)) || size <= 0 || size > SIZE_MAX_I64)
        return false;
    str_copy(sha256, CARD_SHA256_BYTES, digest + strlen(DIGEST_WORD));
    *size_bytes = (uint64_t)size;
    return true;
}

int store_ollama_parse(const char *text, size_t n, char sha256[CARD_SHA256_BYTES],
                       uint64_t *size_bytes, struct err *err)
{
    json_t *root = json_loadb(text, n, 0, NULL), *layers = json_object_get(root, "layers"), *layer;
    bool found = false;
    size_t i;

    json_array_foreach(layers, i, layer) if (!found && i < LAYERS_MAX) found =
        take_layer(layer, sha256, size_bytes);
    json_decref(root);
    return found ? 0 : err_set(err, ERR_INVALID, "the manifest names no layer with a model");
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

static void tell(struct walk *w, const char *name, struct store_file *file)
{
    struct model_ref ref = {0};
    struct store_model m = {.files = file, .n_files = 1};

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
    struct store_file f = {0};
    uint64_t size;
    size_t n;

    if (path_read_file(path, STORE_MANIFEST_MAX, &text, &n, NULL) == 0 &&
        store_ollama_parse(text, n, f.sha256, &f.size_bytes, NULL) == 0 &&
        (f.path = blob_path(w, f.sha256)) && path_file_size(f.path, &size, NULL) == 0 &&
        size == f.size_bytes &&
        (name = store_ollama_name(w->names[0], w->names[1], w->names[2], w->names[3])) &&
        (f.name = file_name_of(name)))
        tell(w, name, &f);
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

    s->n_left_out = 0;
    if (manifests && blobs && store_may_look(&w.w, manifests))
        walk(&w, manifests, 0);
    free(manifests);
    free(blobs);
    return w.w.rc;
}
