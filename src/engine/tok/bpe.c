/*
 * bpe.c - byte-level BPE as GGUF files of the model "gpt2" define it.
 *
 * The pre-tokeniser cuts the text into words; a word starts as its bytes; of all neighbours that
 * the file's list of merges joins, those that stand first in it are joined first. Since every token
 * is known by its id, a merge is a pair of ids. Source: Sennrich, Haddow and Birch, 2016; the
 * published GPT-2 encoder for the alphabet of bytes.
 */
#include "engine/tok/bpe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tok/bytes.h"
#include "engine/tok/impl.h"
#include "base/utf8.h"

#define KEY_MERGES "tokenizer.ggml.merges"
#define KEY_PRE    "tokenizer.ggml.pre"
/* What llama.cpp takes where a file names none, and what Ollama's converter writes where it does
 * not know the model's own (its convert/tokenizer.go). */
#define UNKNOWN_PRE "default"
#define FREE        UINT64_MAX
#define ENOUGH      1 /* more tokens than anybody wants: no error */

static uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static struct merge_slot *first_slot(const struct merges *m, uint64_t seed, uint64_t pair)
{
    return &m->slots[(vocab_mix(pair, seed) >> 32) & m->slot_mask];
}

/* The slot that holds the pair, or the free one where it belongs. */
static struct merge_slot *find_slot(const struct merges *m, uint64_t seed, uint64_t pair)
{
    struct merge_slot *slot = first_slot(m, seed, pair), *end = m->slots + m->slot_mask;

    while (slot->pair != FREE && slot->pair != pair)
        slot = slot == end ? m->slots : slot + 1;
    return slot;
}

static int bad_merge(const struct gguf *g, uint64_t i, const struct gguf_str *text, const char *why,
                     struct err *err)
{
    char shown[GGUF_SHOWN_BYTES];

    return err_set(err, ERR_INVALID, "%s: " KEY_MERGES "[%" PRIu64 "], '%s', %s", gguf_name(g), i,
                   gguf_show(*text, shown), why);
}

/* The blank between the two tokens of a merge, or NULL. */
static const char *find_blank(const struct gguf_str *text)
{
    return text->len > 1 ? memchr(text->bytes + 1, ' ', text->len - 1) : NULL;
}

/* The id of a merge's outcome: in most files the one behind the last outcome, else looked up. */
static int32_t find_outcome(const struct vocab *v, int32_t last, const char *bytes, size_t n)
{
    int32_t next = last + 1;

    if (next > 0 && (uint32_t)next < v->n && v->texts[next].len == n &&
        memcmp(v->texts[next].bytes, bytes, n) == 0)
        return next;
    return vocab_find(v, bytes, n);
}

/* Reads the merge "left right" number i; *outcome: what the one before made, then what it makes. */
static int read_merge(const struct vocab *v, const struct gguf *g, const struct gguf_str *text,
                      uint64_t i, int32_t *outcome, struct merge_slot *out, struct err *err)
{
    char joined[TOK_MAX_TOKEN_BYTES];
    const char *blank = find_blank(text);
    size_t n_left, n_right;
    int32_t left, right;

    if (text->len > sizeof(joined))
        return bad_merge(g, i, text, "is longer than any token may be", err);
    if (!blank)
        return bad_merge(g, i, text, "has no blank between two tokens", err);
    n_left = (size_t)(blank - text->bytes);
    n_right = text->len - n_left - 1;
    memcpy(joined, text->bytes, n_left);
    memcpy(joined + n_left, blank + 1, n_right);
    left = vocab_find(v, joined, n_left);
    right = vocab_find(v, joined + n_left, n_right);
    *outcome = find_outcome(v, *outcome, joined, n_left + n_right);
    if (left == TOK_NONE || right == TOK_NONE || *outcome == TOK_NONE)
        return bad_merge(g, i, text, "names or makes a token that the vocabulary lacks", err);
    *out = (struct merge_slot){pair_of(left, right), (uint32_t)i, *outcome};
    return 0;
}

