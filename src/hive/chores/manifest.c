/* manifest.c - see manifest.h. */
#include "hive/chores/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/json_load.h"
#include "api/json_whole.h"
#include "api/modelref.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sweep.h"
#include "base/utf8.h"
#include "hive/catalog/quant.h"
#include "hive/disk/digest.h"

#define COMMIT_MAX 128

/*
 * Windows takes these for devices, whatever stands behind the first dot. Source: Microsoft, "Naming
 * Files, Paths, and Namespaces".
 */
static bool is_device(const char *name)
{
    static const char *const devices[] = {"con", "prn", "aux", "nul"};
    size_t n = strcspn(name, ".");

    for (size_t i = 0; n == 3 && i < sizeof devices / sizeof devices[0]; i++)
        if (strncasecmp(name, devices[i], n) == 0)
            return true;
    return n == 4 && name[3] >= '0' && name[3] <= '9' &&
           (strncasecmp(name, "com", 3) == 0 || strncasecmp(name, "lpt", 3) == 0);
}

/* Its first byte as "%XX". */
static int escape_first(char **name, struct err *err)
{
    char *more = str_printf("%%%02X%s", (unsigned char)(*name)[0], *name + 1);

    if (!more)
        return err_no_memory(err, strlen(*name) + 3, "a file name");
    free(*name);
    *name = more;
    return 0;
}

/* With ".gguf" behind it, where it does not end so. */
static int end_in_gguf(char **name, struct err *err)
{
    char *more;

    if (quant_is_gguf(*name))
        return 0;
    more = str_printf("%s.gguf", *name);
    if (!more)
        return err_no_memory(err, strlen(*name), "a file name");
    free(*name);
    *name = more;
    return 0;
}

int manifest_file_name(const char *name, char **out, struct err *err)
{
    char *safe;
    int rc = path_safe_component(path_base(name), &safe, err);

    if (rc)
        return rc;
    rc = end_in_gguf(&safe, err);
    if (rc == 0 && is_device(safe))
        rc = escape_first(&safe, err);
    if (rc == 0 && strlen(safe) > PATH_COMPONENT_MAX)
        rc = err_set(err, ERR_LIMIT, "a name of %zu bytes is too long for a file (limit %d)",
                     strlen(safe), PATH_COMPONENT_MAX);
    if (rc == 0)
        *out = safe;
    else
        free(safe);
    return rc;
}

static void model_done(struct manifest_model *m)
{
    for (size_t i = 0; i < m->n_files; i++) {
        free(m->files[i].file);
        free(m->files[i].name);
    }
    free(m->files);
    free(m->model_ref);
    free(m->repo);
    free(m->commit);
    free(m->quantization);
    free(m->source);
    free(m->license);
}

void manifest_done(struct manifest *m)
{
    for (size_t i = 0; i < m->n_models; i++)
        model_done(&m->models[i]);
    free(m->models);
    *m = (struct manifest){0};
}

bool manifest_is_plain(const char *name)
{
    return quant_is_gguf(name) && name[0] != '.' && strlen(name) <= PATH_COMPONENT_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-%") ==
               strlen(name);
}

static int take_file(const json_t *entry, struct manifest_file *f, struct err *err)
{
    const char *file = json_string_value(json_object_get(entry, "file"));
    const char *name = json_string_value(json_object_get(entry, "name"));
    const char *sha256 = json_string_value(json_object_get(entry, "sha256"));
    json_int_t size = json_integer_value(json_object_get(entry, "size_bytes"));

    if (!file || !manifest_is_plain(file))
        return err_set(err, ERR_INVALID,
                       "a file's name is missing, or is not one plain name that ends in .gguf");
    if (name && name[0] && !quant_is_gguf(name))
        return err_set(
            err, ERR_INVALID,
            "%.100s is called '%.200s' in its repository: a model's file has a name that "
            "ends in .gguf",
            file, name);
    if (!sha256 || !digest_is_sha256(sha256) || size <= 0)
        return err_set(err, ERR_INVALID, "%.100s has no size or no SHA-256 of 64 hex digits", file);
    f->size_bytes = (uint64_t)size;
    str_copy(f->sha256, sizeof f->sha256, sha256);
    f->file = str_dup(file);
    f->name = str_dup(name && name[0] ? name : file);
    return f->file && f->name ? 0 : err_no_memory(err, strlen(file), "a manifest");
}

static int take_text(const json_t *entry, const char *key, size_t max, char **out, struct err *err)
{
    const char *text = json_string_value(json_object_get(entry, key));

    if (text && strlen(text) > max)
        return err_set(err, ERR_INVALID, "the manifest's %s has %zu bytes, %zu are taken", key,
                       strlen(text), max);
    *out = str_dup(text ? text : "");
    return *out ? 0 : err_no_memory(err, 1, "a manifest");
}

