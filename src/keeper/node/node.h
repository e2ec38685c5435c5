/*
 * node.h - what a person means by --node: a name becomes an address.
 *
 * In this order: a whole URL; a name in the keeper's [nodes]; an address literal or localhost; a
 * name that the resolver knows; the same with ".home.arpa" behind (RFC 8375), for names without a
 * dot. Port 8080 unless given.
 */
#ifndef RBEE_KEEPER_NODE_NODE_H
#define RBEE_KEEPER_NODE_NODE_H

#include <stdbool.h>

#include "base/err.h"
#include "config/config.h"

#define NODE_HOME_SUFFIX ".home.arpa"
#define NODE_URL_MAX     (CONFIG_HOST_MAX + 32)

struct node {
    char name[CONFIG_HOST_MAX]; /* as typed */
    struct config_addr addr;
    bool local;             /* loopback: its files are ours */
    char url[NODE_URL_MAX]; /* "http://host:port", no slash behind */
};

/* Does a host name have an address? The keeper's own answer is node_known_by_resolver. */
bool node_known_by_resolver(void *arg, const char *host);

/*
 * ERR_INVALID for text that is no name, address or URL; ERR_UNREACHABLE for a name that nothing
 * knows, with every place looked at.
 */
int node_resolve(const struct config *config, const char *text,
                 bool (*known)(void *arg, const char *host), void *arg, struct node *out,
                 struct err *err);

/* The name among the nodes that has this node's address, or the name that was typed. */
const char *node_listed_as(const struct config *config, const struct node *n);

/* It is elsewhere than its name says, and this machine's all the same. */
void node_move(struct node *n, const struct config_addr *addr);

/* From here on it is spoken to by https. */
void node_use_tls(struct node *n);

/* Loopback by its text: localhost, 127.0.0.0/8, ::1. */
bool node_host_is_local(const char *host);
/* By their text, too; all of loopback is one host. */
bool node_same_place(const struct config_addr *a, const struct config_addr *b);

#endif
