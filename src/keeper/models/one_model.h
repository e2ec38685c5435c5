/* one_model.h - what the commands about one MODEL have in common: the word, the options, the URL.
 */
#ifndef RBEE_KEEPER_MODELS_ONE_MODEL_H
#define RBEE_KEEPER_MODELS_ONE_MODEL_H

#include "keeper/node/keeper.h"
#include "keeper/node/model.h"

struct one_model {
    struct keeper k;
    struct keeper_flags flags;
    bool force;
    struct model_name name;
};

/* Reads the words and connects: CLI_GO, or the exit code. one_model_end in either case. */
int one_model_begin(struct one_model *o, const struct cli_command *self, const struct cli_opt *opts,
                    int argc, char **argv);
int one_model_end(struct one_model *o, int rc);

/* "<path>?model_ref=<name><more>" of the node; false (and *e) when the name is too long. */
bool one_model_url(struct one_model *o, const char *path, const char *more,
                   char url[KEEPER_URL_MAX], struct api_error *e);

#endif
