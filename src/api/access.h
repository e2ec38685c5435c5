/*
 * access.h - who may ask a server of ours: the one decision, shared by hive and worker.
 *
 * On a loopback address no key is needed, but a Host or Origin header that names another place is
 * refused: a web page must not reach a local server by way of a name that resolves to 127.0.0.1
 * (DNS rebinding). So is what a browser asks for a page of another site: an image's address has no
 * Origin. On any other address a key is needed. Only the health routes are open to all.
 *
 * A key is right when the hive's list knows its hash (keys.h), or when it is one of two that are
 * held in the clear: the key of a worker that a person started, and the link key, which a hive
 * makes anew at each start for itself and its workers and which opens nothing of the hive but the
 * route on which workers report. Every comparison takes the same time wherever the difference is.
 *
 * Pure decisions and a key file; the HTTP server's `filter` hook calls access_check. Any thread.
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

/* A body may have so many bytes where nobody has shown a key yet. */
#define ACCESS_OPEN_BODY_MAX 4096

#define ACCESS_BY_LINK  (-2) /* for access_check's *entry */
#define ACCESS_BY_SHARE (-3)

/* What those are told whose request was let in and is ended now. */
#define ACCESS_REVOKED_TEXT "The key under which this was asked was revoked."

struct access_share;
struct keys;

/* What is needed to decide; the pointers are borrowed. No key, list or share: no key is asked for.
 */
struct access {
    bool loopback_only;           /* bound to a loopback address: Host and Origin are looked at */
    char key[ACCESS_KEY_MAX + 1]; /* one in the clear; "" = none */
    const struct keys *keys;      /* a hive's list, or NULL */
    const struct access_share *share;  /* a worker's view of its hive's list, or NULL */
    char link_key[ACCESS_KEY_MAX + 1]; /* "" = none */
    const char *link_path;             /* the only one that the link key opens; NULL = all */
    const char *open_path; /* one more that is open to all, beside health; NULL = none */
    const char *origins;   /* pages that may ask besides: origins with blanks between, or "*" */
};

/* Header values; NULL = not sent. */
struct access_ask {
    const char *path, *host, *origin, *authorization;
    const char *fetch_site; /* Sec-Fetch-Site, by which a browser tells who made it ask */
};

/* True for "127.0.0.1" (all of 127/8), "::1", "[::1]", "localhost" and "*.localhost". */
bool access_is_loopback(const char *host);

/*
 * Splits "HOST:PORT", "[IPv6]:PORT" or "HOST" in place of a Host header or an --addr. `host` gets
 * the name without brackets; *port stays as it was when none is given. ERR_INVALID with a sentence.
 */
int access_split_host(const char *text, char *host, size_t host_size, int *port, struct err *err);

/* Is a page of that origin one of this machine's own, or of the allowed? */
bool access_origin_allowed(const struct access *a, const char *origin);

/*
 * May this request pass? 0, or -1 with *e as FORBIDDEN_HOST, MISSING_API_KEY or INVALID_API_KEY.
 * *entry becomes the index in a->keys of the key that was shown, ACCESS_BY_LINK for the link key,
 * ACCESS_BY_SHARE for one that a->share knows, else -1.
 */
int access_check(const struct access *a, const struct access_ask *ask, const char *src, int *entry,
                 struct api_error *e);

/*
 * The key in an Authorization header, which may be NULL: behind "Bearer", in any case, and one or
 * more blanks (RFC 9110, section 11.4). NULL when there is none.
 */
const char *access_bearer(const char *authorization);

/* Does a path need no key, whatever there are? */
bool access_is_open(const struct access *a, const char *path);

/* The part of it that looks at Host and Origin. 0, or -1 with *e as FORBIDDEN_HOST. */
int access_check_place(const struct access *a, const struct access_ask *ask, const char *src,
                       struct api_error *e);

/* A fresh key of ACCESS_KEY_BYTES characters. */
void access_make_key(char key[ACCESS_KEY_MAX + 1]);
/* Does it look like one? Nobody guesses one of those. */
bool access_is_made_key(const char *key);

/*
 * The key in the file `path`; with `make`, a missing file is made (0600) with a fresh key and *made
 * set. ERR_DENIED when others than the owner may read it, ERR_INVALID for a short, long or
 * unprintable key, ERR_NOT_FOUND when there is none and `make` is false.
 */
int access_load_key(const char *path, bool make, char key[ACCESS_KEY_MAX + 1], bool *made,
                    struct err *err);

#endif
