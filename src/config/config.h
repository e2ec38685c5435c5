/*
 * config.h - what a program was told, by whom: one table of options, four sources.
 *
 * Precedence: flag > environment > file > default. The file is $RBEE_HOME/config.ini, the
 * environment's names are RBEE_<SECTION>_<KEY>; an option may have one more name there that the
 * world already uses (HF_ENDPOINT). Every value is checked when it is read, so that a getter cannot
 * fail. A key, section or value that is not known is refused, with the file and its line: a
 * misspelt option must not be ignored in silence.
 *
 * The section [nodes] of the same file is the keeper's list of machines: `name = host[:port]`.
 *
 * One thread owns a struct config.
 */
#ifndef RBEE_CONFIG_CONFIG_H
#define RBEE_CONFIG_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CONFIG_FILE_MAX     (256u << 10) /* bytes of config.ini */
#define CONFIG_VALUE_MAX    1024         /* bytes of a value, the NUL included */
#define CONFIG_NODES_MAX    256
#define CONFIG_NODE_NAME    64  /* bytes of a node's name, the NUL included */
#define CONFIG_HOST_MAX     256 /* bytes of a host, the NUL included */
#define CONFIG_DEFAULT_PORT 8080

enum config_kind {
    CONFIG_STR,      /* any text without control bytes */
    CONFIG_INT,      /* within min..max */
    CONFIG_DURATION, /* "5m", "0", "-1" (never) */
    CONFIG_ADDR,     /* "host:port", port 0 allowed */
    CONFIG_CHOICE,   /* one of the words in `choices` */
    CONFIG_PATH,     /* a full path, or empty */
    CONFIG_BYTES,    /* "500k", or empty */
    CONFIG_URL,      /* of a server: http or https, perhaps with a path */
    CONFIG_ORIGINS   /* those of web pages, as browsers send them, or "*"; or empty */
};

struct config_option {
    const char *section, *key;
    enum config_kind kind;
    const char *fallback;  /* the default, as text */
    int64_t min, max;      /* CONFIG_INT; CONFIG_DURATION: min 1 = not 0 */
    const char *choices;   /* CONFIG_CHOICE: words with a blank between */
    const char *env_alias; /* a second environment name, or NULL; RBEE_<SECTION>_<KEY> wins */
    const char *help;      /* one line */
};

enum config_source { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENV, CONFIG_FROM_FLAG };

struct config;

/* ---- life ---- */
/*
 * Reads <home>/config.ini (a missing one is an empty one) and the environment. ERR_INVALID names
 * the file and line, or the variable, that is wrong; ERR_DENIED, ERR_IO when it cannot be read. A
 * variable that other programs use, too (HF_ENDPOINT), and that means nothing here counts as not
 * set: whoever needs it asks.
 */
int config_open(const char *home, struct config **out, struct err *err);
/* 0, or ERR_INVALID: what such a variable says, and what the option takes. */
int config_check_foreign(const struct config *c, struct err *err);
void config_close(struct config *c); /* NULL is fine */

/* What the command line said. Refused (ERR_INVALID, with the flag's name) when the value is bad. */
int config_set_flag(struct config *c, const char *section, const char *key, const char *value,
                    struct err *err);

/* ---- values; section and key must be in the table (a BUG otherwise) ---- */
const char *config_text(const struct config *c, const char *section, const char *key);
int64_t config_int(const struct config *c, const char *section, const char *key);
/* CONFIG_DURATION in ms; -1 = never. */
int64_t config_duration_ms(const struct config *c, const char *section, const char *key);

/* ---- where each came from ---- */
/* The table itself, in the order to print. */
const struct config_option *config_options(size_t *n);
enum config_source config_source_of(const struct config *c, const char *section, const char *key);
/*
 * For people: "default", "/home/ann/.rbee/config.ini", "environment RBEE_HIVE_ADDR", "flag --addr".
 * Written to dst, cut to its size; returns dst.
 */
const char *config_source_text(const struct config *c, const char *section, const char *key,
                               char *dst, size_t dst_size);
const char *config_home(const struct config *c);
const char *config_file_path(const struct config *c); /* whether it exists or not */

/* ---- addresses ---- */
struct config_addr {
    char host[CONFIG_HOST_MAX]; /* without brackets */
    uint16_t port;
};
/*
 * "host", "host:port", "1.2.3.4:5", "[::1]:8080", "::1", "[fe80::2%eth0]:8080". ERR_INVALID with
 * the sentence. A missing port becomes default_port.
 */
int config_addr_parse(const char *text, uint16_t default_port, struct config_addr *out,
                      struct err *err);
/* "host:port", an IPv6 host in brackets; dst_size >= CONFIG_HOST_MAX + 9. Returns dst. */
const char *config_addr_text(const struct config_addr *a, char *dst, size_t dst_size);

/* ---- the node list ---- */
struct config_node {
    char name[CONFIG_NODE_NAME]; /* letters, digits, '.', '_', '-' */
    struct config_addr addr;
};
size_t config_n_nodes(const struct config *c);
const struct config_node *config_node_at(const struct config *c,
                                         size_t i); /* in the file's order */
const struct config_node *config_node_find(const struct config *c, const char *name); /* or NULL */

/*
 * Adds or replaces a node and writes the file: comments and everything else in it stay, the home
 * folder is made if need be. ERR_INVALID for a bad name or address, ERR_LIMIT past
 * CONFIG_NODES_MAX or CONFIG_FILE_MAX, ERR_IO/ERR_DENIED when it cannot be written (the list is
 * then as before).
 */
int config_node_add(struct config *c, const char *name, const char *address, struct err *err);
/* Would that go well? The same errors; the file is written anew as it is, where there is one. */
int config_node_try(struct config *c, const char *name, const char *address, struct err *err);
/* ERR_NOT_FOUND when there is no such node. */
int config_node_remove(struct config *c, const char *name, struct err *err);

#endif