static void expect_merge(const struct vocab *v, const struct gguf_str *text)
{
    const char *blank = find_blank(text);

    if (!blank)
        return;
    vocab_expect(v, text->bytes, (size_t)(blank - text->bytes));
    vocab_expect(v, blank + 1, text->len - 1 - (size_t)(blank - text->bytes));
}

static int read_list(const struct vocab *v, const struct gguf *g, const struct gguf_array *a,
                     struct merge_slot *list, struct err *err)
{
    struct gguf_strings strings = gguf_strings_of(a), ahead = strings;
    struct gguf_str text;
    int32_t outcome = TOK_NONE;
    int rc = 0;

    for (int i = 0; i < VOCAB_AHEAD && gguf_strings_next(&ahead, &text); i++)
        expect_merge(v, &text);
    for (uint64_t i = 0; i < a->n && rc == 0; i++) {
        if (gguf_strings_next(&ahead, &text))
            expect_merge(v, &text);
        if (!gguf_strings_next(&strings, &text))
            return err_set(err, ERR_IO, "%s: " KEY_MERGES " has changed while it was read",
                           gguf_name(g));
        rc = read_merge(v, g, &text, i, &outcome, &list[i], err);
    }
    return rc;
}

/* Hashes n merges; of two for the same pair the first counts. None makes a control token. */
static int hash_merges(struct tok *t, const struct merge_slot *list, uint64_t n, struct err *err)
{
    uint64_t n_slots = vocab_table_size(n), size_bytes = n_slots * sizeof(*list);
    struct merges *m = &t->merges;

    m->slots = malloc(size_bytes);
    if (!m->slots)
        return err_no_memory(err, size_bytes, "the hash of merges");
    memset(m->slots, 0xFF, size_bytes); /* every pair is FREE */
    m->slot_mask = n_slots - 1;
    for (uint64_t i = 0; i < n; i++) {
        struct merge_slot *slot;

        if (i + VOCAB_AHEAD < n)
            __builtin_prefetch(first_slot(m, t->vocab.seed, list[i + VOCAB_AHEAD].pair));
        slot = find_slot(m, t->vocab.seed, list[i].pair);
        if (slot->pair == FREE && tok_is_text(t, list[i].id))
            *slot = list[i];
    }
    return 0;
}

static int read_merges(struct tok *t, const struct gguf *g, struct err *err)
{
    struct merge_slot *list;
    struct gguf_array a;
    int rc = gguf_get_array(g, KEY_MERGES, GGUF_STRING, &a, err);

    if (rc)
        return rc;
    if (a.n / TOK_MAX_TOKEN_MERGES > t->vocab.n)
        return err_set(err, ERR_LIMIT,
                       "%s: " KEY_MERGES " has %" PRIu64 " elements for %" PRIu32
                       " tokens, the most is %d for each",
                       gguf_name(g), a.n, t->vocab.n, TOK_MAX_TOKEN_MERGES);
    list = calloc(a.n ? a.n : 1, sizeof(*list));
    if (!list)
        return err_no_memory(err, a.n * sizeof(*list), "the list of merges");
    rc = read_list(&t->vocab, g, &a, list, err);
    if (rc == 0)
        rc = hash_merges(t, list, a.n, err);
    free(list);
    return rc;
}

int bpe_read(struct tok *t, const struct gguf *g, struct err *err)
{
    const struct gguf_str unknown = {UNKNOWN_PRE, strlen(UNKNOWN_PRE)};
    struct gguf_str name = unknown;
    int rc = 0;

    if (gguf_has(g, KEY_PRE))
        rc = gguf_get_str(g, KEY_PRE, &name, err);
    if (rc)
        return rc;
    t->lacks_pre = name.len == unknown.len && memcmp(name.bytes, unknown.bytes, name.len) == 0;
    rc = pre_create(&t->pre, name, err);
    if (rc) {
        err_prefix(err, "%s: " KEY_PRE, gguf_name(g));
        return rc;
    }
    for (int byte = 0; byte < 256; byte++) {
        char spelled[2];
        int n = utf8_put(bytes_code((uint8_t)byte), spelled);
        int32_t id = vocab_find(&t->vocab, spelled, (size_t)n);

        if (id != TOK_NONE && tok_is_text(t, id))
            t->byte_ids[byte] = id;
    }
    return read_merges(t, g, err);
}

