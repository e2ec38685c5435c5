/* machines.h - the machines of the keeper's list, asked whether they are well, all at once. */
#ifndef RBEE_KEEPER_NODE_MACHINES_H
#define RBEE_KEEPER_NODE_MACHINES_H

#include "keeper/node/keeper.h"
#include "keeper/node/node_secrets.h"

struct machine {
    char name[CONFIG_HOST_MAX], where[CONFIG_HOST_MAX + 9], url[KEEPER_URL_MAX];
    struct node_secret secret;
};

/* `addr` NULL: this machine's, wherever it is. `tls`: also without a secret that says so. */
void machine_set(const struct config *config, struct machine *m, const char *name,
                 const struct config_addr *addr, bool tls);

/* Asks n machines for their own health, without a key: none is asked for there. 3 s at most. False
 * when that could not even begin, or was interrupted; machines_done in any case. */
bool machines_probe(struct keeper *k, const struct machine *machines, struct client_probe *probes,
                    size_t n);
/* What a probe found, in a word or a sentence. dst_size >= 128. */
const char *machine_verdict(const struct client_probe *p, char *dst, size_t dst_size);
void machines_done(struct client_probe *probes, size_t n);

#endif
