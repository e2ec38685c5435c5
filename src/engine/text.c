/* text.c - the "text and tokens" part of engine.h: the tokenizer as seen from outside. */
#include <stdlib.h>
#include <string.h>

#include "engine/gguf/files.h"
#include "engine/model/model.h"

_Static_assert((int)ENGINE_ADD_BOS == (int)TOK_ADD_BOS, "flags are handed through");
_Static_assert((int)ENGINE_ADD_SPECIAL == (int)TOK_ADD_SPECIAL, "flags are handed through");
_Static_assert((int)ENGINE_PARSE_SPECIAL == (int)TOK_PARSE_SPECIAL, "flags are handed through");

int engine_tokenize(const struct engine_model *m, const char *text, size_t n_bytes, unsigned flags,
                    const struct engine_text_stop *stop, int32_t **ids, size_t *n_ids,
                    struct err *err)
{
    return engine_tokenize_most(m, text, n_bytes, flags, SIZE_MAX, stop, ids, n_ids, err);
}

int engine_tokenize_most(const struct engine_model *m, const char *text, size_t n_bytes,
                         unsigned flags, size_t most, const struct engine_text_stop *stop,
                         int32_t **ids, size_t *n_ids, struct err *err)
{
    const struct tok_stop asks = {stop ? stop->is_asked : NULL, stop ? stop->arg : NULL};

    return tok_encode_most(m->tok, text, n_bytes, flags, most, stop ? &asks : NULL, ids, n_ids,
                           err);
}

bool engine_is_eog(const struct engine_model *m, int32_t id)
{
    return tok_is_eog(m->tok, id);
}

int32_t engine_token_bos(const struct engine_model *m)
{
    return tok_bos(m->tok);
}

int32_t engine_token_eos(const struct engine_model *m)
{
    return tok_eos(m->tok);
}

int engine_token_bytes(const struct engine_model *m, int32_t id, bool special, struct buf *out)
{
    return tok_piece(m->tok, id, special, out);
}

bool engine_token_is_control(const struct engine_model *m, int32_t id)
{
    enum tok_kind kind = tok_kind(m->tok, id);

    return kind == TOK_CONTROL || kind == TOK_UNKNOWN;
}

struct engine_detok {
    struct tok_stream stream;
};

int engine_detok_create(const struct engine_model *m, bool special, bool strip_blank,
                        struct engine_detok **out, struct err *err)
{
    struct engine_detok *d = malloc(sizeof *d);

    if (!d)
        return err_no_memory(err, sizeof *d, "a stream of text");
    tok_stream_init(&d->stream, m->tok, special, strip_blank);
    *out = d;
    return 0;
}

int engine_detok_put(struct engine_detok *d, int32_t id, struct buf *out)
{
    return tok_stream_put(&d->stream, id, out);
}

int engine_detok_end(struct engine_detok *d, struct buf *out)
{
    return tok_stream_end(&d->stream, out);
}

void engine_detok_free(struct engine_detok *d)
{
    free(d);
}

/* ---- a tokenizer alone --------------------------------------------------- */

struct engine_vocab {
    struct gguf *gguf;
    struct tok *tok;
};

int engine_vocab_open_files(struct gguf_files *files, struct engine_vocab **out, struct err *err)
{
    struct engine_vocab *v = calloc(1, sizeof *v);
    int rc;

    if (!v)
        return err_no_memory(err, sizeof *v, "the vocabulary");
    rc = gguf_open_files(files, &v->gguf, err);
    if (!rc)
        rc = tok_create(v->gguf, &v->tok, err);
    if (rc) {
        engine_vocab_close(v);
        return rc;
    }
    *out = v;
    return 0;
}

void engine_vocab_close(struct engine_vocab *v)
{
    if (!v)
        return;
    tok_free(v->tok);
    gguf_close(v->gguf);
    free(v);
}

int engine_vocab_tokenize(const struct engine_vocab *v, const char *text, size_t n_bytes,
                          unsigned flags, int32_t **ids, size_t *n_ids, struct err *err)
{
    return tok_encode(v->tok, text, n_bytes, flags, ids, n_ids, err);
}

/* Does encoding put a blank before a text? WordPiece does, and SPM unless the file says otherwise.
 */
static bool adds_blank(const struct engine_vocab *v)
{
    bool adds = strcmp(tok_model_name(v->tok), "spm") == 0;

    if (strcmp(tok_model_name(v->tok), "wpm") == 0)
        return true;
    gguf_get_bool(v->gguf, "tokenizer.ggml.add_space_prefix", &adds, NULL);
    return adds;
}

/* The bytes as they are, also where they are no UTF-8, less the blank that encoding put before. */
int engine_vocab_detokenize(const struct engine_vocab *v, const int32_t *ids, size_t n_ids,
                            bool special, struct buf *out, struct err *err)
{
    bool strip = adds_blank(v);
    struct buf piece;

    buf_init(&piece, TOK_MAX_TOKEN_BYTES);
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= tok_n_vocab(v->tok)) {
            buf_done(&piece);
            return err_set(err, ERR_INVALID, "id %zu is %d, but the vocabulary has %u tokens",
                           i + 1, ids[i], tok_n_vocab(v->tok));
        }
        buf_clear(&piece);
        if (tok_piece(v->tok, ids[i], special, &piece))
            buf_lose(out);
        if (piece.len > 0) {
            size_t skip = strip && piece.data[0] == ' ';

            buf_put(out, piece.data + skip, piece.len - skip);
            strip = false;
        }
    }
    buf_done(&piece);
    if (buf_failed(out) && !buf_is_over(out))
        return err_no_memory(err, out->len, "the tokens' text");
    if (buf_failed(out))
        return err_set(err, ERR_LIMIT, "the text of %zu tokens passes %zu bytes", n_ids, out->max);
    return 0;
}
