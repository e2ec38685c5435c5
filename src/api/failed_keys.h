/*
 * failed_keys.h - who has shown wrong keys lately, and for how long they are not listened to.
 *
 * Each address (IPv6: its /64, which one household or attacker has to itself) may be wrong
 * FAILED_KEYS_BURST times, and once more every FAILED_KEYS_REFILL_MS. Past that it is told to come
 * again later, whatever key it shows: a guess is then not even looked at. Other addresses are not
 * touched by it. The table is bounded: when it is full, the one that was quiet longest is
 * forgotten, so a flood from many addresses costs its own members' memory and nobody else's.
 *
 * Pure: the time comes with each call, in milliseconds. One thread.
 */
#ifndef RBEE_API_FAILED_KEYS_H
#define RBEE_API_FAILED_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/access.h"

#define FAILED_KEYS_BURST     10
#define FAILED_KEYS_REFILL_MS 6000
#define FAILED_KEYS_MAX       1024  /* addresses remembered */
#define FAILED_KEYS_TELL_MS   60000 /* each kind of an address is told once in so long */
#define FAILED_KEYS_WHO_BYTES 64

enum failed_kind {
    FAILED_KEY,
    FAILED_CODE, /* of a pairing: counts as a key does */
    FAILED_TLS,  /* a handshake: told of, but keeps nobody waiting */
    FAILED_KINDS
};

struct failed_keys;

struct failed_keys *failed_keys_create(void); /* NULL: no memory */
void failed_keys_free(struct failed_keys *f);

/* `peer` is "1.2.3.4:567" or "[::1]:567". Seconds until it is listened to again; 0 = now. */
int failed_keys_wait_s(const struct failed_keys *f, const char *peer, int64_t now_ms);

/*
 * access_check, for an address that may have to wait: TOO_MANY_FAILURES with *wait_s > 0 when it
 * has to and shows any key but the link key, which is too long to be guessed. Notes nothing.
 */
int failed_keys_check(const struct failed_keys *f, const struct access *a,
                      const struct access_ask *ask, const char *peer, const char *src,
                      int64_t now_ms, int *entry, struct api_error *e, int *wait_s);

/*
 * It was wrong. True when that should be told now: *n is then how often it was so since last told.
 */
bool failed_keys_note(struct failed_keys *f, enum failed_kind kind, const char *peer,
                      int64_t now_ms, uint64_t *n);

/* The address that is counted, without the port: "1.2.3.4", "2001:db8::/64". Returns dst. */
char *failed_keys_who(const char *peer, char dst[FAILED_KEYS_WHO_BYTES]);

#endif
