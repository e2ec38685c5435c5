/* one_model.c - see one_model.h. */
#include "keeper/one_model.h"

#include <stdlib.h>
#include <string.h>

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

bool one_model_url(struct one_model *o, const char *path, const char *more,
                   char url[KEEPER_URL_MAX], struct api_error *e)
{
    char *escaped = keeper_escape(o->name.text);
    size_t room = KEEPER_URL_MAX - NODE_URL_MAX;
    bool fits = escaped && strlen(escaped) + strlen(path) + strlen(more) + 16 < room;

    if (fits)
        keeper_url(&o->k, url, "%s?model_ref=%s%s", path, escaped, more);
    else
        api_error_set(e, API_INVALID_MODEL_REF, "keeper",
                      "the model's name has %zu bytes, which is "
                      "too long for a request",
                      strlen(o->name.text));
    free(escaped);
    return fits;
}
