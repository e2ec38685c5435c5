/*
 * arena.h - memory that is given back all at once, with a named maximum.
 *
 * Programs and renders live in one each. Allocations are zeroed and aligned for any of our structs;
 * texts are not aligned and may be lengthened in place while they are the last thing allocated, so
 * that a chain of concatenations copies each piece once. One thread owns an arena.
 */
#ifndef RBEE_JINJA_ARENA_H
#define RBEE_JINJA_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    char *at;          /* the next free byte of the newest chunk */
    size_t left;       /* bytes from there to the chunk's end */
    size_t held_bytes; /* of all chunks */
    size_t max_bytes;
    bool over_max; /* an allocation failed for the maximum, not for want of memory */
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_done(struct arena *a);

/* Zeroed memory, or NULL. */
void *arena_alloc(struct arena *a, size_t n_bytes);
/* Room for n bytes of text, not aligned, not zeroed, or NULL; n may be 0. */
char *arena_text(struct arena *a, size_t n_bytes);
/* Does it lie in memory of this arena? */
bool arena_holds(const struct arena *a, const char *p);
/* True when `end` is where the next text would begin and n more bytes could be had there. */
bool arena_extend(struct arena *a, const char *end, size_t n_bytes);

#endif
