/* one_model.c - see one_model.h. */
#include "keeper/models/one_model.h"

#include <stdlib.h>
#include <string.h>

#include "api/modelref.h"

int one_model_begin(struct one_model *o, const struct cli_command *self, const struct cli_opt *opts,
                    int argc, char **argv)
{
    const char *word = NULL;
    size_t n = 0;
    int rc = cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, &word, 1, &n);

    o->k.command = self->name;
    if (rc == CLI_GO && n == 0)
        rc = keeper_usage(&o->k, "name a model");
    if (rc == CLI_GO)
        rc = keeper_begin(&o->k, self, &o->flags);
    if (rc == CLI_GO)
        rc = model_name_read(&o->k, word, &o->name);
    return rc;
}

int one_model_end(struct one_model *o, int rc)
{
    model_name_done(&o->name);
    return keeper_end(&o->k, rc);
}

_Static_assert(KEEPER_URL_MAX >= NODE_URL_MAX + 3 * MODEL_REF_MAX + 256, "any name has room");

bool one_model_url(struct one_model *o, const char *path, const char *more,
                   char url[KEEPER_URL_MAX], struct api_error *e)
{
    char *escaped = keeper_escape(o->name.text);
    bool fits = escaped != NULL;

    if (fits)
        keeper_url(&o->k, url, "%s?model_ref=%s%s", path, escaped, more);
    else
        api_error_set(e, API_INTERNAL, "keeper", "out of memory");
    free(escaped);
    return fits;
}
