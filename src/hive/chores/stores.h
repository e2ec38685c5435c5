/*
 * stores.h - model files that other programs keep on this machine: the Hugging Face cache and
 * Ollama's store. They are read, never written to; what a name there says is checked like anything
 * from outside. Any thread, but for the loop's reach.
 *
 * Hugging Face (huggingface_hub, "Understand caching", as of 2026): <hub>/models--ORG--NAME/
 * blobs/<sha256>, snapshots/<commit>/<file> -> ../../blobs/<sha256>, refs/<name> holding a commit.
 * Ollama (github.com/ollama/ollama, as of 2026): <models>/manifests/HOST/NAMESPACE/MODEL/TAG, an
 * OCI manifest, and <models>/blobs/sha256-<hex>.
 */
#ifndef RBEE_HIVE_CHORES_STORES_H
#define RBEE_HIVE_CHORES_STORES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "hive/catalog/card.h"
#include "hive/catalog/quant.h"

#define STORE_MODELS_MAX   1000 /* looked at in one store: repositories, or models of Ollama's */
#define STORE_MANIFEST_MAX (256u << 10)
#define STORE_HF_WORD      "hf-cache"
#define STORE_OLLAMA_WORD  "ollama"

struct reach;

struct store_file {
    char *path; /* full; in the Hugging Face cache it is a link */
    char *name; /* as it is to be called: "q4/x.gguf" */
    uint64_t size_bytes;
    char sha256[DIGEST_SHA256_BYTES]; /* as the store names it; "" = it does not */
};

/* What a store has beside a model's weights, and rbee does not take in. */
enum store_part {
    STORE_ADAPTER = 1 << 0, /* changes the weights: the model is another one without it */
    STORE_PROJECTOR = 1 << 1,
    STORE_SYSTEM = 1 << 2,
    STORE_TEMPLATE = 1 << 3,
    STORE_PARAMS = 1 << 4,
    STORE_MESSAGES = 1 << 5,
};

/* A model of a store; all texts are owned. */
struct store_model {
    char *store;     /* "hf-cache", "ollama" */
    char *name;      /* there: "org/repo/q4/x.gguf", "llama3:8b" */
    char *model_ref; /* what it would be called here */
    char *repo, *commit;
    char quant[QUANT_NAME_BYTES];
    struct store_file *files; /* the parts, in order */
    size_t n_files;
    unsigned beside; /* enum store_part */
};
void store_model_done(struct store_model *m);
/* -1 when out of memory; *out is then empty. */
int store_model_copy(const struct store_model *m, struct store_model *out);

/* Is the model what its name says, with nothing but the files? ERR_UNSUPPORTED: with an adapter it
 * is not. */
int store_check_parts(const struct store_model *m, struct err *err);
/* What of it is left out, in Ollama's words: ["system","params"]. */
json_t *store_left_out(const struct store_model *m);

/* Where the stores lie, by the environment: *out free(), NULL when there is no such folder. The
 * loop gives its reach, others NULL: ERR_UNREACHABLE when that cannot be told. */
int store_hf_dir(struct reach *r, char **out, struct err *err);
int store_ollama_dir(struct reach *r, char **out, struct err *err);

struct store_scan {
    const char *dir;
    const char *name; /* what it may mean is looked at in any case; NULL: none is meant */
    bool (*each)(void *arg, const struct store_model *m);
    void *arg;
    size_t n_past_limit; /* out: repositories, models or files past the limit */
};

/*
 * Each model of a store, in the order of the folders; `each` owns nothing and returns false to
 * stop. What cannot be read or makes no sense is passed over. ERR_UNREACHABLE: the rest lies where
 * nothing answers.
 */
int store_scan_hf(struct reach *r, struct store_scan *s, struct err *err);
int store_scan_ollama(struct reach *r, struct store_scan *s, struct err *err);

/* ---- pure parts, for tests ---- */

/* "models--org--repo" -> "org/repo" (free()); NULL when it is none. */
char *store_hf_repo_of(const char *folder);

/* What an Ollama manifest says: the layer of the model (of several the last one, as Ollama takes
 * it), and what is beside it. ERR_INVALID. */
struct store_ollama {
    char sha256[DIGEST_SHA256_BYTES];
    uint64_t size_bytes;
    unsigned beside; /* enum store_part */
};
int store_ollama_parse(const char *text, size_t n, struct store_ollama *out, struct err *err);

/* "registry.ollama.ai", "library", "llama3", "8b" -> "llama3:8b" (free()). */
char *store_ollama_name(const char *host, const char *space, const char *model, const char *tag);

#endif
