/*
 * node_secrets.h - what the keeper knows of its nodes beside their addresses: by which key of
 * theirs it recognises them, and with which key they let it in.
 *
 * <home>/nodes.json, mode 0600, refused when others may read it; written by `node add`, read when a
 * command speaks to a node that is in it. The machine's own hive needs no entry: a hive that runs
 * with the same home says in run/hive.json how it is reached, and its api-key lies beside it. That
 * key is taken only with TLS: then it goes to that hive, and not to who has its port after it.
 */
#ifndef RBEE_KEEPER_NODE_SECRETS_H
#define RBEE_KEEPER_NODE_SECRETS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/access.h"
#include "base/err.h"
#include "net/tls.h"

struct node_secret {
    bool tls;
    char pin[TLS_PIN_BYTES];      /* "" = the system's certificate authorities decide */
    char key[ACCESS_KEY_MAX + 1]; /* "" = none */
};

/* False with zeros when there is none. ERR_DENIED, ERR_INVALID, ERR_IO. */
int node_secrets_find(const char *home, const char *name, bool *found, struct node_secret *out,
                      struct err *err);
/* Sets, or removes with NULL; removing what is not there does nothing. */
int node_secrets_put(const char *home, const char *name, const struct node_secret *s,
                     struct err *err);

/*
 * The hive of the same home, if it listens at that port where others reach it, or speaks TLS.
 * ERR_NOT_FOUND when there is none.
 */
int node_secrets_own_hive(const char *home, uint16_t port, struct node_secret *out,
                          struct err *err);

#endif
