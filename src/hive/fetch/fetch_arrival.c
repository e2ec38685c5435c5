/* fetch_arrival.c - see fetch_arrival.h. */
#include "hive/fetch/fetch_arrival.h"

#include "hive/disk/digest.h"
#include "hive/disk/pieces.h"

void fetch_arrival_forget(struct fetch_arrival *a)
{
    digest_free(a->digest);
    a->digest = NULL;
}

/* Bytes of one piece. */
static void put(struct fetch_arrival *a, struct pieces *p, size_t piece, uint64_t at,
                const void *bytes, size_t n)
{
    uint64_t from, to;
    char hex[DIGEST_SHA256_BYTES];

    pieces_bounds(p, piece, &from, &to);
    if (a->digest && a->at != at)
        fetch_arrival_forget(a);
    if (at == from)
        a->digest = digest_create_xxh3(); /* out of memory: it is read back */
    if (!a->digest)
        return;
    digest_put(a->digest, bytes, n);
    a->at = at + n;
    if (a->at < to)
        return;
    digest_end(a->digest, hex);
    fetch_arrival_forget(a);
    pieces_arrived(p, piece, hex);
}

void fetch_arrival_put(struct fetch_arrival *a, struct pieces *p, uint64_t from, const void *bytes,
                       size_t n)
{
    const char *next = bytes;
    uint64_t at = from, first, to;

    while (at < from + n) {
        size_t piece = pieces_at(p, at), some;

        pieces_bounds(p, piece, &first, &to);
        some = to < from + n ? (size_t)(to - at) : (size_t)(from + n - at);
        put(a, p, piece, at, next, some);
        at += some;
        next += some;
    }
}
