/* ids.c - see ids.h. */
#include "engine/tok/ids.h"

#include <stdlib.h>

#define FIRST_CAP 64

int ids_put(struct ids *ids, int32_t id)
{
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? ids->cap * 2 : FIRST_CAP, size_bytes;
        int32_t *grown;

        if (__builtin_mul_overflow(cap, sizeof(*grown), &size_bytes))
            return -1;
        grown = realloc(ids->v, size_bytes);
        if (!grown)
            return -1;
        ids->v = grown;
        ids->cap = cap;
    }
    ids->v[ids->n++] = id;
    return 0;
}
