/*
 * Any bytes as a vocabulary and a text: two bytes give the text's length, then come the text and a
 * GGUF file. What can be built must encode the text to ids in range, and decode them to UTF-8.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/tok/tok.h"

#define OUT_MAX_BYTES (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct tok *t, const char *text, size_t n, unsigned flags)
{
    struct tok_stream s;
    int32_t *ids = NULL;
    size_t n_ids = 0;
    struct buf out;

    if (tok_encode(t, text, n, flags, &ids, &n_ids, NULL) != 0)
        return;
    buf_init(&out, OUT_MAX_BYTES);
    tok_stream_init(&s, t, flags & TOK_PARSE_SPECIAL, true);
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= tok_n_vocab(t))
            abort();
        if (tok_kind(t, ids[i]) == TOK_CONTROL && flags == 0 && ids[i] != tok_unk(t))
            abort();
        tok_stream_put(&s, ids[i], &out);
    }
    tok_stream_end(&s, &out);
    if (!str_is_utf8(buf_str(&out), out.len))
        abort();
    buf_done(&out);
    free(ids);
}

static void use(const struct tok *t, const char *text, size_t n)
{
    for (uint32_t i = 0; i < tok_n_vocab(t); i++) {
        struct gguf_str s = tok_text(t, (int32_t)i);

        if (s.len > 0 && tok_find(t, s.bytes, s.len) != (int32_t)i)
            abort();
        (void)tok_is_eog(t, (int32_t)i);
    }
    round_trip(t, text, n, 0);
    round_trip(t, text, n, TOK_ADD_SPECIAL | TOK_PARSE_SPECIAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gguf *g;
    struct tok *t;
    size_t n_text;

    if (size < 2)
        return 0;
    n_text = data[0] | (size_t)data[1] << 8;
    data += 2;
    size -= 2;
    if (n_text > size)
        return 0;
    if (gguf_open_memory(data + n_text, size - n_text, "fuzz", &g, NULL) != 0)
        return 0;
    if (tok_create(g, &t, NULL) == 0) {
        use(t, (const char *)data, n_text);
        tok_free(t);
    }
    gguf_close(g);
    return 0;
}
