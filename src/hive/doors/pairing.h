/*
 * pairing.h - one-time codes by which another machine's keeper gets a key of its own.
 *
 * A code is 20 random letters of 32 (100 bits), good for PAIRING_VALID_S and for one use. It is
 * made by the hive at its start, or by `rbee-hive pair` beside it, and shown as one line to run on
 * the other machine; what is kept, in <home>/run/pairings (0600), is its hash and its end, so both
 * programs can reach it and a restart loses nothing. The line holds the pin of the hive's
 * certificate too: the keeper sends the code only to who has that key, and nobody on the way can
 * take the code or put another hive in the middle.
 *
 *     rbee-keeper node add NAME rbee://HOST:PORT/PIN/CODE
 *
 * Changes are made under a lock on the folder. Plain data; the time comes with each call.
 */
#ifndef RBEE_HIVE_DOORS_PAIRING_H
#define RBEE_HIVE_DOORS_PAIRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/sha256.h"

#define PAIRING_CODE_BYTES 21 /* 20 letters and the NUL */
#define PAIRING_VALID_S    3600
#define PAIRING_BACK_S     60 /* the clock may be set back so far, and the codes stay open */
#define PAIRINGS_MAX       8  /* open at once; one more closes the oldest */

/* So long a change waits for another one to end: when a code is made, and on the hive's loop. */
#define PAIRING_WAIT_MS      10000
#define PAIRING_WAIT_LOOP_MS 100

struct pairings {
    struct {
        unsigned char hash[SHA256_BYTES];
        int64_t until_s; /* unix seconds */
    } items[PAIRINGS_MAX];
    size_t n;
};

/* Adds a code; those go that are over, or of a clock that was ahead. True when one that was open
 * was closed for it. */
bool pairings_add(struct pairings *p, const char *code, int64_t now_s);
/* Takes a code out, whole and in time; false when it is none of them. Looks at all of them. */
bool pairings_use(struct pairings *p, const char *code, int64_t now_s);
/* "<hash> <until>" lines. Lines that are none are left out: the worst is a code that is over. */
void pairings_parse(struct pairings *p, const char *text, size_t n);
/* Appends those lines. */
void pairings_put(const struct pairings *p, struct buf *out);

/* ---- <home>/run/pairings ---- */

/* *closed (may be NULL): the oldest that was open was closed for it. */
int pairing_make(const char *home, char code[PAIRING_CODE_BYTES], int64_t now_s, bool *closed,
                 struct err *err);
/* Would pairing_redeem be 0 or ERR_DENIED now? Uses nothing up and waits for nobody. */
int pairing_look(const char *home, const char *code, int64_t now_s, struct err *err);
/* 0 once for each code; ERR_DENIED for one that is wrong, used or over; ERR_BUSY, ERR_IO. */
int pairing_redeem(const char *home, const char *code, int64_t now_s, struct err *err);

#endif
