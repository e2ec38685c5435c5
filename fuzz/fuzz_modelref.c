/* fuzz_modelref.c - model references: any text. What is accepted has one spelling, and that
 * spelling means the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/modelref.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parts(const struct model_ref *r)
{
    const char *slash;

    if (r->kind != MODEL_REF_HF)
        return;
    slash = strchr(r->repo, '/');
    BUG_ON(!slash || strchr(slash + 1, '/') || strstr(r->repo, ".."));
    BUG_ON(r->quant && r->file);
    BUG_ON(r->file && (r->file[0] == '/' || str_starts(r->file, "../") || strstr(r->file, "/../")));
    BUG_ON(r->revision && (r->revision[0] == '/' || str_starts(r->revision, "../")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = str_ndup((const char *)data, size), *once, *twice;
    struct model_ref r, again;

    BUG_ON(!text);
    if (model_ref_parse(text, &r, NULL) == 0) {
        check_parts(&r);
        once = model_ref_text(&r);
        BUG_ON(!once);
        if (strlen(once) <= MODEL_REF_MAX) { /* a relative path may grow past it */
            BUG_ON(model_ref_parse(once, &again, NULL));
            BUG_ON(again.kind != r.kind);
            twice = model_ref_text(&again);
            BUG_ON(!str_eq(once, twice));
            free(twice);
            model_ref_done(&again);
        }
        free(once);
    }
    model_ref_done(&r);
    free(text);
    return 0;
}
