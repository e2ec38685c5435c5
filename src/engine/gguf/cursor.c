/* cursor.c - see cursor.h. Little-endian files on little-endian machines only, so memcpy will do.
 */
#include "engine/gguf/cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF values are read with memcpy");

void cursor_init(struct cursor *c, const void *bytes, uint64_t size)
{
    c->bytes = bytes;
    c->size = size;
    c->pos = 0;
    c->first.code = ERR_NONE;
    c->first.text[0] = '\0';
}

void cursor_fail(struct cursor *c, enum err_code code, const char *fmt, ...)
{
    va_list args;

    if (cursor_failed(c))
        return;
    va_start(args, fmt);
    vsnprintf(c->first.text, sizeof(c->first.text), fmt, args);
    va_end(args);
    c->first.code = code;
}

const uint8_t *cursor_take(struct cursor *c, uint64_t n, const char *what)
{
    const uint8_t *at = c->bytes + c->pos;

    if (cursor_failed(c))
        return NULL;
    if (n > c->size - c->pos) {
        cursor_fail(c, ERR_INVALID,
                    "%s at byte %" PRIu64 " needs %" PRIu64
                    " bytes, but the file ends at byte %" PRIu64,
                    what, c->pos, n, c->size);
        return NULL;
    }
    c->pos += n;
    return at;
}

static void read_into(struct cursor *c, void *dst, size_t n, const char *what)
{
    const uint8_t *at = cursor_take(c, n, what);

    if (at)
        memcpy(dst, at, n);
    else
        memset(dst, 0, n);
}

uint32_t cursor_u32(struct cursor *c, const char *what)
{
    uint32_t v;

    read_into(c, &v, sizeof(v), what);
    return v;
}

uint64_t cursor_u64(struct cursor *c, const char *what)
{
    uint64_t v;

    read_into(c, &v, sizeof(v), what);
    return v;
}

struct gguf_str cursor_str(struct cursor *c, uint64_t max_bytes, const char *what)
{
    uint64_t at = c->pos, len = cursor_u64(c, what);
    struct gguf_str s = {"", 0};
    const uint8_t *bytes;

    if (!cursor_failed(c) && len > max_bytes && len <= cursor_left(c))
        cursor_fail(c, ERR_LIMIT,
                    "%s at byte %" PRIu64 " has %" PRIu64 " bytes, the most is %" PRIu64, what, at,
                    len, max_bytes);
    bytes = cursor_take(c, len, what);
    if (bytes)
        s = (struct gguf_str){(const char *)bytes, len};
    return s;
}
