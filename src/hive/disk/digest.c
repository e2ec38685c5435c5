/* digest.c - see digest.h. Any thread, one at a time. */
#include "hive/disk/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define SLICE_BYTES  (256u << 10)
#define SHA256_BYTES 32

/* One of the two. */
struct digest {
    EVP_MD_CTX *ctx;
    XXH3_state_t *xxh3;
};

struct digest *digest_create(void)
{
    struct digest *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->ctx = EVP_MD_CTX_new();
    if (d->ctx && EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) == 1)
        return d;
    digest_free(d);
    return NULL;
}

struct digest *digest_create_xxh3(void)
{
    struct digest *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->xxh3 = XXH3_createState();
    if (d->xxh3 && XXH3_128bits_reset(d->xxh3) == XXH_OK)
        return d;
    digest_free(d);
    return NULL;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->ctx);
    XXH3_freeState(d->xxh3);
    free(d);
}

void digest_put(struct digest *d, const void *bytes, size_t n)
{
    if (d->xxh3 ? XXH3_128bits_update(d->xxh3, bytes, n) != XXH_OK
                : EVP_DigestUpdate(d->ctx, bytes, n) != 1)
        BUG("a digest does not take %zu bytes", n);
}

void digest_end(struct digest *d, char hex[DIGEST_SHA256_BYTES])
{
    unsigned char raw[SHA256_BYTES];
    unsigned n = 0;

    if (d->xxh3) {
        XXH128_canonical_t all;

        XXH128_canonicalFromHash(&all, XXH3_128bits_digest(d->xxh3));
        memcpy(raw, all.digest, sizeof all.digest);
        n = sizeof all.digest;
    } else if (EVP_DigestFinal_ex(d->ctx, raw, &n) != 1 || n != sizeof raw) {
        BUG("SHA-256 ended with %u bytes", n);
    }
    for (unsigned i = 0; i < n; i++)
        snprintf(hex + 2 * i, 3, "%02x", raw[i]);
}

int digest_put_range(struct digest *d, int fd, uint64_t from, uint64_t to,
                     bool (*stop)(const void *arg), const void *arg, struct err *err)
{
    unsigned char *slice = malloc(SLICE_BYTES);
    uint64_t at = from;
    int rc = slice ? 0 : err_no_memory(err, SLICE_BYTES, "hashing");

    while (rc == 0 && at < to) {
        uint64_t left = to - at;
        ssize_t n = pread(fd, slice, left < SLICE_BYTES ? (size_t)left : SLICE_BYTES, (off_t)at);

        if (stop && stop(arg))
            rc = err_set(err, ERR_CANCELLED, "the hashing was given up");
        else if (n < 0 && errno != EINTR)
            rc = err_errno(err, ERR_IO, errno, "cannot read back what was downloaded");
        else if (n == 0)
            rc = err_set(err, ERR_INVALID, "the file ended after %llu of %llu bytes",
                         (unsigned long long)at, (unsigned long long)to);
        if (rc || n < 0)
            continue;
        digest_put(d, slice, (size_t)n);
        at += (uint64_t)n;
    }
    free(slice);
    return rc;
}

bool digest_is_sha256(const char *text)
{
    size_t n = 0;

    while ((text[n] >= '0' && text[n] <= '9') || (text[n] >= 'a' && text[n] <= 'f'))
        n++;
    return text[n] == '\0' && n == DIGEST_SHA256_BYTES - 1;
}

int digest_of(const void *bytes, size_t n, char hex[DIGEST_SHA256_BYTES], struct err *err)
{
    struct digest *d = digest_create();

    if (!d)
        return err_no_memory(err, sizeof *d, "a digest");
    digest_put(d, bytes, n);
    digest_end(d, hex);
    digest_free(d);
    return 0;
}

int digest_of_range(struct digest *d, int fd, uint64_t from, uint64_t to,
                    bool (*stop)(const void *arg), const void *arg, char hex[DIGEST_SHA256_BYTES],
                    struct err *err)
{
    int rc = d ? digest_put_range(d, fd, from, to, stop, arg, err)
               : err_no_memory(err, sizeof *d, "a digest");

    if (rc == 0)
        digest_end(d, hex);
    digest_free(d);
    return rc;
}
