/*
 * spm.c - SentencePiece's BPE as GGUF files of the model "llama" define it.
 *
 * Blanks are spelled as U+2581; the text starts as single characters; of all neighbours that make a
 * token, those of the highest score are joined first. A character that is no token becomes its
 * bytes. Source: the SentencePiece paper (Kudo and Richardson, 2018) and its published model
 * format.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tok/bytes.h"
#include "engine/tok/impl.h"
#include "base/utf8.h"

#define KEY_SCORES "tokenizer.ggml.scores"

/* Maps floats to integers in the reverse order; equal floats (0 and -0) to equal integers. */
static uint32_t rank_of(float score)
{
    uint32_t bits;

    score += 0.0f;
    memcpy(&bits, &score, sizeof(bits));
    return bits & 0x80000000u ? bits : ~bits & 0x7FFFFFFFu;
}

static int read_scores(struct tok *t, const struct gguf *g, struct err *err)
{
    struct gguf_array a;
    int rc = gguf_get_array(g, KEY_SCORES, GGUF_F32, &a, err);

    if (rc)
        return rc;
    if (a.n != t->vocab.n)
        return err_set(err, ERR_INVALID,
                       "%s: " KEY_SCORES " has %" PRIu64
                       " elements, tokenizer.ggml.tokens %" PRIu32,
                       gguf_name(g), a.n, t->vocab.n);
    t->ranks = malloc(t->vocab.n * sizeof(*t->ranks));
    if (!t->ranks)
        return err_no_memory(err, t->vocab.n * sizeof(*t->ranks), "the ranks of tokens");
    for (uint32_t i = 0; i < t->vocab.n; i++) {
        float score = gguf_array_f32(&a, i);

        if (isnan(score))
            return err_set(err, ERR_INVALID,
                           "%s: " KEY_SCORES " gives token %" PRIu32 " a score that is no number",
                           gguf_name(g), i);
        t->ranks[i] = rank_of(score);
    }
    return 0;
}

int spm_read(struct tok *t, const struct gguf *g, struct err *err)
{
    for (uint32_t i = 0; i < t->vocab.n; i++) {
        int byte = bytes_named(t->vocab.texts[i].bytes, t->vocab.texts[i].len);

        if (byte >= 0 && (t->vocab.kinds[i] == TOK_BYTE || !t->vocab.kinds_given)) {
            t->vocab.kinds[i] = TOK_BYTE;
            t->byte_ids[byte] = (int32_t)i;
        }
    }
    return read_scores(t, g, err);
}

struct spm_text {
    const struct tok *tok;
    const char *bytes;
};

static bool join(const void *arg, const struct merge_sym *left, const struct merge_sym *right,
                 uint32_t *rank, int32_t *id)
{
    const struct spm_text *s = arg;

    *id = vocab_find(&s->tok->vocab, s->bytes + left->start, (size_t)left->len + right->len);
    if (*id == TOK_NONE || !tok_is_text(s->tok, *id))
        return false;
    *rank = s->tok->ranks[*id];
    return true;
}

/* Copies the text with its blanks spelled out; the bytes it has then. */
static size_t spell_blanks(char *dst, const char *text, size_t n, bool blank)
{
    size_t len = 0;

    for (size_t i = 0; i < n + blank; i++) {
        char c = blank ? (i == 0 ? ' ' : text[i - 1]) : text[i];

        if (c == ' ') {
            memcpy(dst + len, SPM_BLANK, SPM_BLANK_BYTES);
            len += SPM_BLANK_BYTES;
        } else {
            dst[len++] = c;
        }
    }
    return len;
}

/* A character that was joined to nothing: its own token, else its bytes, else the unknown token. */
static int put_character(const struct tok *t, const char *bytes, uint32_t len, struct ids *ids)
{
    int32_t id = vocab_find(&t->vocab, bytes, len);
    int rc = 0;

    if (id != TOK_NONE && tok_is_text(t, id))
        return ids_put(ids, id);
    for (uint32_t i = 0; i < len; i++) {
        if (t->byte_ids[(uint8_t)bytes[i]] == TOK_NONE)
            return t->unk == TOK_NONE ? 0 : ids_put(ids, t->unk);
    }
    for (uint32_t i = 0; i < len && rc == 0; i++)
        rc = ids_put(ids, t->byte_ids[(uint8_t)bytes[i]]);
    return rc;
}

/* One symbol a character; bytes that are no UTF-8 stand alone. 0, ERR_NO_MEMORY or ERR_CANCELLED.
 */
static int add_characters(struct encode_work *w, const char *bytes, size_t n)
{
    merge_begin(&w->merge);
    for (size_t i = 0; i < n;) {
        int len = utf8_len(bytes + i, n - i);

        if (len <= 0)
            len = 1;
        if (steps_ended(&w->steps))
            return ERR_CANCELLED;
        if (merge_add(&w->merge, (uint32_t)i, (uint32_t)len, TOK_NONE) != 0)
            return ERR_NO_MEMORY;
        i += (size_t)len;
    }
    return 0;
}

/* What is left once all is joined. 0, ERR_NO_MEMORY or ERR_CANCELLED. */
static int put_symbols(const struct tok *t, struct encode_work *w, struct ids *ids)
{
    int rc = 0;

    for (int32_t i = w->merge.n_syms ? 0 : -1; i >= 0 && rc == 0; i = w->merge.syms[i].next) {
        const struct merge_sym *sym = &w->merge.syms[i];

        if (steps_ended(&w->steps))
            return ERR_CANCELLED;
        rc = sym->id != TOK_NONE ? ids_put(ids, sym->id)
                                 : put_character(t, w->text + sym->start, sym->len, ids);
    }
    return rc ? ERR_NO_MEMORY : 0;
}

int spm_encode(const struct tok *t, struct encode_work *w, const char *text, size_t n, bool blank,
               struct ids *ids, struct err *err)
{
    size_t room = SPM_BLANK_BYTES * (n + 1), len;
    struct spm_text s = {t, NULL};
    struct merge_rule rule = {join, &s};
    int rc;

    if (encode_room(w, room) != 0)
        return err_no_memory(err, room, "a text to encode");
    len = spell_blanks(w->text, text, n, blank);
    if (len > INT32_MAX)
        return err_set(err, ERR_LIMIT,
                       "a text to encode has %zu bytes with its blanks spelled out, the most is %d",
                       len, INT32_MAX);
    s.bytes = w->text;
    rc = add_characters(w, w->text, len);
    if (rc == 0)
        rc = merge_run(&w->merge, &rule, &w->steps);
    if (rc)
        return encode_failed(rc, len * sizeof(struct merge_sym), "the symbols of a text", err);
    rc = put_symbols(t, w, ids);
    return rc ? encode_failed(rc, ids->n * sizeof(*ids->v), "the tokens of a text", err) : 0;
}
