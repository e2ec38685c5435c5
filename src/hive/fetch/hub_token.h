/*
 * hub_token.h - the token for models of the hub that are not open to all: found, never shown.
 *
 * The first of these that is there: HF_TOKEN in the environment; <home>/hf-token (refused when
 * others may read it); HF_TOKEN_PATH; HF_HOME/token; ~/.cache/huggingface/token, where the hub's
 * own command line leaves it. Any thread.
 */
#ifndef RBEE_HIVE_FETCH_HUB_TOKEN_H
#define RBEE_HIVE_FETCH_HUB_TOKEN_H

#include <stdbool.h>

#include "base/err.h"

#define HUB_TOKEN_FILE "hf-token" /* in rbee's home */
#define HUB_TOKEN_MAX  512        /* bytes */

/* Blanks and line ends around it are taken away. False when something else than one printable
 * ASCII word of at most HUB_TOKEN_MAX is left, or nothing: it would not pass as a header. */
bool hub_token_trim(char *text);

/*
 * *token and *from ("environment HF_TOKEN", a path): free(); both NULL when there is none.
 * ERR_DENIED for a file of ours that others may read, ERR_INVALID for what holds no token.
 */
int hub_token_find(const char *home, char **token, char **from, struct err *err);

#endif