static bool join(const void *arg, const struct merge_sym *left, const struct merge_sym *right,
                 uint32_t *rank, int32_t *id)
{
    const struct tok *t = arg;
    const struct merge_slot *slot;

    if (left->id == TOK_NONE || right->id == TOK_NONE)
        return false;
    slot = find_slot(&t->merges, t->vocab.seed, pair_of(left->id, right->id));
    if (slot->pair == FREE)
        return false;
    *rank = slot->rank;
    *id = slot->id;
    return true;
}

struct bpe_text {
    const struct tok *tok;
    struct encode_work *work;
    struct ids *ids;
    struct err *err;
};

/* The token that spells the whole word, or TOK_NONE. */
static int32_t whole_word(const struct bpe_text *b, const char *bytes, size_t n)
{
    size_t len = 0;
    int32_t id;

    if (n > b->tok->vocab.max_bytes || encode_room(b->work, 2 * n) != 0)
        return TOK_NONE;
    for (size_t i = 0; i < n; i++)
        len += (size_t)utf8_put(bytes_code((uint8_t)bytes[i]), b->work->text + len);
    id = vocab_find(&b->tok->vocab, b->work->text, len);
    return id != TOK_NONE && tok_is_text(b->tok, id) ? id : TOK_NONE;
}

static int put_symbols(const struct bpe_text *b)
{
    const struct merge_work *m = &b->work->merge;

    for (int32_t i = 0; i >= 0; i = m->syms[i].next) {
        int32_t id = m->syms[i].id != TOK_NONE ? m->syms[i].id : b->tok->unk;

        if (steps_ended(&b->work->steps))
            return ERR_CANCELLED;
        /* a byte that the vocabulary lacks is the unknown token, or nothing when there is none */
        if (id != TOK_NONE && ids_put(b->ids, id) != 0)
            return ERR_NO_MEMORY;
    }
    return 0;
}

/* 0, ERR_NO_MEMORY or ERR_CANCELLED. */
static int merge_word(const struct bpe_text *b, const char *bytes, size_t n)
{
    const struct tok *t = b->tok;
    struct merge_work *m = &b->work->merge;
    struct merge_rule rule = {join, t};
    int rc;

    merge_begin(m);
    for (size_t i = 0; i < n; i++) {
        if (steps_ended(&b->work->steps))
            return ERR_CANCELLED;
        if (merge_add(m, (uint32_t)i, 1, t->byte_ids[(uint8_t)bytes[i]]) != 0)
            return ERR_NO_MEMORY;
    }
    rc = merge_run(m, &rule, &b->work->steps);
    return rc ? rc : put_symbols(b);
}

static int encode_word(void *arg, const char *bytes, size_t n)
{
    const struct bpe_text *b = arg;
    int32_t id;
    int rc;

    if (ids_too_many(b->ids))
        return ENOUGH;
    id = b->tok->pre.def->whole_words ? whole_word(b, bytes, n) : TOK_NONE;
    rc = id != TOK_NONE ? ids_put(b->ids, id) : merge_word(b, bytes, n);
    return rc ? encode_failed(rc, n * sizeof(struct merge_sym), "the symbols of a word", b->err)
              : 0;
}

int bpe_encode(const struct tok *t, struct encode_work *w, const char *text, size_t n,
               struct ids *ids, struct err *err)
{
    struct bpe_text b = {t, w, ids, err};
    int rc = pre_split(&t->pre, &w->pre, text, n, encode_word, &b, err);

    return rc == ENOUGH ? 0 : rc;
}
