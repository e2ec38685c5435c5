/*
 * fuzz_stores.c - the caches of other programs as they may lie on a disk. A line each: the folder
 * of a repository in the Hugging Face cache, a commit, what refs/main holds, a file of the snapshot
 * and what that is ('b' a link to a blob, 'o' a link out of the cache, else a file), a part of a
 * file's name to stand beside it; then host, namespace, model and tag of Ollama's store, and the
 * manifest.
 *
 * What is told of is a model by a name that the hive takes, its files lie in the store, and have
 * the size and the digest that are told.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "api/modelref.h"
#include "hive/chores/stores.h"
#include "lines.h"
#include "scratch.h"

#define DIGEST   "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
#define BLOB_MAX (1u << 20)
#define N_LINES  11

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FOLDER, COMMIT, MAIN, FILE_NAME, KIND, BESIDE, HOST, SPACE, MODEL, TAG, MANIFEST };

/* ---- the disk ---- */

/* A name that a folder can hold. */
static bool is_name(const char *text)
{
    return text[0] && strlen(text) < 200 && !strchr(text, '/') && !str_eq(text, ".") &&
           !str_eq(text, "..");
}

static void make_dirs(const char *path)
{
    struct err err;

    if (path_make_dirs(path, 0755, &err))
        BUG("%s", err.text);
}

static void put_file(const char *path, const char *text, uint64_t n_bytes)
{
    FILE *f = fopen(path, "we");

    BUG_ON(!f);
    fputs(text, f);
    BUG_ON(fflush(f) || (n_bytes && ftruncate(fileno(f), (off_t)n_bytes)));
    fclose(f);
}

static char *join(const char *dir, const char *name)
{
    char *path = path_join(dir, name);

    BUG_ON(!path);
    return path;
}

static void put_snapshot_file(const char *dir, const char *name, char kind)
{
    char *path, outside[SCRATCH_PATH_MAX];

    if (!is_name(name))
        return;
    path = join(dir, name);
    scratch_path(outside, "secret.gguf");
    if (kind == 'b' || kind == 'o')
        BUG_ON(symlink(kind == 'b' ? "../../blobs/" DIGEST : outside, path) && errno != EEXIST);
    else if (access(path, F_OK) != 0)
        put_file(path, "GGUF", 0);
    free(path);
}

static void put_hf(const char *hub, char *const *lines)
{
    char *repo, *blobs, *blob, *refs, *main_ref, *snapshots, *snapshot;

    if (!is_name(lines[FOLDER]) || !is_name(lines[COMMIT]))
        return;
    repo = join(hub, lines[FOLDER]);
    blobs = join(repo, "blobs");
    blob = join(blobs, DIGEST);
    refs = join(repo, "refs");
    main_ref = join(refs, "main");
    snapshots = join(repo, "snapshots");
    snapshot = join(snapshots, lines[COMMIT]);
    make_dirs(blobs);
    make_dirs(refs);
    make_dirs(snapshot);
    put_file(blob, "GGUF and more", 0);
    put_file(main_ref, lines[MAIN], 0);
    put_snapshot_file(snapshot, lines[FILE_NAME], lines[KIND][0]);
    put_snapshot_file(snapshot, lines[BESIDE], lines[KIND][0]);
    free(repo);
    free(blobs);
    free(blob);
    free(refs);
    free(main_ref);
    free(snapshots);
    free(snapshot);
}

static void put_ollama(const char *store, char *const *lines)
{
    char *dir, *more, *blobs = join(store, "blobs"), *blob;
    const char *manifest = lines[MANIFEST];
    struct store_ollama said;

    dir = join(store, "manifests");
    for (int i = HOST; i < TAG && dir; i++) {
        more = is_name(lines[i]) ? join(dir, lines[i]) : NULL;
        free(dir);
        dir = more;
    }
    if (dir && is_name(lines[TAG])) {
        make_dirs(dir);
        make_dirs(blobs);
        more = join(dir, lines[TAG]);
        put_file(more, manifest, 0);
        free(more);
        if (store_ollama_parse(manifest, strlen(manifest), &said, NULL) == 0 &&
            said.size_bytes <= BLOB_MAX) {
            blob = str_printf("%s/sha256-%s", blobs, said.sha256);
            BUG_ON(!blob);
            put_file(blob, "GGUF", said.size_bytes);
            free(blob);
        }
    }
    free(dir);
    free(blobs);
}

/* ---- what is told ---- */

static void check_file(const struct store_file *f, const char *root)
{
    char *real = NULL;
    uint64_t n_bytes;

    BUG_ON(path_real(f->path, &real, NULL) || !str_starts(real, root) || real[strlen(root)] != '/');
    BUG_ON(path_file_size(real, &n_bytes, NULL) || n_bytes != f->size_bytes);
    BUG_ON(!f->name[0] || f->name[0] == '/' || str_starts(f->name, "../"));
    BUG_ON(f->sha256[0] && !str_ends(real, f->sha256));
    free(real);
}

static bool check_model(void *arg, const struct store_model *m)
{
    struct store_model copy;
    struct model_ref ref;
    char *text;

    if (model_ref_parse(m->model_ref, &ref, NULL))
        BUG("'%s' is no reference", m->model_ref);
    text = model_ref_text(&ref);
    BUG_ON(!text || !str_eq(text, m->model_ref));
    BUG_ON(!m->name[0] || !m->repo[0] || !m->commit[0] || m->n_files == 0);
    for (size_t i = 0; i < m->n_files; i++)
        check_file(&m->files[i], arg);
    BUG_ON(store_model_copy(m, &copy) || copy.n_files != m->n_files);
    store_model_done(&copy);
    model_ref_done(&ref);
    free(text);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_scan in_hub, in_ollama;
    char hub[SCRATCH_PATH_MAX], ollama[SCRATCH_PATH_MAX], secret[SCRATCH_PATH_MAX], *lines[N_LINES];

    for (int i = 0; i < MANIFEST; i++)
        lines[i] = take_line(&data, &size);
    lines[MANIFEST] = str_ndup((const char *)data, size);
    scratch_path(hub, "hub");
    scratch_path(ollama, "ollama");
    make_dirs(hub);
    make_dirs(ollama);
    put_file(scratch_path(secret, "secret.gguf"), "GGUF", 0);
    put_hf(hub, lines);
    put_ollama(ollama, lines);
    in_hub = (struct store_scan){.dir = hub, .each = check_model, .arg = hub};
    in_ollama = (struct store_scan){.dir = ollama, .each = check_model, .arg = ollama};
    store_scan_hf(NULL, &in_hub, NULL);
    store_scan_ollama(NULL, &in_ollama, NULL);
    BUG_ON(in_hub.n_past_limit || in_ollama.n_past_limit);
    scratch_clear(hub);
    scratch_clear(ollama);
    for (int i = 0; i < N_LINES; i++)
        free(lines[i]);
    return 0;
}
