/*
 * pair.h - the line that a hive prints for another machine's keeper: read, and exchanged for a key.
 *
 *     rbee://HOST:PORT/PIN/CODE
 *
 * A hive on a loopback address asks for no key, and its line has no code: "rbee://HOST:PORT/PIN".
 */
#ifndef RBEE_KEEPER_NODE_PAIR_H
#define RBEE_KEEPER_NODE_PAIR_H

#include <stdio.h>

#include "config/config.h"
#include "keeper/node/keeper.h"
#include "keeper/node/node_secrets.h"

#define PAIR_SCHEME   "rbee://"
#define PAIR_CODE_MAX 64
#define PAIR_LINE_MAX (CONFIG_HOST_MAX + TLS_PIN_BYTES + PAIR_CODE_MAX + 32)

struct pair_line {
    struct config_addr addr;
    char pin[TLS_PIN_BYTES];
    char code[PAIR_CODE_MAX]; /* "" = there is no key to be had, nor needed */
};

/* ERR_INVALID for what is no such line. */
int pair_parse(const char *text, struct pair_line *out, struct err *err);

/* The first one in the lines of `from`, whatever stands before it: as `rbee-hive pair` prints it.
 * ERR_NOT_FOUND when there is none, ERR_LIMIT when it is too long. */
int pair_read(FILE *from, char dst[PAIR_LINE_MAX], struct err *err);

/* Overwrites pin and code in an argument of this process, which all accounts of the machine can
 * read while it runs. */
void pair_hide(char *argument);

/*
 * Asks the hive for a key of this keeper's own, if it has the key of the pin. 0 with *out, and the
 * key's fingerprint; or -1 with *e.
 */
int pair_exchange(const struct pair_line *line, struct node_secret *out, char print[8],
                  struct api_error *e);

#endif
