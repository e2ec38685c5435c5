/* buf.c - see buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define BUF_FIRST_CAP 64 /* a thousand open streams hold ten thousand of them */

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_done(struct buf *b)
{
    if (!b)
        return;
    free(b->data);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = b->over = false;
    if (b->data)
        b->data[0] = '\0';
}

void buf_clear_to(struct buf *b, size_t keep)
{
    if (b->cap > keep)
        buf_done(b);
    else
        buf_clear(b);
}

int buf_reserve(struct buf *b, size_t n)
{
    size_t cap;
    char *data;

    if (!b->failed && (b->len > b->max || n > b->max - b->len))
        b->failed = b->over = true;
    if (b->failed)
        return -1;
    if (b->cap > b->len && n < b->cap - b->len)
        return 0;
    cap = b->cap ? b->cap : BUF_FIRST_CAP;
    while (cap <= b->len + n)
        cap *= 2;
    data = realloc(b->data, cap);
    if (!data)
        return buf_lose(b);
    b->data = data;
    b->cap = cap;
    b->data[b->len] = '\0';
    return 0;
}

int buf_put(struct buf *b, const void *bytes, size_t n)
{
    if (buf_reserve(b, n))
        return -1;
    if (n)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
    return 0;
}

int buf_puts(struct buf *b, const char *text)
{
    return buf_put(b, text, strlen(text));
}

int buf_putc(struct buf *b, char c)
{
    return buf_put(b, &c, 1);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || buf_reserve(b, (size_t)n))
        return buf_lose(b);
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return 0;
}

void buf_cut(struct buf *b, size_t n)
{
    BUG_ON(n > b->len);
    b->len = n;
    b->failed = b->over = false;
    if (b->data)
        b->data[n] = '\0';
}

void buf_drop(struct buf *b, size_t n)
{
    BUG_ON(n > b->len);
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
    char *data = b->failed ? NULL : b->data;

    if (b->failed)
        free(b->data);
    buf_init(b, b->max);
    return data;
}
