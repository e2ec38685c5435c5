/*
 * unlisted.h - which node is the one of [keeper] node, for commands that ask all of them. It may be
 * a machine that no list of nodes shows: they ask it besides, and one that they ask already not
 * twice. And a key that was typed goes to it alone.
 */
#ifndef RBEE_KEEPER_NODE_UNLISTED_H
#define RBEE_KEEPER_NODE_UNLISTED_H

#include "config/config.h"

/*
 * What [keeper] node says, if neither `localhost` nor one of the list of nodes is spoken to as it
 * says; else NULL. Also what is no node at all: who asks it says so. Asks no resolver.
 */
const char *unlisted_node(const struct config *config);

/* The name by which these commands ask it: one of the list of nodes, "localhost", or
 * unlisted_node's text. Lives as long as `config`. */
const char *unlisted_name(const struct config *config);

#endif
