/* card_row.c - a card made anew of what the catalog knows of its model; see card.h. */
#include <stdlib.h>
#include <string.h>

#include "api/modelref.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/catalog/card.h"
#include "hive/catalog/quant.h"

/* "hf:org/repo@commit"; what was imported under a name of this machine is told by its digest. */
static const char *commit_of(const struct catalog_row *row, const struct model_ref *ref)
{
    const char *at = strchr(row->source, '@');

    return ref->kind == MODEL_REF_LOCAL ? row->sha256 : at ? at + 1 : "";
}

/* The catalog knows the first part of a split model, and the size of all. */
static int add_parts(struct card *c, const struct catalog_row *row, unsigned count, size_t stem)
{
    int rc = 0;

    for (unsigned i = 1; i <= count && rc == 0; i++) {
        char *name = str_printf("%.*s-%05u-of-%05u%s", (int)stem, row->file, i, count,
                                row->file + stem + strlen("-00001-of-00002"));

        rc =
            name ? card_add_noted_file(c, name, 0, i == 1 ? row->sha256 : "", NULL) : ERR_NO_MEMORY;
        free(name);
    }
    return rc;
}

static int add_files(struct card *c, const struct catalog_row *row)
{
    unsigned number, count;
    size_t stem;

    if (!quant_split_of_name(row->file, &number, &count, &stem))
        return card_add_noted_file(c, row->file, row->size_bytes, row->sha256, NULL);
    return number == 1 ? add_parts(c, row, count, stem) : ERR_INVALID;
}

struct card *card_of_row(const char *models_dir, const struct catalog_row *row)
{
    struct model_ref ref;
    struct card *c = NULL;
    int rc = model_ref_parse(row->model_ref, &ref, NULL);

    if (rc == 0 && ref.repo)
        rc = card_create(models_dir, ref.repo, commit_of(row, &ref), row->quantization, &c, NULL);
    if (rc == 0 && c)
        rc = add_files(c, row);
    if (rc == 0 && c && ref.kind == MODEL_REF_LOCAL && !str_eq(row->source, c->repo))
        rc = card_set_origin(c, row->source, NULL);
    if (rc == 0 && c)
        rc = card_add_ref(c, row->model_ref, NULL);
    model_ref_done(&ref);
    if (c && rc == 0 && c->n_files && str_eq(c->files[0].path, row->path))
        return c;
    card_free(c);
    return NULL;
}

bool card_measure(struct card *c, uint64_t total_bytes)
{
    for (size_t i = 0; i < c->n_files; i++)
        if (c->files[i].size_bytes == 0 &&
            path_file_size(c->files[i].path, &c->files[i].size_bytes, NULL))
            return false;
    return card_is_complete(c) && card_total_bytes(c) == total_bytes;
}
