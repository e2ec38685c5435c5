/*
 * keys.h - the keys that open a hive, as hashes: the file they are kept in, and looking one up.
 *
 * $RBEE_HOME/keys (0600, refused when others may read it) has one line for each key:
 *
 *     <SHA-256, 64 hex digits> <made, unix seconds> <name>
 *
 * The key itself is shown once, when it is made, and kept nowhere: 38 random letters of 32 (190
 * bits) need no slow hash. A key's fingerprint is the first six digits of its hash: it names the
 * key in lists and logs and tells nothing of it. Beside this file stands the older `api-key`, one
 * key in the clear (access.h), which the hive takes as one more.
 *
 * A change is made under a lock on the file's folder, to a copy that then replaces the file, so
 * that a hive that reads it meanwhile sees the old or the new list. Plain data, one thread each.
 */
#ifndef RBEE_API_KEYS_H
#define RBEE_API_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/access.h"
#include "base/err.h"
#include "base/sha256.h"

#define KEYS_LISTED_MAX  64                    /* in the file */
#define KEYS_MAX         (KEYS_LISTED_MAX + 1) /* of a hive: `api-key` is one more */
#define KEYS_NAME_BYTES  48                    /* letters, digits, '.', '_', '-'; with the NUL */
#define KEYS_PRINT_BYTES 7                     /* a fingerprint and its NUL */
#define KEYS_FILE        "keys"

/* So long a change waits for another one to end: at the shell, and on a loop. */
#define KEYS_WAIT_MS      10000
#define KEYS_WAIT_LOOP_MS 100

struct keys_entry {
    unsigned char hash[SHA256_BYTES];
    int64_t made_s; /* unix seconds; 0 = not known */
    char name[KEYS_NAME_BYTES];
};

struct keys {
    struct keys_entry items[KEYS_MAX];
    size_t n;
};

/* The first digits of a key's hash; returns dst. */
char *keys_print(const unsigned char hash[SHA256_BYTES], char dst[KEYS_PRINT_BYTES]);

/* What stands for a key where its hash would be long: the first 64 bits of it, never 0. */
uint64_t keys_mark(const unsigned char hash[SHA256_BYTES]);
uint64_t keys_mark_of(const char *key);
bool keys_has_mark(const struct keys *k, uint64_t mark);

/* The entry that `key` opens, or -1. Looks at all of them, in a time that does not tell which. */
int keys_find(const struct keys *k, const char *key);

bool keys_has(const struct keys *k, const unsigned char hash[SHA256_BYTES]);

/* ERR_INVALID for a name that is none, ERR_LIMIT past KEYS_MAX, ERR_CONFLICT for one that is there.
 */
int keys_add(struct keys *k, const char *key, const char *name, int64_t made_s, struct err *err);

/* The lines of a file, n bytes; `path` is for the error, which names the line. */
int keys_parse(const char *path, const char *text, size_t n, struct keys *out, struct err *err);

/* ---- the file <home>/keys ---- */

/* A missing one is an empty list. ERR_DENIED when others than the owner may read it. */
int keys_load(const char *home, struct keys *out, struct err *err);
/*
 * Makes a key, writes it into the list and hands it over: nobody can ask for it again. ERR_LIMIT
 * past KEYS_LISTED_MAX, ERR_BUSY when another change takes longer than wait_ms,
 * ERR_CANCELLED when *stop is true meanwhile (stop may be NULL).
 */
int keys_create(const char *home, const char *name, int wait_ms, const volatile bool *stop,
                char key[ACCESS_KEY_MAX + 1], struct err *err);
/* Would keys_create be ERR_LIMIT now? 0 else, also where that is not known. */
int keys_check_room(const char *home, struct err *err);
/*
 * Takes the key of that fingerprint (6 or more digits of its hash) out; no power cut brings it
 * back. ERR_NOT_FOUND, ERR_CONFLICT when several begin so, ERR_BUSY.
 */
int keys_revoke(const char *home, const char *print, int wait_ms, const volatile bool *stop,
                struct keys_entry *out, struct err *err);

#endif
