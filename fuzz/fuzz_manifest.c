/* fuzz_manifest.c - lists of models from elsewhere: rbee's own manifest, and Ollama's. Any bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "hive/catalog/quant.h"
#include "hive/chores/manifest.h"
#include "hive/chores/stores.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_model(const struct manifest_model *m)
{
    BUG_ON(!str_starts(m->model_ref, "hf:") && !str_starts(m->model_ref, "local:"));
    BUG_ON(!m->commit[0] || m->n_files == 0);
    for (size_t i = 0; i < m->n_files; i++) {
        const struct manifest_file *f = &m->files[i];

        BUG_ON(!f->file[0] || f->file[0] == '.' || strchr(f->file, '/'));
        BUG_ON(!quant_is_gguf(f->file) || !quant_is_gguf(f->name));
        BUG_ON(f->size_bytes == 0 || strlen(f->sha256) != DIGEST_SHA256_BYTES - 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_ollama said;
    struct manifest m;

    if (manifest_parse((const char *)data, size, &m, NULL) == 0)
        for (size_t i = 0; i < m.n_models; i++)
            check_model(&m.models[i]);
    manifest_done(&m);
    if (store_ollama_parse((const char *)data, size, &said, NULL) == 0)
        BUG_ON(strlen(said.sha256) != DIGEST_SHA256_BYTES - 1 || strchr(said.sha256, '/') ||
               said.size_bytes == 0);
    return 0;
}
