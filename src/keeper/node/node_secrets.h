/*
 * node_secrets.h - what the keeper knows of its nodes beside their addresses: by which key of
 * theirs it recognises them, and with which key they let it in.
 *
 * <home>/nodes.json, mode 0600, refused when others may read it; written by `node add`, read when a
 * command speaks to a node that is in it. The machine's own hive needs no entry: the hive of the
 * same home says in run/hive.json how it is reached, and its api-key lies beside it. That key is
 * taken only with TLS: then it goes to that hive, and not to who has its port after it.
 */
#ifndef RBEE_KEEPER_NODE_NODE_SECRETS_H
#define RBEE_KEEPER_NODE_NODE_SECRETS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/access.h"
#include "base/err.h"
#include "config/config.h"
#include "net/tls.h"

struct node_secret {
    bool tls;
    char pin[TLS_PIN_BYTES];      /* "" = the system's certificate authorities decide */
    char key[ACCESS_KEY_MAX + 1]; /* "" = none */
};

/* ---- the text of nodes.json ---- */

/* A new object; ERR_INVALID for what is none, with `path` in the sentence. */
int node_secrets_parse(const char *path, const char *text, size_t n, json_t **out, struct err *err);
/* As node_secrets_find. */
int node_secrets_get(const json_t *all, const char *name, bool *found, struct node_secret *out,
                     struct err *err);
/* As node_secrets_put; *changed: the text is another now. ERR_NO_MEMORY. */
int node_secrets_set(json_t *all, const char *name, const struct node_secret *s, bool *changed,
                     struct err *err);

/* ---- the files ---- */

/* False with zeros when there is none. ERR_DENIED, ERR_INVALID, ERR_IO. */
int node_secrets_find(const char *home, const char *name, bool *found, struct node_secret *out,
                      struct err *err);
/* Proves that an entry could be set now, by writing the file anew as it is. */
int node_secrets_touch(const char *home, struct err *err);
/* Sets, or removes with NULL; removing what is not there does nothing. Whoever changes these files
 * and the configuration's has the home's lock (dir_lock.h). */
int node_secrets_put(const char *home, const char *name, const struct node_secret *s,
                     struct err *err);

/* Does a hive run with that home? */
bool node_secrets_hive_runs(const char *home);

/*
 * The hive of the same home, which tells where it is while it runs, with TLS also where it was.
 * `here`: that one is meant, wherever it is, if it runs or had TLS (else whoever took its port
 * would be asked without), and *addr becomes its address (of one that listens everywhere:
 * localhost). Else only a hive at that very address is, also one that was killed: who is there by
 * now has to show its certificate. ERR_NOT_FOUND when it is another; ERR_DENIED, ERR_INVALID,
 * ERR_IO.
 */
int node_secrets_own_hive(const char *home, bool here, struct config_addr *addr,
                          struct node_secret *out, struct err *err);

#endif
