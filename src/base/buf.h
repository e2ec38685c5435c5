/*
 * buf.h - a growing byte buffer with a named maximum.
 *
 * `data` is always NUL-terminated once anything was put (the NUL is not counted in `len`), so text
 * can be handed to libc. A buffer never grows past `max`: a put that would is refused whole, and
 * the buffer stays as it was. Failures stick: after one, every later put fails too, so that a
 * writer may put many times and ask once (`buf_failed`). One thread owns a buffer.
 */
#ifndef RBEE_BASE_BUF_H
#define RBEE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;  /* owned; NULL while nothing was put */
    size_t len;  /* bytes in use */
    size_t cap;  /* bytes allocated, the NUL's place included */
    size_t max;  /* the most `len` may become */
    bool failed; /* a put was refused: over max, or no memory */
    bool over;   /* ... over max, the first of them */
};

/* An empty buffer that may grow to `max_bytes`; allocates nothing. */
void buf_init(struct buf *b, size_t max_bytes);

/* Frees; the buffer is then as after buf_init with the same maximum. NULL is fine. */
void buf_done(struct buf *b);

/* Empties without freeing; clears a failure. */
void buf_clear(struct buf *b);
/* Empties; what is allocated stays only where that is at most `keep` bytes. */
void buf_clear_to(struct buf *b, size_t keep);

/* Each returns 0, or -1 when the bytes do not fit (`failed` is then set). */
int buf_put(struct buf *b, const void *bytes, size_t n);
int buf_puts(struct buf *b, const char *text);
int buf_putc(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for `n` more bytes, so that the next puts of up to `n` bytes cannot fail. */
int buf_reserve(struct buf *b, size_t n);

/* Removes what is behind the first `n` bytes (n <= len); clears a failure. */
void buf_cut(struct buf *b, size_t n);

/* Removes the first `n` bytes (n <= len). */
void buf_drop(struct buf *b, size_t n);

/* The text, never NULL ("" when empty). Belongs to the buffer, valid until the next call on it. */
const char *buf_str(const struct buf *b);

/* Hands the allocation to the caller (free()), or NULL when nothing was ever put, or one failed;
 * the buffer is empty. */
char *buf_take(struct buf *b);

static inline bool buf_failed(const struct buf *b)
{
    return b->failed;
}

/* Of one that has failed: it was to hold more than its maximum. Else memory has run out. */
static inline bool buf_is_over(const struct buf *b)
{
    return b->over;
}

/* What should have been put could not be made: as a put that had no memory. */
static inline int buf_lose(struct buf *b)
{
    b->failed = true;
    return -1;
}

#endif
