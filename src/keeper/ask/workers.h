/* workers.h - worker ids as people type and read them. */
#ifndef RBEE_KEEPER_ASK_WORKERS_H
#define RBEE_KEEPER_ASK_WORKERS_H

#include <stdbool.h>

#include "keeper/node/keeper.h"

#define WORKERS_ID_BYTES    64 /* the NUL included */
#define WORKERS_SHORT_BYTES 16 /* "worker-" and 8 digits, the NUL included */

/* Letters, digits and '-' only, and not too long: fit to stand in a path. */
bool workers_is_id(const char *text);

/* The first part of an id, enough to tell a few workers apart; returns dst. */
char *workers_short_id(const char *id, char dst[WORKERS_SHORT_BYTES]);

/*
 * The one worker whose id begins with `typed` ("worker-" may be left out); "" gives the newest.
 * CLI_GO with id[], or an exit code after having said why.
 */
int workers_find(struct keeper *k, const char *typed, char id[WORKERS_ID_BYTES]);

#endif