static int take_files(const json_t *entry, struct manifest_model *m, struct err *err)
{
    json_t *files = json_object_get(entry, "files"), *file;
    size_t i, n = json_array_size(files);
    int rc = 0;

    if (n == 0 || n > CARD_FILES_MAX)
        return err_set(err, ERR_INVALID, "%.200s has %zu files; 1 to %d are taken", m->model_ref, n,
                       CARD_FILES_MAX);
    m->files = calloc(n, sizeof *m->files);
    if (!m->files)
        return err_no_memory(err, n * sizeof *m->files, "a manifest");
    m->n_files = n;
    json_array_foreach(files, i, file) if (rc == 0) rc = take_file(file, &m->files[i], err);
    return rc;
}

static int take_model(const json_t *entry, struct manifest_model *m, struct err *err)
{
    const char *text = json_string_value(json_object_get(entry, "model_ref"));
    struct model_ref ref;
    int rc;

    if (!text)
        return err_set(err, ERR_INVALID, "a model of the manifest has no model_ref");
    rc = model_ref_parse(text, &ref, err);
    if (rc == 0 && ref.kind != MODEL_REF_HF && ref.kind != MODEL_REF_LOCAL)
        rc = err_set(err, ERR_INVALID, "'%.200s' is a reference that only its own machine knows",
                     text);
    if (rc == 0 && (!(m->model_ref = model_ref_text(&ref)) || !(m->repo = str_dup(ref.repo))))
        rc = err_no_memory(err, strlen(text), "a manifest");
    if (rc == 0)
        rc = take_text(entry, "commit", COMMIT_MAX, &m->commit, err);
    if (rc == 0 && !m->commit[0])
        rc = err_set(err, ERR_INVALID, "%.200s names no commit", m->model_ref);
    if (rc == 0)
        rc = take_text(entry, "quantization", QUANT_NAME_BYTES - 1, &m->quantization, err);
    if (rc == 0)
        rc = take_text(entry, "source", MANIFEST_TEXT_MAX, &m->source, err);
    if (rc == 0)
        rc = take_text(entry, "license", MANIFEST_TEXT_MAX, &m->license, err);
    model_ref_done(&ref);
    return rc ? rc : take_files(entry, m, err);
}

static int take_all(json_t *root, struct manifest *out, struct err *err)
{
    json_t *models = json_object_get(root, "models"), *entry;
    size_t i, n = json_array_size(models);
    int rc = 0;

    if (json_integer_value(json_object_get(root, "rbee_manifest")) != MANIFEST_VERSION)
        return err_set(err, ERR_INVALID, "this is no manifest of version %d", MANIFEST_VERSION);
    if (n == 0 || n > MANIFEST_MODELS_MAX)
        return err_set(err, ERR_INVALID, "the manifest has %zu models; 1 to %d are taken", n,
                       MANIFEST_MODELS_MAX);
    out->models = calloc(n, sizeof *out->models);
    if (!out->models)
        return err_no_memory(err, n * sizeof *out->models, "a manifest");
    out->n_models = n;
    json_array_foreach(models, i, entry) if (rc == 0) rc = take_model(entry, &out->models[i], err);
    return rc;
}

int manifest_parse(const char *text, size_t n, struct manifest *out, struct err *err)
{
    json_error_t why;
    json_t *root = json_load_bounded(text, n, 0, &why);
    int rc;

    *out = (struct manifest){0};
    if (!root && json_is_too_many(&why))
        return err_set(err, ERR_INVALID, "the manifest cannot be taken: %s", why.text);
    if (!root)
        return err_set(err, ERR_INVALID, "the manifest is no JSON (line %d)", why.line);
    rc = take_all(root, out, err);
    json_decref(root);
    return rc;
}

/* ---- written ---- */

static json_t *file_json(const struct card_file *f, bool with_path)
{
    char *name = NULL;
    json_t *file = NULL;

    if (manifest_file_name(f->name, &name, NULL) == 0)
        file =
            json_pack("{s:s, s:s, s:s*, s:I, s:s}", "file", name, "name",
                      quant_is_gguf(f->name) ? f->name : name, "path", with_path ? f->path : NULL,
                      "size_bytes", (json_int_t)f->size_bytes, "sha256", f->sha256);
    free(name);
    return file;
}

/* The catalog keeps the beginning of a long text: it may end within a character. */
static json_t *license_json(const char *text)
{
    size_t n = utf8_valid(text, strlen(text));

    return n > 0 ? json_stringn(text, n) : json_null();
}

