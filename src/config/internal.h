/* internal.h - what the files of src/config share; for nobody else. */
#ifndef RBEE_CONFIG_INTERNAL_H
#define RBEE_CONFIG_INTERNAL_H

#include <stdbool.h>

#include "config/config.h"

#define CONFIG_N_OPTIONS 14

struct config_value {
    char *text; /* owned; NULL = the default */
    enum config_source source;
    bool alias; /* CONFIG_FROM_ENV: by the option's second name */
};

struct config_nodes {
    struct config_node *items; /* owned */
    size_t n;
};

struct config {
    char *home, *path; /* owned */
    struct config_value values[CONFIG_N_OPTIONS];
    struct config_nodes nodes;
};

/* Puts a node into a list: replaces one of that name only when `replace`, else ERR_CONFLICT. */
int config_nodes_put(struct config_nodes *nodes, const char *name, const char *address,
                     struct err *err);

/*
 * Parses a whole file's text. Values go to c->values where nothing stronger is set yet, nodes to
 * *nodes. `c` may be NULL to read the nodes alone.
 */
int config_parse_text(struct config *c, const char *path, const char *text, size_t n,
                      struct config_nodes *nodes, struct err *err);

/*
 * The file's text with the line of node `name` set to `value`, or without it (value NULL); all
 * other lines as they were. free(); NULL when out of memory.
 */
char *config_edit_node(const char *text, const char *name, const char *value);

#endif
