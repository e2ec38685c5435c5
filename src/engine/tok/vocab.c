/*
 * vocab.c - see vocab.h. Open addressing with linear probing; nothing is allocated per token.
 */
#include "engine/tok/vocab.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"

#define KEY_TOKENS "tokenizer.ggml.tokens"
#define KEY_KINDS  "tokenizer.ggml.token_type"

/* Folds the 128-bit product of two words, one of which no file can know. */
uint64_t vocab_mix(uint64_t number, uint64_t seed)
{
    unsigned __int128 product = (unsigned __int128)(number ^ seed) * (seed | 1);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t vocab_table_size(uint64_t n)
{
    uint64_t size = 2;

    while (size < n + n / 2 + 1)
        size *= 2;
    return size;
}

/* The bytes themselves, or a hash when they are more than 8. */
static uint64_t key_of(uint64_t seed, const char *bytes, size_t n)
{
    uint64_t word = 0, h = n;

    if (n <= sizeof(word)) {
        memcpy(&word, bytes, n);
        return word;
    }
    for (size_t i = 0; i < n; i += sizeof(word)) {
        size_t left = n - i < sizeof(word) ? n - i : sizeof(word);

        word = 0;
        memcpy(&word, bytes + i, left);
        h = vocab_mix(h ^ word, seed);
    }
    return h;
}

static uint64_t first_slot(const struct vocab *v, uint64_t key, size_t n)
{
    return vocab_mix(key + n, v->seed) >> 32;
}

void vocab_expect(const struct vocab *v, const char *bytes, size_t n)
{
    uint64_t i = first_slot(v, key_of(v->seed, bytes, n), n);

    __builtin_prefetch(&v->slots[i & v->slot_mask]);
}

/* The slot that holds the text, or the free one where it belongs. */
static struct vocab_slot *find_slot(const struct vocab *v, const char *bytes, size_t n)
{
    uint64_t key = key_of(v->seed, bytes, n), i = first_slot(v, key, n);
    struct vocab_slot *slot = &v->slots[i & v->slot_mask];

    while (slot->id != TOK_NONE) {
        if (slot->key == key && slot->len == n &&
            (n <= sizeof(key) || memcmp(v->texts[slot->id].bytes, bytes, n) == 0))
            break;
        slot = &v->slots[++i & v->slot_mask];
    }
    return slot;
}

int32_t vocab_find(const struct vocab *v, const char *bytes, size_t n)
{
    if (n == 0 || n > v->max_bytes)
        return TOK_NONE;
    return find_slot(v, bytes, n)->id;
}

static int read_kinds(struct vocab *v, const struct gguf *g, struct err *err)
{
    struct gguf_array a;
    int rc;

    v->kinds = malloc(v->n);
    if (!v->kinds)
        return err_no_memory(err, v->n, "the kinds of tokens");
    memset(v->kinds, TOK_NORMAL, v->n);
    if (!gguf_has(g, KEY_KINDS))
        return 0;
    rc = gguf_get_array(g, KEY_KINDS, GGUF_I32, &a, err);
    if (rc)
        return rc;
    if (a.n != v->n)
        return err_set(err, ERR_INVALID,
                       "%s: " KEY_KINDS " has %" PRIu64 " elements, " KEY_TOKENS " %" PRIu32,
                       gguf_name(g), a.n, v->n);
    v->kinds_given = true;
    for (uint32_t i = 0; i < v->n; i++) {
        int64_t kind = gguf_array_int(&a, i);

        if (kind < 0 || kind > TOK_BYTE)
            return err_set(err, ERR_INVALID,
                           "%s: " KEY_KINDS " gives token %" PRIu32 " the kind %" PRId64
                           "; 0 to %d are known",
                           gguf_name(g), i, kind, TOK_BYTE);
        if (kind != 0) /* 0 is "undefined": a normal token */
            v->kinds[i] = (uint8_t)kind;
    }
    return 0;
}

static int insert(struct vocab *v, const struct gguf *g, uint32_t id, struct err *err)
{
    const struct gguf_str *text = &v->texts[id];
    char shown[GGUF_SHOWN_BYTES];
    struct vocab_slot *slot;

    if (text->len > TOK_MAX_TOKEN_BYTES)
        return err_set(err, ERR_LIMIT,
                       "%s: token %" PRIu32 " of " KEY_TOKENS " has %" PRIu64
                       " bytes, the most is %d",
                       gguf_name(g), id, text->len, TOK_MAX_TOKEN_BYTES);
    if (text->len == 0)
        return 0;
    slot = find_slot(v, text->bytes, text->len);
    if (slot->id != TOK_NONE)
        return err_set(err, ERR_INVALID,
                       "%s: tokens %" PRId32 " and %" PRIu32 " of " KEY_TOKENS " are both '%s'",
                       gguf_name(g), slot->id, id, gguf_show(*text, shown));
    slot->key = key_of(v->seed, text->bytes, text->len);
    slot->len = (uint32_t)text->len;
    slot->id = (int32_t)id;
    if (text->len > v->max_bytes)
        v->max_bytes = (uint32_t)text->len;
    return 0;
}

static int read_texts(struct vocab *v, const struct gguf *g, const struct gguf_array *a,
                      struct err *err)
{
    struct gguf_strings strings = gguf_strings_of(a);

    v->texts = calloc(v->n, sizeof *v->texts);
    if (!v->texts)
        return err_no_memory(err, v->n * sizeof *v->texts, "the texts of tokens");
    for (uint32_t i = 0; i < v->n; i++)
        if (!gguf_strings_next(&strings, &v->texts[i]))
            return err_set(err, ERR_IO, "%s: " KEY_TOKENS " has changed while it was read",
                           gguf_name(g));
    return 0;
}

int vocab_read(struct vocab *v, const struct gguf *g, struct err *err)
{
    struct gguf_array a;
    uint64_t n_slots;
    int rc = gguf_get_array(g, KEY_TOKENS, GGUF_STRING, &a, err);

    if (rc)
        return rc;
    if (a.n == 0)
        return err_set(err, ERR_INVALID, "%s: " KEY_TOKENS " has no elements", gguf_name(g));
    if (a.n > TOK_MAX_VOCAB)
        return err_set(err, ERR_LIMIT,
                       "%s: " KEY_TOKENS " has %" PRIu64 " elements, the most is %u", gguf_name(g),
                       a.n, TOK_MAX_VOCAB);
    v->n = (uint32_t)a.n;
    v->seed = random_u64();
    rc = read_texts(v, g, &a, err);
    if (rc)
        return rc;
    n_slots = vocab_table_size(a.n);
    v->slots = malloc(n_slots * sizeof(*v->slots));
    if (!v->slots)
        return err_no_memory(err, n_slots * sizeof(*v->slots), "the hash of tokens");
    memset(v->slots, 0xFF, n_slots * sizeof(*v->slots)); /* every id is TOK_NONE */
    v->slot_mask = n_slots - 1;
    rc = read_kinds(v, g, err);
    for (uint32_t i = 0; i < v->n && rc == 0; i++) {
        if (i + VOCAB_AHEAD < v->n)
            vocab_expect(v, v->texts[i + VOCAB_AHEAD].bytes, v->texts[i + VOCAB_AHEAD].len);
        rc = insert(v, g, i, err);
    }
    return rc;
}

void vocab_done(struct vocab *v)
{
    free(v->texts);
    free(v->kinds);
    free(v->slots);
}

uint64_t vocab_memory_bytes(const struct vocab *v)
{
    return v->n * (uint64_t)(sizeof *v->texts + sizeof *v->kinds) +
           (v->slot_mask + 1) * sizeof *v->slots;
}
