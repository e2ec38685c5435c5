/*
 * access_share.h - how a hive's workers know its keys, at every moment, and what else they get of
 * it.
 *
 * A memfd that the hive makes at its start when it asks for keys, and that each worker inherits,
 * read-only: the kernel lets nobody else write to it. The hashes of the keys are in it, so a key
 * that the hive revokes is refused by its workers from the next request on, without a message that
 * could be late. Beside them lie what the workers need to speak as the hive does: the link key
 * (access.h) and, with TLS, certificate and private key, so that a worker opens no file for them.
 *
 * The list is written under a sequence count (odd while it changes); a reader takes a copy of it
 * and looks again when the count has moved. One writer, any number of readers, no locks: a hive
 * that dies in the middle of a change leaves a list that opens nothing.
 */
#ifndef RBEE_API_ACCESS_SHARE_H
#define RBEE_API_ACCESS_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ACCESS_SHARE_PEM_MAX (64u << 10) /* bytes of a certificate chain, and of a private key */

struct access_share;
struct keys;

/* Texts are copied; NULL certificate: no TLS. */
struct access_secrets {
    const char *link_key;
    const char *certificate, *private_key; /* PEM */
};

/*
 * The hive's side. *fd is to be inherited by workers, and is the caller's to close; the list is
 * empty and opens nothing. ERR_LIMIT for a certificate or key over ACCESS_SHARE_PEM_MAX.
 */
int access_share_create(const struct access_secrets *secrets, struct access_share **out, int *fd,
                        struct err *err);
void access_share_publish(struct access_share *s, const struct keys *k);
/* Another certificate of the same private key, for workers to come. ERR_LIMIT. */
int access_share_renew(struct access_share *s, const char *certificate, struct err *err);

/* The worker's side; the descriptor may be closed afterwards. ERR_INVALID; ERR_CONFLICT: of
 * another build. */
int access_share_attach(int fd, struct access_share **out, struct err *err);
void access_share_detach(struct access_share *s); /* NULL is fine; both sides */

/* The texts lie in the share; without the certificate, which may be renewed at any moment. A
 * private key says that there is one. */
struct access_secrets access_share_secrets(const struct access_share *s);
/* The certificate as it was at one moment, now: free(). ERR_NO_MEMORY; ERR_IO: there was no such
 * moment. */
int access_share_certificate(const struct access_share *s, char **out, struct err *err);
/* Is this key one of the hive's, now? */
bool access_share_opens(const struct access_share *s, const char *key);
/*
 * The hashes of the list as it was at one moment, now; names are left out. False when there was no
 * such moment: the hive is in the middle of a change.
 */
bool access_share_keys(const struct access_share *s, struct keys *out);
/* Another number after each change. */
uint32_t access_share_changes(const struct access_share *s);

#endif
