/*
 * sha256.h - SHA-256 (FIPS 180-4), for keys and for the chain of the security log.
 *
 * Our own, because loading libcrypto costs a command line more time than everything else it does;
 * for a few hundred bytes at a time speed does not matter. Downloads are digested by OpenSSL
 * (hive/disk/digest.h). Any thread; no allocation.
 */
#ifndef RBEE_BASE_SHA256_H
#define RBEE_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES     32
#define SHA256_HEX_BYTES 65 /* 64 digits and the NUL */

struct sha256 {
    uint32_t state[8];
    uint64_t n_bytes; /* put so far */
    unsigned char block[64];
};

void sha256_init(struct sha256 *s);
void sha256_put(struct sha256 *s, const void *bytes, size_t n);
void sha256_end(struct sha256 *s, unsigned char digest[SHA256_BYTES]);

/* All at once. */
void sha256_of(const void *bytes, size_t n, unsigned char digest[SHA256_BYTES]);

/* Lower-case hex digits of a digest; returns dst. */
char *sha256_hex(const unsigned char digest[SHA256_BYTES], char dst[SHA256_HEX_BYTES]);
/* 64 hex digits (the next byte is not looked at) to a digest; false for anything else. */
bool sha256_from_hex(const char *hex, unsigned char digest[SHA256_BYTES]);

/* Compares every byte, wherever the first difference is. */
bool sha256_same(const unsigned char a[SHA256_BYTES], const unsigned char b[SHA256_BYTES]);

#endif
