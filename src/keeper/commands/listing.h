/*
 * listing.h - a command that asks a node for a list and shows it as a table, or as JSON.
 */
#ifndef RBEE_KEEPER_COMMANDS_LISTING_H
#define RBEE_KEEPER_COMMANDS_LISTING_H

#include "keeper/node/keeper.h"
#include "keeper/shell/table.h"

struct listing {
    const char *path; /* of the hive's route: "/v1/models" */
    const char *key;  /* the answer's member that holds the rows: "models" */
    const char *const *heads;
    size_t n_columns;
    const char *empty; /* said where there are no rows */
    int (*add)(struct table *t, const json_t *row);
};

/* The whole command, options --node, --api-key and --json; returns its exit code. */
int listing_run(const struct listing *l, const struct cli_command *self, int argc, char **argv);

#endif
