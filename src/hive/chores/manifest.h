/*
 * manifest.h - the list that lies beside exported models: what they are, and the digest of each
 * file, so that another machine can take them back and know that no byte is wrong.
 *
 * <folder>/rbee-manifest.json, for people and programs:
 *   {"rbee_manifest":1,"models":[{"model_ref","repo","commit","quantization","source","license",
 *    "files":[{"file","name","size_bytes","sha256"}]}]}
 * `file` is its name in the folder, `name` the one it has in its repository; `source` the card's,
 * of a path on this machine its last part. Read back it is text
 * from outside: names that are not one plain file name, or no model's, are refused. Any thread.
 */
#ifndef RBEE_HIVE_CHORES_MANIFEST_H
#define RBEE_HIVE_CHORES_MANIFEST_H

#include <jansson.h>

#include "base/err.h"
#include "hive/catalog/card.h"

#define MANIFEST_NAME       "rbee-manifest.json"
#define MANIFEST_VERSION    1
#define MANIFEST_MODELS_MAX 1000
#define MANIFEST_BYTES_MAX  (4u << 20)
#define MANIFEST_TEXT_MAX   8192 /* of a source, which may be a path, and a licence */

struct manifest_file {
    char *file, *name;
    uint64_t size_bytes;
    char sha256[DIGEST_SHA256_BYTES];
};

struct manifest_model {
    char *model_ref; /* canonical */
    char *repo, *commit, *quantization, *source, *license;
    struct manifest_file *files;
    size_t n_files;
};

struct manifest {
    struct manifest_model *models;
    size_t n_models;
};

/*
 * The name of a file in the folder: the last part of its own name, made harmless (path.h), also for
 * the sticks and disks that go to other systems: no letter, dot or word that FAT, exFAT or Windows
 * does not take. It ends in ".gguf" (quant.h), also where its own, which an older version took,
 * does not. free()
 */
int manifest_file_name(const char *name, char **out, struct err *err);

/* One plain name, as that makes them: no slash, no dot in front, ".gguf" at the end. */
bool manifest_is_plain(const char *name);

/* ERR_INVALID with the place that is wrong, ERR_LIMIT. manifest_done in either case. */
int manifest_parse(const char *text, size_t n, struct manifest *out, struct err *err);
/* ERR_NOT_FOUND when the folder has none. */
int manifest_read(const char *dir, struct manifest *out, struct err *err);
void manifest_done(struct manifest *m);

/*
 * A model as it stands in the list, of its card; `license` is the catalog's word, "" = not known.
 * With `with_paths` each file has its "path" on this machine too. NULL when out of memory, or a
 * file's name makes no plain one.
 */
json_t *manifest_model_json(const char *model_ref, const struct card *card, const char *license,
                            bool with_paths);

/* Half a copy of the file at `path`, of a folder that models are exported to, is deleted where a
 * hive that was killed has left it (base/sweep.h), and logged. */
void manifest_sweep(const char *path);

/*
 * Writes `model` (as in the list, borrowed) into the folder's manifest: in place of the one with
 * the same reference, else behind the others. ERR_LIMIT when it would be one that is not read back.
 */
int manifest_put(const char *dir, json_t *model, struct err *err);
/* Could it be? Asked before files are brought to lie beside the list. */
int manifest_check_put(const char *dir, json_t *model, struct err *err);

#endif
