/*
 * unlisted.h - [keeper] node may be a machine that no list of nodes shows: commands that ask all of
 * them ask it besides, and one that they ask already not twice.
 */
#ifndef RBEE_KEEPER_UNLISTED_H
#define RBEE_KEEPER_UNLISTED_H

#include "config/config.h"

/*
 * What [keeper] node says, if neither `localhost` nor one of the list of nodes is spoken to as it
 * says; else NULL. Also what is no node at all: who asks it says so. Asks no resolver.
 */
const char *unlisted_node(const struct config *config);

#endif
