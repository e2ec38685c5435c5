/*
 * stream.c - tokens back to text, one at a time or as a stream of whole characters.
 *
 * What a stream gives out is always well-formed UTF-8: a byte that can become no character is given
 * as U+FFFD. A stream belongs to one thread.
 */
#include <string.h>

#include "engine/tok/bytes.h"
#include "engine/tok/impl.h"
#include "base/utf8.h"

/* SPM: U+2581 spells a blank. */
static int put_blanks(const struct gguf_str *s, struct buf *out)
{
    for (uint64_t i = 0; i < s->len;) {
        if (s->len - i >= SPM_BLANK_BYTES &&
            memcmp(s->bytes + i, SPM_BLANK, SPM_BLANK_BYTES) == 0) {
            buf_putc(out, ' ');
            i += SPM_BLANK_BYTES;
        } else {
            buf_putc(out, s->bytes[i++]);
        }
    }
    return buf_failed(out) ? -1 : 0;
}

/* BPE: each character of the printable alphabet is a byte; any other stands for itself. */
static int put_bytes(const struct gguf_str *s, struct buf *out)
{
    for (uint64_t i = 0; i < s->len;) {
        int len = utf8_len(s->bytes + i, s->len - i);
        int byte = len > 0 ? bytes_of(utf8_code(s->bytes + i, len)) : -1;

        if (len <= 0)
            len = 1;
        if (byte >= 0)
            buf_putc(out, (char)byte);
        else
            buf_put(out, s->bytes + i, (size_t)len);
        i += (uint64_t)len;
    }
    return buf_failed(out) ? -1 : 0;
}

int tok_piece(const struct tok *t, int32_t id, bool special, struct buf *out)
{
    struct gguf_str text = tok_text(t, id);
    int byte;

    switch (tok_kind(t, id)) {
    case TOK_CONTROL:
    case TOK_UNKNOWN:
        return special ? buf_put(out, text.bytes, text.len) : 0;
    case TOK_USER_DEFINED:
        return buf_put(out, text.bytes, text.len);
    case TOK_BYTE:
        byte = bytes_named(text.bytes, text.len);
        return byte >= 0 ? buf_putc(out, (char)byte) : buf_put(out, text.bytes, text.len);
    case TOK_NORMAL:
    case TOK_UNUSED:
        break;
    }
    return t->model == TOK_BPE ? put_bytes(&text, out) : put_blanks(&text, out);
}

void tok_stream_init(struct tok_stream *s, const struct tok *t, bool special, bool strip_blank)
{
    *s = (struct tok_stream){.tok = t, .special = special, .strip_blank = strip_blank};
    if (!t->adds_blank)
        s->strip_blank = false;
}

/* Gives out every whole character of the held bytes and what follows; holds the unfinished rest. */
static int give(struct tok_stream *s, const char *bytes, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n;) {
        int len = utf8_len(bytes + i, n - i);

        if (len == 0) {
            s->n_held = n - i;
            memcpy(s->held, bytes + i, s->n_held);
            break;
        }
        if (len < 0) {
            buf_puts(out, UTF8_REPLACEMENT);
            i++;
        } else {
            buf_put(out, bytes + i, (size_t)len);
            i += (size_t)len;
        }
    }
    return buf_failed(out) ? -1 : 0;
}

/* Takes one blank off what was put behind `start`, if the stream has to and this is the text's. */
static void strip_first(struct tok_stream *s, int32_t id, struct buf *out, size_t start)
{
    if (!s->strip_blank || tok_kind(s->tok, id) == TOK_CONTROL || out->len == start)
        return;
    s->strip_blank = false;
    if (!tok_is_text(s->tok, id) || out->data[start] != ' ')
        return;
    out->len--;
    memmove(out->data + start, out->data + start + 1, out->len - start);
}

/*
 * The piece goes straight to `out`, behind the bytes held. Mostly it is whole characters and stays
 * there; else what follows them is taken back and given out byte by byte.
 */
int tok_stream_put(struct tok_stream *s, int32_t id, struct buf *out)
{
    char rest[TOK_MAX_TOKEN_BYTES + sizeof(s->held)];
    size_t start = out->len, n_whole, n_rest;

    if (buf_put(out, s->held, s->n_held) != 0 || tok_piece(s->tok, id, s->special, out) != 0)
        return -1;
    strip_first(s, id, out, start); /* nothing is held before the first text */
    s->n_held = 0;
    if (out->len == start)
        return 0;
    n_whole = utf8_valid(out->data + start, out->len - start);
    n_rest = out->len - start - n_whole;
    if (n_rest > 0) {
        memcpy(rest, out->data + start + n_whole, n_rest);
        out->len -= n_rest;
    }
    out->data[out->len] = '\0';
    return give(s, rest, n_rest, out);
}

int tok_stream_end(struct tok_stream *s, struct buf *out)
{
    for (size_t i = 0; i < s->n_held; i++)
        buf_puts(out, UTF8_REPLACEMENT);
    s->n_held = 0;
    return buf_failed(out) ? -1 : 0;
}
