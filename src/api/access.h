/*
 * access.h - who may ask a server of ours: the one decision, shared by hive and worker.
 *
 * On a loopback address no key is needed, but a Host or Origin header that names another place is
 * refused: a web page must not reach a local server by way of a name that resolves to 127.0.0.1
 * (DNS rebinding). On any other address a key is needed. Only the health routes are open to all.
 *
 * Pure decisions and a key file; the HTTP server's `filter` hook calls access_check. Immutable once
 * made, any thread.
 */
#ifndef RBEE_API_ACCESS_H
#define RBEE_API_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "api/errors.h"
#include "base/err.h"

#define ACCESS_KEY_BYTES 43 /* characters of a key that rbee makes: "rbee-" and 38 of base 32 */
#define ACCESS_KEY_MIN   16 /* shortest key accepted from a file */
#define ACCESS_KEY_MAX   256

struct access {
    bool loopback_only;           /* bound to a loopback address: Host and Origin are looked at */
    char key[ACCESS_KEY_MAX + 1]; /* "" = none needed */
};

/* True for "127.0.0.1" (all of 127/8), "::1", "[::1]", "localhost" and "*.localhost". */
bool access_is_loopback(const char *host);

/*
 * Splits "HOST:PORT", "[IPv6]:PORT" or "HOST" in place of a Host header or an --addr. `host` gets
 * the name without brackets; *port stays as it was when none is given. ERR_INVALID with a sentence.
 */
int access_split_host(const char *text, char *host, size_t host_size, int *port, struct err *err);

/*
 * May this request pass? Header values may be NULL. 0, or -1 with *e as FORBIDDEN_HOST,
 * MISSING_API_KEY or INVALID_API_KEY. Keys are compared in constant time.
 */
int access_check(const struct access *a, const char *path, const char *host_header,
                 const char *origin_header, const char *authorization, struct api_error *e,
                 const char *src);

/*
 * The key in the file `path`; with `make`, a missing file is made (0600) with a fresh key and *made
 * set. ERR_DENIED when others than the owner may read it, ERR_INVALID for a short, long or
 * unprintable key, ERR_NOT_FOUND when there is none and `make` is false.
 */
int access_load_key(const char *path, bool make, char key[ACCESS_KEY_MAX + 1], bool *made,
                    struct err *err);

#endif
