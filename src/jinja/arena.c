/* arena.c - see arena.h. */
#include "jinja/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK_BYTES ((size_t)16 << 10)
#define CHUNK_BYTES       ((size_t)1 << 20) /* chunks grow up to this, or to one large request */
#define ALIGN             sizeof(void *)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size_bytes; /* with this */
};

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max_bytes = max_bytes};
}

void arena_done(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *next = a->chunks->next;

        free(a->chunks);
        a->chunks = next;
    }
    arena_init(a, a->max_bytes);
}

/* A new chunk with room for n bytes and a start's padding. */
static bool add_chunk(struct arena *a, size_t n)
{
    size_t size = a->held_bytes < FIRST_CHUNK_BYTES ? FIRST_CHUNK_BYTES : a->held_bytes;
    size_t room = a->max_bytes - a->held_bytes;
    struct arena_chunk *chunk;

    if (size > CHUNK_BYTES)
        size = CHUNK_BYTES;
    if (n > SIZE_MAX / 4)
        return a->over_max = true, false;
    n += sizeof *chunk + ALIGN;
    if (size < n + n / 2)
        size = n + n / 2;
    if (size > room)
        size = room;
    if (size < n)
        return a->over_max = true, false;
    chunk = malloc(size);
    if (!chunk)
        return false;
    chunk->next = a->chunks;
    chunk->size_bytes = size;
    a->chunks = chunk;
    a->held_bytes += size;
    a->at = (char *)(chunk + 1);
    a->left = size - sizeof *chunk;
    return true;
}

static char *take(struct arena *a, size_t n)
{
    char *p = a->at;

    a->at += n;
    a->left -= n;
    return p;
}

char *arena_text(struct arena *a, size_t n_bytes)
{
    if ((!a->chunks || n_bytes > a->left) && !add_chunk(a, n_bytes))
        return NULL;
    return take(a, n_bytes);
}

void *arena_alloc(struct arena *a, size_t n_bytes)
{
    size_t skip = -(uintptr_t)a->at % ALIGN;
    void *p;

    if (n_bytes > SIZE_MAX / 4)
        return a->over_max = true, NULL;
    if (!a->chunks || n_bytes + skip > a->left) {
        if (!add_chunk(a, n_bytes))
            return NULL;
        skip = -(uintptr_t)a->at % ALIGN;
    }
    take(a, skip);
    p = take(a, n_bytes);
    return memset(p, 0, n_bytes);
}

bool arena_extend(struct arena *a, const char *end, size_t n_bytes)
{
    if (!a->chunks || end != a->at || n_bytes > a->left)
        return false;
    take(a, n_bytes);
    return true;
}

bool arena_holds(const struct arena *a, const char *p)
{
    const uintptr_t at = (uintptr_t)p;

    for (const struct arena_chunk *c = a->chunks; c; c = c->next)
        if (at >= (uintptr_t)c && at - (uintptr_t)c < c->size_bytes)
            return true;
    return false;
}
