/*
 * ledger.h - the ledger of an unfinished file: which bytes are on disk, and their digests.
 *
 * A text file beside <path>.part, only ever appended to. A line is "<sum> <text>\n", the sum being
 * the first eight hex digits of the text's SHA-256; reading ends at the first line that does not
 * keep to this (one cut off by a power cut), and what follows is cut away before anything is
 * appended. The texts:
 *
 *     rbee-ledger 2 <size> <piece size>       the first line
 *     bytes <from> <to> <digest>              [from, to) is there; its XXH3 (32 digits), or SHA-256
 *     tag <text>                              the ETag or date that the source gave these bytes
 *     round <n>                               so many times suspect pieces were read again
 *
 * A later line about the same bytes overrides an earlier one. No line is believed: whoever resumes
 * hashes the bytes again, so a line whose bytes did not reach the disk costs a second fetch of
 * these bytes and nothing else. Order to the disk: the bytes of the part file are synced first,
 * then the ledger (ledger_sync, every LEDGER_SYNC_BYTES); the finished file is synced, renamed, its
 * folder synced, and only then the ledger is removed. Version 1, which knew SHA-256 alone, is read
 * and gone on with; a ledger of any other version, or of another size, is set
 * aside (replaced at once by a fresh one): the bytes it told of are then unverified, not lost.
 *
 * It does not matter here where the bytes come from. One thread at a time.
 */
#ifndef RBEE_HIVE_DISK_LEDGER_H
#define RBEE_HIVE_DISK_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "hive/disk/digest.h"

#define LEDGER_VERSION    2
#define LEDGER_BYTES_MAX  (64u << 20)
#define LEDGER_TAG_MAX    256
#define LEDGER_SYNC_BYTES (256u << 20) /* a power cut costs about so much */

struct ledger;

struct ledger_claim {
    uint64_t from, to;
    char digest[DIGEST_SHA256_BYTES]; /* 64 hex digits: SHA-256; 32: XXH3 */
};

/* Which of the two it is. */
bool ledger_is_sha256(const char *digest);

/* What an earlier life left. ledger_found_done in any case. */
struct ledger_found {
    bool known;           /* there was one that could be read, for this size */
    uint64_t piece_bytes; /* its, else the one given */
    struct ledger_claim *claims;
    size_t n_claims;
    char tag[LEDGER_TAG_MAX];
    unsigned round;
};

/* "<part>.ledger"; free(). */
char *ledger_path(const char *part);

/* Reads what is there and opens it for appending, or begins a fresh one where there is none, or no
 * ledger. ERR_BUSY: there is no descriptor for it at the moment. What could not be read, for that
 * or for memory or a fault of the disk's, stays as it is. */
int ledger_open(const char *path, uint64_t size_bytes, uint64_t piece_bytes,
                struct ledger_found *found, struct ledger **out, struct err *err);
void ledger_found_done(struct ledger_found *found);
/* Only to append to what is there; ERR_NOT_FOUND when it is not, ERR_BUSY as above. */
int ledger_reopen(const char *path, struct ledger **out, struct err *err);
void ledger_close(struct ledger *l);

int ledger_add(struct ledger *l, const struct ledger_claim *claim, struct err *err);
int ledger_add_tag(struct ledger *l, const char *tag, struct err *err);
int ledger_add_round(struct ledger *l, unsigned round, struct err *err);
/* Is the last word about these bytes this very claim? Reads the file; no line is believed more. */
bool ledger_has(const char *path, const struct ledger_claim *claim);
/* The part file's bytes first, then the ledger's. */
int ledger_sync(struct ledger *l, int data_fd, struct err *err);

#endif
