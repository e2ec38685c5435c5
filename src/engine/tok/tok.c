/*
 * tok.c - builds a tokenizer from a file's metadata, answers questions about it, and encodes.
 *
 * Owns the tables; the tokens' texts stay in the view's mapping. Refuses models and pre-tokenisers
 * it does not know and metadata that contradicts itself. Encoding takes the special tokens out
 * first (special.h) and gives what lies between to spm.c, bpe.c or wpm.c. Source of the keys: the
 * GGUF specification.
 */
#include "engine/tok/tok.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/tok/impl.h"

#define KEY(name) "tokenizer.ggml." name

int tok_read_id(const struct tok *t, const struct gguf *g, const char *key, int32_t *out,
                struct err *err)
{
    uint32_t v = 0;
    int rc;

    *out = TOK_NONE;
    if (!gguf_has(g, key))
        return 0;
    rc = gguf_get_u32(g, key, &v, err);
    if (rc || v == UINT32_MAX)
        return rc;
    if (v >= t->vocab.n)
        return err_set(err, ERR_INVALID,
                       "%s: the key '%s' is %" PRIu32 ", but the vocabulary has %" PRIu32 " tokens",
                       gguf_name(g), key, v, t->vocab.n);
    *out = (int32_t)v;
    return 0;
}

int tok_read_flag(const struct gguf *g, const char *key, bool *out, struct err *err)
{
    return gguf_has(g, key) ? gguf_get_bool(g, key, out, err) : 0;
}

/* A file without kinds: bos, eos and the unknown token are what they are called. */
static void guess_kinds(struct tok *t)
{
    if (t->vocab.kinds_given)
        return;
    if (t->unk != TOK_NONE)
        t->vocab.kinds[t->unk] = TOK_UNKNOWN;
    if (t->bos != TOK_NONE)
        t->vocab.kinds[t->bos] = TOK_CONTROL;
    if (t->eos != TOK_NONE)
        t->vocab.kinds[t->eos] = TOK_CONTROL;
}

/*
 * The id under a key; of SPM, where the file has no such key, the one that SentencePiece gives it
 * by default (its trainer's unk_id, bos_id, eos_id; llama.cpp's default for these files, too) if
 * that token can be it.
 */
static int read_usual_id(const struct tok *t, const struct gguf *g, const char *key, uint32_t usual,
                         enum tok_kind kind, int32_t *out, struct err *err)
{
    if (t->model != TOK_SPM || gguf_has(g, key))
        return tok_read_id(t, g, key, out, err);
    *out = TOK_NONE;
    if (usual < t->vocab.n && (!t->vocab.kinds_given || t->vocab.kinds[usual] == kind))
        *out = (int32_t)usual;
    return 0;
}

static int read_ids(struct tok *t, const struct gguf *g, struct err *err)
{
    int rc = read_usual_id(t, g, KEY("bos_token_id"), 1, TOK_CONTROL, &t->bos, err);

    if (rc == 0)
        rc = read_usual_id(t, g, KEY("eos_token_id"), 2, TOK_CONTROL, &t->eos, err);
    if (rc == 0)
        rc = read_usual_id(t, g, KEY("unknown_token_id"), 0, TOK_UNKNOWN, &t->unk, err);
    if (rc == 0 && t->model == TOK_WPM)
        rc = wpm_read(t, g, err);
    if (rc == 0)
        guess_kinds(t);
    return rc;
}

/* The flags; a flag that the file sets needs its token, a custom one gives way without it. */
static int read_flags(struct tok *t, const struct gguf *g, struct err *err)
{
    int rc;

    t->adds_bos = t->bos != TOK_NONE && (t->model != TOK_BPE || t->pre.def->adds_bos);
    t->adds_blank = t->model != TOK_BPE;
    rc = tok_read_flag(g, KEY("add_bos_token"), &t->adds_bos, err);
    if (rc == 0 && t->model != TOK_WPM) /* whose own key wpm_read has read */
        rc = tok_read_flag(g, KEY("add_eos_token"), &t->adds_eos, err);
    if (rc == 0 && t->model == TOK_SPM)
        rc = tok_read_flag(g, KEY("add_space_prefix"), &t->adds_blank, err);
    if (rc)
        return rc;
    if ((t->adds_bos && t->bos == TOK_NONE) || (t->adds_eos && t->eos == TOK_NONE))
        return err_set(
            err, ERR_INVALID, "%s: the key '%s' is true, but no such token is named", gguf_name(g),
            t->adds_bos && t->bos == TOK_NONE ? KEY("add_bos_token") : KEY("add_eos_token"));
    return 0;
}

