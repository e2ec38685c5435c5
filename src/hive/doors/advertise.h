/*
 * advertise.h - where a running hive is, for those beside it and on other machines: the file
 * <home>/run/hive.json and the line to run elsewhere.
 */
#ifndef RBEE_HIVE_DOORS_ADVERTISE_H
#define RBEE_HIVE_DOORS_ADVERTISE_H

#include <stdbool.h>

#include "config/config.h"
#include "net/tls.h"

#define ADVERTISE_LINE_MAX 512

struct advertise {
    struct config_addr addr; /* as bound */
    bool tls;
    char pin[TLS_PIN_BYTES]; /* "" without TLS */
};

/* The file's text, and back: free(), NULL when out of memory; `path` is only for the error. */
char *advertise_text(const struct advertise *a);
int advertise_parse(const char *path, const char *text, size_t n, struct advertise *out,
                    struct err *err);

/* Writes the file (0600); when that fails, a hive without TLS has none. */
int advertise_write(const char *home, const struct advertise *a, struct err *err);
/* The hive is not there (any more): takes the file away, unless it tells of one with TLS. By that
 * one's pin keepers go on to know who is not their hive; without the file they would ask whoever
 * has the usual port, without TLS. */
void advertise_remove(const char *home);
/* Where the hive is, or was; ERR_NOT_FOUND, ERR_INVALID. */
int advertise_read(const char *home, struct advertise *out, struct err *err);

/*
 * "rbee-keeper node add NAME rbee://HOST:PORT/PIN/CODE", for a hive bound to a wildcard with this
 * machine's address on the way to others, else the first that others can reach; without a code
 * (NULL) for one on a loopback address. Returns dst.
 */
char *advertise_line(const struct advertise *a, const char *code, char dst[ADVERTISE_LINE_MAX]);

#endif
