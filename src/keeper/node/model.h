/* model.h - the --model a person typed, in the one spelling that goes to the node. */
#ifndef RBEE_KEEPER_NODE_MODEL_H
#define RBEE_KEEPER_NODE_MODEL_H

#include "keeper/node/keeper.h"

struct model_name {
    char *text;  /* owned */
    bool remote; /* from a hub: the hive may have to download it */
};

/*
 * A relative path is resolved here when the node is this machine; for another one it is a usage
 * error, as only its own folders would mean something. CLI_GO, or an exit code after having said
 * why. model_name_done in either case.
 */
int model_name_read(struct keeper *k, const char *typed, struct model_name *out);
/* A path that begins in the folder we are in: only this machine knows what it means. */
bool model_name_is_relative(const char *typed);
void model_name_done(struct model_name *m);

/* The one spelling alone (free()), of what need be no model: NULL without a word then. */
char *model_name_canonical(const char *typed);

#endif
