/* internal.h - what the files of src/config share; for nobody else. */
#ifndef RBEE_CONFIG_INTERNAL_H
#define RBEE_CONFIG_INTERNAL_H

#include <stdbool.h>

#include "config/config.h"

#define CONFIG_N_OPTIONS 33

#define CONFIG_ENV_NAME_MAX 64

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
    struct err foreign; /* of a variable that others use, too; code 0 = none is wrong */
};

/* Puts a node into a list; ERR_CONFLICT where there is one of that name, ERR_LIMIT, ERR_INVALID. */
int config_nodes_put(struct config_nodes *nodes, const char *name, const char *address,
                     struct err *err);

/*
 * Parses a whole file's text. Values go to c->values, nodes to *nodes. `c` may be NULL to read the
 * nodes alone.
 */
int config_parse_text(struct config *c, const char *path, const char *text, size_t n,
                      struct config_nodes *nodes, struct err *err);

/* Of a line without its '\n': inih's buffer holds that, too, a mark, its NUL and a byte to spare.
 */
#define CONFIG_LINE_MAX (INI_MAX_LINE - 6)

/*
 * The file's text with the line of node `name` set to `value`, or without it (value NULL); all
 * other lines as they were, and a comment behind the old value, too: on a line of its own where the
 * new one would be too long. free(); NULL when out of memory.
 */
char *config_edit_node(const char *text, const char *name, const char *value);

/* ---- options.c ---- */
extern const struct config_option config_table[CONFIG_N_OPTIONS];
/* The row's index, or CONFIG_N_OPTIONS. */
size_t config_find(const char *section, const char *key);
/* The same for names of our own: a BUG when there is no such row. */
size_t config_must_find(const char *section, const char *key);

/* ---- values.c ---- */
/* Says in err what the option takes; the caller puts before it where the value stood. */
int config_check_value(const struct config_option *o, const char *value, struct err *err);

/* ---- config.c ---- */
int config_set_value(struct config *c, size_t i, const char *value, enum config_source source,
                     struct err *err);

/* ---- read.c ---- */
int config_read_file(struct config *c, struct err *err);
int config_read_environment(struct config *c, struct err *err);
/* "RBEE_HIVE_ADDR" */
void config_env_name(const struct config_option *o, char dst[CONFIG_ENV_NAME_MAX]);

#endif
