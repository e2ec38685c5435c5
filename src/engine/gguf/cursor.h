/*
 * cursor.h - reads a file's bytes in order, never past their end.
 *
 * Every read checks `n > size - pos` first. The first failure is kept, with the offset at which it
 * happened; after it every read gives zeros or NULL and moves nothing, so that a reader may read
 * several fields and ask once (`cursor_failed`). `what` names the field for the message. One thread
 * owns a cursor; the bytes are the caller's.
 */
#ifndef RBEE_ENGINE_GGUF_CURSOR_H
#define RBEE_ENGINE_GGUF_CURSOR_H

#include <stdarg.h>

#include "engine/gguf/gguf.h"

struct cursor {
    const uint8_t *bytes;
    uint64_t size;
    uint64_t pos;     /* <= size */
    struct err first; /* code ERR_NONE while nothing failed */
};

void cursor_init(struct cursor *c, const void *bytes, uint64_t size);

static inline bool cursor_failed(const struct cursor *c)
{
    return c->first.code != ERR_NONE;
}

static inline uint64_t cursor_left(const struct cursor *c)
{
    return c->size - c->pos;
}

/* Keeps the failure if it is the first. The text should name an offset. */
void cursor_fail(struct cursor *c, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The next n bytes, or NULL. */
const uint8_t *cursor_take(struct cursor *c, uint64_t n, const char *what);

uint32_t cursor_u32(struct cursor *c, const char *what);
uint64_t cursor_u64(struct cursor *c, const char *what);

/* A length of 64 bits and as many bytes; ERR_LIMIT when there are more than max_bytes. */
struct gguf_str cursor_str(struct cursor *c, uint64_t max_bytes, const char *what);

#endif