/* Of a path its last part: the list goes to other machines, which have no use for the rest. */
static const char *shown_source(const char *source)
{
    return source[0] == '/' ? path_base(source) : source;
}

json_t *manifest_model_json(const char *model_ref, const struct card *card, const char *license,
                            bool with_paths)
{
    char *source = card_source(card);
    json_t *files = json_array(), *model = NULL;
    bool ok = source && files;

    for (size_t i = 0; ok && i < card->n_files; i++)
        ok = json_array_append_new(files, file_json(&card->files[i], with_paths)) == 0;
    if (ok)
        model = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:O}", "model_ref", model_ref, "repo",
                          card->repo, "commit", card->commit, "quantization", card->quantization,
                          "source", shown_source(source), "license", license_json(license), "files",
                          files);
    json_decref(files);
    free(source);
    return model;
}

int manifest_read(const char *dir, struct manifest *out, struct err *err)
{
    char *path = path_join(dir, MANIFEST_NAME), *text = NULL;
    size_t n;
    int rc = path ? path_read_file(path, MANIFEST_BYTES_MAX, &text, &n, err)
                  : err_no_memory(err, strlen(dir), "a path");

    *out = (struct manifest){0};
    if (rc == 0 && (rc = manifest_parse(text, n, out, err)))
        err_prefix(err, "%s", path);
    free(text);
    free(path);
    return rc;
}

/* The list that is there already, else a new one. One that makes no sense is not written over. */
static int load_for_put(const char *path, const char *dir, json_t **root, struct err *err)
{
    struct manifest there;
    char *text;
    size_t n;
    int rc = manifest_read(dir, &there, err);

    manifest_done(&there);
    if (rc && rc != ERR_NOT_FOUND)
        return rc;
    if (rc) {
        *root = json_pack("{s:i, s:[]}", "rbee_manifest", MANIFEST_VERSION, "models");
        return *root ? 0 : err_no_memory(err, 1, "a manifest");
    }
    rc = path_read_file(path, MANIFEST_BYTES_MAX, &text, &n, err);
    if (rc)
        return rc;
    *root = json_load_bounded(text, n, 0, NULL);
    free(text);
    return *root ? 0 : err_set(err, ERR_CONFLICT, "%s is being changed by somebody else", path);
}

static void say_swept(const char *path)
{
    log_info("%s was left over by a hive that was killed, and is deleted", path);
}

void manifest_sweep(const char *path)
{
    sweep_abandoned(path, say_swept);
}

static void add_model(json_t *models, json_t *model)
{
    const char *ref = json_string_value(json_object_get(model, "model_ref"));
    json_t *entry;
    size_t i;

    json_array_foreach(models, i, entry)
    {
        if (!str_eq(json_string_value(json_object_get(entry, "model_ref")), ref))
            continue;
        json_array_set(models, i, model);
        return;
    }
    json_array_append(models, model);
}

/* The list with the model: *text free(). */
static int text_with(const char *path, const char *dir, json_t *model, char **text, struct err *err)
{
    json_t *root = NULL, *models;
    int rc = load_for_put(path, dir, &root, err);

    *text = NULL;
    if (rc)
        return rc;
    models = json_object_get(root, "models");
    add_model(models, model);
    if (json_array_size(models) > MANIFEST_MODELS_MAX)
        rc = err_set(err, ERR_LIMIT,
                     "%s lists %d models, which is the most: export into another folder", path,
                     MANIFEST_MODELS_MAX);
    else if (!(*text = json_write(root, JSON_INDENT(2))))
        rc = err_no_memory(err, MANIFEST_BYTES_MAX, "a manifest");
    else if (strlen(*text) > MANIFEST_BYTES_MAX)
        rc = err_set(err, ERR_LIMIT,
                     "with this model %s would have %zu bytes, the limit is %u: export into "
                     "another folder",
                     path, strlen(*text), MANIFEST_BYTES_MAX);
    json_decref(root);
    return rc;
}

static int put(const char *dir, json_t *model, bool write, struct err *err)
{
    char *path = path_join(dir, MANIFEST_NAME), *text = NULL;
    int rc = path ? text_with(path, dir, model, &text, err) : err_no_memory(err, 1, "a path");

    if (rc == 0 && write) {
        manifest_sweep(path);
        rc = path_write_file(path, text, strlen(text), 0644, err);
    }
    free(text);
    free(path);
    return rc;
}

int manifest_put(const char *dir, json_t *model, struct err *err)
{
    return put(dir, model, true, err);
}

int manifest_check_put(const char *dir, json_t *model, struct err *err)
{
    return put(dir, model, false, err);
}
