/*
 * security_chain.h - lines of the security log that hold each other: each begins with the SHA-256
 * of the line before it (without its line feed), the first ever with 64 zeros.
 *
 *     {"prev":"<64 hex digits>","at":"2026-01-31T12:00:00.123Z","event":"start",...}
 *
 * Whoever changes, removes or inserts a line has to change all that follow. What the chain cannot
 * show is a cut at the very end, a cut beginning where the oldest lines are dropped anyway, or a
 * whole log made anew: for that, copy the last line elsewhere now and then. Plain data, no files.
 */
#ifndef RBEE_API_SECURITY_CHAIN_H
#define RBEE_API_SECURITY_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sha256.h"

#define SECURITY_LINE_MAX   4096 /* bytes of a line, its line feed included */
#define SECURITY_FILES_KEPT 4    /* FILE, FILE.1, ...: lines are dropped once all are there */

struct security_chain {
    char last[SHA256_HEX_BYTES]; /* of the last line */
    bool open;                   /* nothing is known yet: the next line is taken at its word */
};

/* The beginning of the first log ever. */
void security_chain_begin(struct security_chain *c);

/*
 * Writes the next line: time, event and the members of `facts` (an object, may be NULL), and moves
 * the chain on. -1 when it does not fit or there is no memory; the chain is then as before.
 */
int security_chain_write(struct security_chain *c, int64_t at_unix_ms, const char *event,
                         const json_t *facts, struct buf *out);

/* Is it the first line ever, by its own word? */
bool security_chain_is_first(const char *line, size_t n);

/* Does this line (n bytes, without its line feed) follow? ERR_INVALID with what is wrong. */
int security_chain_check(struct security_chain *c, const char *line, size_t n, struct err *err);

#endif
