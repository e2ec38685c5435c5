/*
 * wpm.c - WordPiece as GGUF files of the model "bert" define it: words cut into the longest pieces
 * there are, from the left.
 *
 * The vocabulary spells pieces that begin a word with U+2581 before them, and others bare. A word
 * that cannot be cut to its end, or is too long, is the unknown token. A text stands between [CLS]
 * and [SEP]. Source: Wu et al. 2016; BERT's tokenization.py (Devlin et al. 2018); the limit of a
 * word's length is that of the tokenizer.json of published embedding models.
 */
#include <string.h>

#include "engine/tok/impl.h"
#include "base/utf8.h"

#define KEY(name)      "tokenizer.ggml." name
#define WORD_MAX_CHARS 100
#define WORD_MAX_BYTES (SPM_BLANK_BYTES + WORD_MAX_CHARS * UTF8_MAX_BYTES)

/* ---- reading ------------------------------------------------------------- */

/* *id, if there is none yet: by key, else by how the token is spelled. */
static int name_token(struct tok *t, const struct gguf *g, const char *key, const char *text,
                      int32_t *id, struct err *err)
{
    int32_t named;
    int rc = tok_read_id(t, g, key, &named, err);

    if (rc == 0 && named != TOK_NONE)
        *id = named;
    if (*id == TOK_NONE)
        *id = vocab_find(&t->vocab, text, strlen(text));
    return rc;
}

/* Are there pieces with a capital letter of ASCII? Names in brackets are no pieces. */
static bool has_capitals(const struct vocab *v)
{
    for (uint32_t i = 0; i < v->n; i++) {
        const struct gguf_str *s = &v->texts[i];

        if (v->kinds[i] != TOK_NORMAL || (s->len > 0 && s->bytes[0] == '['))
            continue;
        for (uint64_t j = 0; j < s->len; j++)
            if (s->bytes[j] >= 'A' && s->bytes[j] <= 'Z')
                return true;
    }
    return false;
}

int wpm_read(struct tok *t, const struct gguf *g, struct err *err)
{
    bool cased = has_capitals(&t->vocab);
    int rc = name_token(t, g, KEY("cls_token_id"), "[CLS]", &t->bos, err);

    if (rc == 0) /* spelled so in the specification */
        rc = name_token(t, g, KEY("seperator_token_id"), "[SEP]", &t->eos, err);
    if (rc == 0)
        rc = name_token(t, g, KEY("unknown_token_id"), "[UNK]", &t->unk, err);
    t->adds_eos = t->eos != TOK_NONE;
    if (rc == 0)
        rc = tok_read_flag(g, KEY("add_sep_token"), &t->adds_eos, err);
    t->rules.lower = !cased;
    if (rc == 0)
        rc = tok_read_flag(g, KEY("normalizer.lowercase"), &t->rules.lower, err);
    t->rules.strip_accents = t->rules.lower;
    if (rc == 0)
        rc = tok_read_flag(g, KEY("normalizer.strip_accents"), &t->rules.strip_accents, err);
    return rc;
}

/* ---- cutting ------------------------------------------------------------- */

/* The word at hand, with U+2581 before it. Past WORD_MAX_CHARS characters are only counted. */
struct word {
    char bytes[WORD_MAX_BYTES];        /* behind the last character: any */
    uint16_t ends[WORD_MAX_CHARS + 1]; /* of the first i characters, in bytes */
    size_t n_chars;
};

struct cutting {
    const struct tok *tok;
    struct ids *ids;
    struct word word;
};

static void begin_word(struct word *w)
{
    memcpy(w->bytes, SPM_BLANK, SPM_BLANK_BYTES);
    w->ends[0] = SPM_BLANK_BYTES;
    w->n_chars = 0;
}

static void add_to_word(struct word *w, uint32_t code)
{
    if (w->n_chars < WORD_MAX_CHARS) {
        uint16_t end = w->ends[w->n_chars];

        w->ends[w->n_chars + 1] = (uint16_t)(end + utf8_put(code, w->bytes + end));
    }
    w->n_chars++;
}

/* The longest piece from character `from` on; where it ends is put to *to. */
static int32_t longest_piece(const struct tok *t, const struct word *w, size_t from, size_t *to)
{
    size_t start = from == 0 ? 0 : w->ends[from];

    /* a U+2581 of the text's own must not make a piece within a word one that begins words */
    if (from > 0 && memcmp(w->bytes + start, SPM_BLANK, SPM_BLANK_BYTES) == 0)
        return TOK_NONE;
    for (size_t end = w->n_chars; end > from; end--) {
        int32_t id = vocab_find(&t->vocab, w->bytes + start, w->ends[end] - start);

        if (id != TOK_NONE && tok_is_text(t, id)) {
            *to = end;
            return id;
        }
    }
    return TOK_NONE;
}

static int put_pieces(struct cutting *c)
{
    size_t before = c->ids->n, at = 0;

    while (at < c->word.n_chars) {
        int32_t id = longest_piece(c->tok, &c->word, at, &at);

        if (id == TOK_NONE) {
            c->ids->n = before;
            return c->tok->unk == TOK_NONE ? 0 : ids_put(c->ids, c->tok->unk);
        }
        if (ids_put(c->ids, id) != 0)
            return -1;
    }
    return 0;
}

static int end_word(struct cutting *c)
{
    int rc = 0;

    if (c->word.n_chars > WORD_MAX_CHARS)
        rc = c->tok->unk == TOK_NONE ? 0 : ids_put(c->ids, c->tok->unk);
    else if (c->word.n_chars > 0)
        rc = put_pieces(c);
    begin_word(&c->word);
    return rc;
}

/* A character as it is in the text. */
static int take_character(struct cutting *c, uint32_t code)
{
    enum wpm_class kind = wpm_class_of(code);
    uint32_t parts[WPM_PARTS];
    int n, rc = 0;

    if (kind == WPM_DROPPED)
        return 0;
    if (kind == WPM_BLANK)
        return end_word(c);
    n = wpm_change(&c->tok->rules, code, parts);
    for (int i = 0; i < n && rc == 0; i++) {
        bool alone = kind == WPM_ALONE || wpm_class_of(parts[i]) == WPM_ALONE;

        if (alone)
            rc = end_word(c);
        add_to_word(&c->word, parts[i]);
        if (alone && rc == 0)
            rc = end_word(c);
    }
    return rc;
}

int wpm_encode(const struct tok *t, struct encode_work *w, const char *text, size_t n,
               struct ids *ids, struct err *err)
{
    struct cutting c = {.tok = t, .ids = ids};
    int rc = 0;

    begin_word(&c.word);
    for (size_t i = 0; i < n && rc == 0 && !ids_too_many(ids);) {
        int len = utf8_len(text + i, n - i);

        if (steps_ended(&w->steps))
            return encode_failed(ERR_CANCELLED, 0, "", err);
        if (len > 0)
            rc = take_character(&c, utf8_code(text + i, len));
        i += len > 0 ? (size_t)len : 1;
    }
    if (rc == 0)
        rc = end_word(&c);
    return rc ? err_no_memory(err, ids->n * sizeof(*ids->v), "the tokens of a text") : 0;
}
