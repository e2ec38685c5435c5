/*
 * certificate.h - the certificate that a hive and its workers show: the user's files, or its own.
 *
 * Its own is made at the first start that needs one: an EC key (P-256) and a self-signed
 * certificate in $RBEE_HOME/tls/ (key.pem, mode 0600, and certificate.pem). Keepers know it by its
 * key, not by a name or a date; it is signed anew with the same key when its ten years are nearly
 * over, and keepers notice nothing; also when it is another key's, as a start that was cut short
 * leaves it. What the workers need they inherit.
 */
#ifndef RBEE_HIVE_DOORS_CERTIFICATE_H
#define RBEE_HIVE_DOORS_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CERTIFICATE_DAYS       3650
#define CERTIFICATE_RENEW_DAYS 90 /* so many before its end it is signed anew */

struct certificate {
    char *chain, *key; /* PEM, owned */
    bool made;         /* the key is a new one: keepers of before do not know it */
};

/* Both "", or both given? ERR_INVALID. */
int certificate_check_paths(const char *chain_path, const char *key_path, struct err *err);

/*
 * chain_path and key_path "": the own one. ERR_DENIED for a key that others may read, ERR_INVALID
 * for one path without the other, ERR_NOT_FOUND, ERR_IO. What the files hold is judged by TLS.
 */
int certificate_load(const char *home, const char *chain_path, const char *key_path,
                     struct certificate *out, struct err *err);
/* From when until when the first one of a chain holds, Unix time. ERR_INVALID. */
int certificate_dates(const char *chain, int64_t *from_ms, int64_t *until_ms, struct err *err);
/* Wipes the key. Half-built ones and zeros are fine. */
void certificate_done(struct certificate *c);

#endif
