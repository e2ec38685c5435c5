/*
 * failed_keys.h - who has shown wrong keys lately, and for how long they are not listened to.
 *
 * Each address (IPv6: its /64, which one household or attacker has to itself) may be wrong
 * FAILED_KEYS_BURST times, and once more every FAILED_KEYS_REFILL_MS. Past that it is told to come
 * again later, whatever it shows. Who shows a right key of those that rbee makes, or a right code
 * of a pairing, passes all the same, as nobody guesses 190 bits, or 100: a program with a wrong key
 * must not keep out the people behind the same address. Other addresses are not touched by it. The
 * table is bounded: when it is full, the one that was quiet longest is forgotten, so a flood from
 * many addresses costs its own members' memory and nobody else's.
 *
 * What is told of strangers is bounded, too, for each address and for all together: it must not
 * wash out of a log what was written before. But each time is told in the end, if only as a number:
 * the first at once, what came since when it is an address's turn again, and where too many wait
 * for that, in one sum. For that the owner asks for the rest FAILED_KEYS_TELL_MS after something
 * was left, and when it ends.
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
/* Of all addresses together so many are told at once, and then one in so long: what was written
 * before stays for months, whoever fills the log (security_log.h) on purpose. */
#define FAILED_KEYS_TELL_BURST     60
#define FAILED_KEYS_TELL_REFILL_MS 600000

enum failed_kind {
    FAILED_KEY,
    FAILED_CODE,  /* of a pairing: counts as a key does */
    FAILED_TLS,   /* a handshake: told of, but keeps nobody waiting */
    FAILED_PLACE, /* a Host or Origin of elsewhere: likewise */
    FAILED_KINDS
};

struct failed_keys;

struct failed_keys *failed_keys_create(void); /* NULL: no memory */
void failed_keys_free(struct failed_keys *f);

/* `peer` is "1.2.3.4:567" or "[::1]:567". Seconds until it is listened to again; 0 = now. */
int failed_keys_wait_s(const struct failed_keys *f, const char *peer, int64_t now_ms);

/*
 * access_check, for an address that may have to wait: TOO_MANY_FAILURES with *wait_s > 0 when it
 * has to and shows any key but a right one that cannot be guessed: the link key, or one that rbee
 * made. What is open to all is never refused. Notes nothing.
 */
int failed_keys_check(const struct failed_keys *f, const struct access *a,
                      const struct access_ask *ask, const char *peer, const char *src,
                      int64_t now_ms, int *entry, struct api_error *e, int *wait_s);

/*
 * It was wrong. True when that should be told now: *n is then how often it was so since last told.
 * What was not told as there was too much is told with one of the next: failed_keys_unsaid.
 */
bool failed_keys_note(struct failed_keys *f, enum failed_kind kind, const char *peer,
                      int64_t now_ms, uint64_t *n);

/* The same for who had to wait and was not listened to: it is told of, but waits no longer by it.
 */
bool failed_keys_note_unheard(struct failed_keys *f, enum failed_kind kind, const char *peer,
                              int64_t now_ms, uint64_t *n);

/* Is there anything of which nothing was told yet? */
bool failed_keys_has_rest(const struct failed_keys *f);

struct failed_rest {
    enum failed_kind kind;
    char who[FAILED_KEYS_WHO_BYTES];
    uint64_t n;      /* times since it was last told */
    uint64_t others; /* as failed_keys_unsaid */
};

/*
 * Something that was left and is to be told now; false: nothing. To be asked until then. `last`:
 * the owner ends, and all that is left is told at once, whatever was told lately: each address as
 * long as there is room, and the others in one sum.
 */
bool failed_keys_rest(struct failed_keys *f, int64_t now_ms, bool last, struct failed_rest *out);

/* How often others were wrong of whom nothing was told since this was last asked. */
uint64_t failed_keys_unsaid(struct failed_keys *f);

/* The address that is counted, without the port: "1.2.3.4", "2001:db8::/64". Returns dst. */
char *failed_keys_who(const char *peer, char dst[FAILED_KEYS_WHO_BYTES]);

#endif
