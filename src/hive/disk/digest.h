/*
 * digest.h - a digest as bytes arrive, and of what a file holds already: SHA-256 (OpenSSL's EVP),
 * by which files are known, or XXH3 (xxHash, 128 bits), which takes a tenth of the time and finds
 * what a disk has lost or changed, where nobody is to be convinced of anything.
 */
#ifndef RBEE_HIVE_DISK_DIGEST_H
#define RBEE_HIVE_DISK_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DIGEST_SHA256_BYTES 65 /* its 64 hex digits and the NUL */
#define DIGEST_XXH3_BYTES   33 /* its 32 */

struct digest;

struct digest *digest_create(void);      /* SHA-256; NULL when out of memory */
struct digest *digest_create_xxh3(void); /* NULL when out of memory */
void digest_free(struct digest *d);
void digest_put(struct digest *d, const void *bytes, size_t n);
/* The hex digits, 64 or 32; nothing may be put afterwards. */
void digest_end(struct digest *d, char hex[DIGEST_SHA256_BYTES]);

/* Does the text look like one, as its digits are written everywhere: 64, in lower case? */
bool digest_is_sha256(const char *text);

/* Of bytes in memory, all at once. ERR_NO_MEMORY. */
int digest_of(const void *bytes, size_t n, char hex[DIGEST_SHA256_BYTES], struct err *err);
/* Of [from, to) of an open file, as digest_put_range reads it, by a fresh digest `d`, which is
 * taken over; NULL: ERR_NO_MEMORY. */
int digest_of_range(struct digest *d, int fd, uint64_t from, uint64_t to,
                    bool (*stop)(const void *arg), const void *arg, char hex[DIGEST_SHA256_BYTES],
                    struct err *err);

/*
 * Puts [from, to) of an open file, in slices; between them `stop` (may be NULL) is asked whether to
 * give up. ERR_IO, ERR_INVALID when the file is shorter, ERR_CANCELLED.
 */
int digest_put_range(struct digest *d, int fd, uint64_t from, uint64_t to,
                     bool (*stop)(const void *arg), const void *arg, struct err *err);

#endif
