/*
 * fuzz_sse.c - the reader of server-sent events: any bytes, in one piece and cut by the first
 * byte's seed, must give the same events and comments.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "net/sse.h"

struct heard {
    uint64_t sum;
    unsigned n;
};

static void add(struct heard *h, char kind, const char *text, size_t n)
{
    h->sum = (h->sum ^ (unsigned char)kind) * 0x100000001b3; /* FNV-1a's prime */
    for (size_t i = 0; i < n; i++)
        h->sum = (h->sum ^ (unsigned char)text[i]) * 0x100000001b3;
}

static bool hear_data(void *arg, const char *data, size_t n)
{
    struct heard *h = arg;

    BUG_ON(data[n] != '\0' || memchr(data, '\r', n) || n > SSE_EVENT_MAX);
    add(h, 'd', data, n);
    return ++h->n < 1000;
}

static void hear_comment(void *arg, const char *text)
{
    add(arg, 'c', text, strlen(text));
}

static struct heard run(const char *bytes, size_t n, uint32_t seed)
{
    struct heard h = {0};
    struct sse_reader *r = sse_reader_create(hear_data, hear_comment, &h);

    BUG_ON(!r);
    while (n) {
        size_t piece = n;

        if (seed) {
            seed = seed * 1664525 + 1013904223; /* Numerical Recipes' generator */
            if (piece > (seed >> 29) + 1)
                piece = (seed >> 29) + 1;
        }
        sse_reader_put(r, bytes, piece, NULL);
        bytes += piece;
        n -= piece;
    }
    sse_reader_free(r);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct heard whole, pieces;

    if (size < 1)
        return 0;
    whole = run((const char *)data + 1, size - 1, 0);
    pieces = run((const char *)data + 1, size - 1, data[0] + 1u);
    BUG_ON(whole.sum != pieces.sum || whole.n != pieces.n);
    return 0;
}