/* Names in tokenizer.ggml.model, and what is shown of them. */
static const struct model_name {
    const char *key, *shown;
} model_names[] = {
    [TOK_SPM] = {"llama", "spm"}, [TOK_BPE] = {"gpt2", "bpe"}, [TOK_WPM] = {"bert", "wpm"}};

static int read_model(struct tok *t, const struct gguf *g, struct err *err)
{
    char shown[GGUF_SHOWN_BYTES];
    struct gguf_str name;
    int rc = gguf_get_str(g, KEY("model"), &name, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < sizeof model_names / sizeof model_names[0]; i++) {
        if (name.len == strlen(model_names[i].key) &&
            memcmp(name.bytes, model_names[i].key, name.len) == 0) {
            t->model = (enum tok_model)i;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "%s: the tokenizer model '%s' is unknown; known are 'llama' (SPM), 'gpt2' "
                   "(byte-level BPE) and 'bert' (WordPiece)",
                   gguf_name(g), gguf_show(name, shown));
}

static int read_all(struct tok *t, const struct gguf *g, struct err *err)
{
    int rc = read_model(t, g, err);

    if (rc == 0)
        rc = vocab_read(&t->vocab, g, err);
    if (rc == 0)
        rc = read_ids(t, g, err);
    if (rc == 0)
        rc = ends_read(t, g, err); /* before the rest: it may make control tokens of words */
    if (rc == 0)
        rc = t->model == TOK_BPE   ? bpe_read(t, g, err)
             : t->model == TOK_SPM ? spm_read(t, g, err)
                                   : 0;
    if (rc == 0)
        rc = read_flags(t, g, err);
    if (rc == 0)
        rc = special_build(&t->specials, &t->vocab, gguf_name(g), err);
    return rc;
}

int tok_create(const struct gguf *g, struct tok **out, struct err *err)
{
    struct tok *t = calloc(1, sizeof(*t));
    int rc;

    if (!t)
        return err_no_memory(err, sizeof(*t), "a tokenizer");
    memset(t->byte_ids, 0xFF, sizeof(t->byte_ids)); /* TOK_NONE */
    rc = read_all(t, g, err);
    if (rc == 0)
        *out = t;
    else
        tok_free(t);
    return rc;
}

void tok_free(struct tok *t)
{
    if (!t)
        return;
    special_done(&t->specials);
    pre_done(&t->pre);
    free(t->merges.slots);
    free(t->ranks);
    free(t->eog);
    vocab_done(&t->vocab);
    free(t);
}

uint64_t tok_memory_bytes(const struct tok *t)
{
    uint64_t bytes = sizeof *t + vocab_memory_bytes(&t->vocab) + t->vocab.n * sizeof *t->eog +
                     t->specials.n * sizeof *t->specials.v;

    if (t->ranks)
        bytes += t->vocab.n * sizeof *t->ranks;
    if (t->merges.slots)
        bytes += (t->merges.slot_mask + 1) * sizeof *t->merges.slots;
    return bytes;
}

uint32_t tok_longest(const struct tok *t)
{
    if (t->model == TOK_WPM)
        return 0;
    for (size_t i = 0; i < 256; i++)
        if (t->byte_ids[i] == TOK_NONE && t->unk == TOK_NONE)
            return 0;
    return t->vocab.max_bytes > UTF8_MAX_BYTES ? t->vocab.max_bytes : UTF8_MAX_BYTES;
}

uint32_t tok_n_vocab(const struct tok *t)
{
    return t->vocab.n;
}

const char *tok_model_name(const struct tok *t)
{
    return model_names[t->model].shown;
}

const char *tok_pre_name(const struct tok *t)
{
    return t->model == TOK_BPE ? t->pre.name : "";
}

bool tok_lacks_pre(const struct tok *t)
{
    return t->lacks_pre;
}

int32_t tok_bos(const struct tok *t)
{
    return t->bos;
}

int32_t tok_eos(const struct tok *t)
{
    return t->eos;
}

int32_t tok_unk(const struct tok *t)
{
    return t->unk;
}

bool tok_adds_bos(const struct tok *t)
{
    return t->adds_bos;
}

bool tok_adds_eos(const struct tok *t)
{
    return t->adds_eos;
}

static void check_id(const struct tok *t, int32_t id)
{
    if (id < 0 || (uint32_t)id >= t->vocab.n)
        BUG("token id %" PRId32 " of %" PRIu32, id, t->vocab.n);
}

bool tok_is_eog(const struct tok *t, int32_t id)
{
    check_id(t, id);
    return t->eog[id] != 0;
}

enum tok_kind tok_kind(const struct tok *t, int32_t id)
{
    check_id(t, id);
    return (enum tok_kind)t->vocab.kinds[id];
}

struct gguf_str tok_text(const struct tok *t, int32_t id)
{
    check_id(t, id);
    return t->vocab.texts[id];
}

int32_t tok_find(const struct tok *t, const char *bytes, size_t n)
{
    return vocab_find(&t->vocab, bytes, n);
}

int encode_room(struct encode_work *w, size_t n)
{
    char *grown;

    if (n <= w->cap_text)
        return 0;
    grown = realloc(w->text, n);
    if (!grown)
        return -1;
    w->text = grown;
    w->cap_text = n;
    return 0;
}

int encode_failed(int rc, size_t size_bytes, const char *what, struct err *err)
{
    if (rc == ERR_CANCELLED)
        return err_set(err, ERR_CANCELLED, "the encoding of a text was given up");
    return err_no_memory(err, size_bytes, what);
}

/* One stretch between special tokens. */
static int encode_plain(const struct tok *t, struct encode_work *w, const char *text, size_t n,
                        bool first, struct ids *ids, struct err *err)
{
    if (n == 0)
        return 0;
    if (t->model == TOK_BPE)
        return bpe_encode(t, w, text, n, ids, err);
    if (t->model == TOK_WPM)
        return wpm_encode(t, w, text, n, ids, err);
    return spm_encode(t, w, text, n, t->adds_blank && first, ids, err);
}

static int put(struct ids *ids, int32_t id, struct err *err)
{
    return ids_put(ids, id) == 0 ? 0 : err_no_memory(err, ids->n, "the tokens of a text");
}

/* `first` is true at the start of the text and behind each special token. */
static int encode_text(const struct tok *t, struct encode_work *w, const char *text, size_t n,
                       bool control, struct ids *ids, struct err *err)
{
    size_t start = 0, i = 0;
    bool first = true;
    int rc;

    while (i < n) {
        const struct special *s = special_at(&t->specials, text + i, n - i, control);

        if (steps_ended(&w->steps))
            return encode_failed(ERR_CANCELLED, 0, "", err);
        if (!s) {
            i++;
            continue;
        }
        rc = encode_plain(t, w, text + start, i - start, first, ids, err);
        if (rc == 0)
            rc = put(ids, s->id, err);
        if (rc || ids_too_many(ids))
            return rc;
        i += s->text.len;
        start = i;
        first = true;
    }
    return encode_plain(t, w, text + start, n - start, first, ids, err);
}

int tok_encode(const struct tok *t, const char *text, size_t n, unsigned flags, int32_t **ids,
               size_t *n_ids, struct err *err)
{
    return tok_encode_most(t, text, n, flags, SIZE_MAX, NULL, ids, n_ids, err);
}

int tok_encode_most(const struct tok *t, const char *text, size_t n, unsigned flags, size_t most,
                    const struct tok_stop *stop, int32_t **ids, size_t *n_ids, struct err *err)
{
    bool control = flags & TOK_PARSE_SPECIAL;
    struct encode_work w = {.steps = {.stop = stop}};
    struct ids found = {.most = most};
    int rc = 0;

    if (n > INT32_MAX)
        return err_set(err, ERR_LIMIT, "a text to encode has %zu bytes, the most is %d", n,
                       INT32_MAX);
    if (n == 0)
        text = ""; /* NULL is fine then */
    if ((flags & TOK_ADD_BOS) && t->adds_bos)
        rc = put(&found, t->bos, err);
    if (rc == 0)
        rc = encode_text(t, &w, text, n, control, &found, err);
    if (rc == 0 && (flags & TOK_ADD_EOS) && t->adds_eos)
        rc = put(&found, t->eos, err);
    if (rc == 0 && !found.v) {
        found.v = malloc(sizeof(*found.v)); /* an empty answer is freed like any other */
        if (!found.v)
            rc = err_no_memory(err, sizeof(*found.v), "the tokens of a text");
    }
    merge_done(&w.merge);
    pre_work_done(&w.pre);
    free(w.text);
    if (rc) {
        free(found.v);
        return rc;
    }
    *ids = found.v;
    *n_ids = found.n;
    return 0;
}
