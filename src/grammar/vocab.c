/* vocab.c - see vocab.h. */
#include "grammar/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "grammar/chars.h"

unsigned vocab_group(unsigned char byte)
{
    /* What stands between the runs of ASCII, in order: 33 signs with the blank. */
    if (byte >= 'a' && byte <= 'z')
        return 0;
    if (byte >= 'A' && byte <= 'Z')
        return 1;
    if (byte >= '0' && byte <= '9')
        return 2;
    if (byte < ' ' || byte == 0x7F)
        return byte == '\t' || byte == '\n' ? 3 : 4;
    if (byte < '0')
        return 5u + byte - ' ';
    if (byte < 'A')
        return 21u + byte - ':';
    return byte < 'a' ? 28u + byte - '[' : 34u + byte - '{';
}

void vocab_ref(struct grammar_vocab *v)
{
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
}

/* All groups of some bytes. */
static uint64_t groups_of(const char *bytes, size_t n)
{
    uint64_t groups = 0;
    uint32_t c;

    for (size_t i = 0, len; i < n; i += len) {
        len = utf8_decode(bytes + i, n - i, &c);
        if (!len)
            return groups | 1ull << VOCAB_GROUP_OTHER;
        groups |= 1ull << (len > 1 ? VOCAB_GROUP_WIDE : vocab_group((unsigned char)bytes[i]));
    }
    return groups;
}

size_t grammar_vocab_words(const struct grammar_vocab *v)
{
    return v->n_words;
}

void grammar_vocab_free(struct grammar_vocab *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t i = 0; i < v->n_parts; i++) {
        free(v->parts[i].words);
        vocab_trie_done(&v->parts[i].rest);
    }
    vocab_trie_done(&v->brief);
    vocab_trie_done(&v->lengthy);
    pthread_mutex_destroy(&v->lock);
    free(v->groups);
    free(v->at);
    free(v->bytes);
    free(v);
}

/* ---- parts ---- */

/* How many short tokens are of these groups only. */
static uint32_t count_of(const struct grammar_vocab *v, uint64_t groups)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < v->brief.n_order; i++)
        n += (v->groups[v->brief.order[i]] & ~groups) == 0;
    return n;
}

static int fill_part(const struct grammar_vocab *v, struct vocab_part *part, uint32_t n)
{
    part->words = calloc((size_t)v->n_words + 1, sizeof *part->words);
    part->rest.order = calloc((size_t)v->brief.n_order - n + 1, sizeof *part->rest.order);
    if (!part->words || !part->rest.order)
        return -1;
    for (uint32_t i = 0; i < v->brief.n_order; i++) {
        uint32_t token = v->brief.order[i];

        if (v->groups[token] & ~part->groups)
            part->rest.order[part->rest.n_order++] = token;
        else
            part->words[token / 64] |= 1ull << token % 64;
    }
    return vocab_trie_build(v, &part->rest);
}

/* Wants the lock. */
static const struct vocab_part *add_part(struct grammar_vocab *v, uint64_t groups)
{
    struct vocab_part *part = &v->parts[v->n_parts];
    uint32_t n = count_of(v, groups);

    *part = (struct vocab_part){.groups = groups};
    if (n > v->brief.n_order / 2 && fill_part(v, part, n)) {
        free(part->words);
        vocab_trie_done(&part->rest);
        part->words = NULL;
    }
    v->n_parts++;
    return part;
}

const struct vocab_part *vocab_part(struct grammar_vocab *v, uint64_t groups)
{
    const struct vocab_part *part = NULL;

    pthread_mutex_lock(&v->lock);
    for (uint32_t i = 0; i < v->n_parts && !part; i++) {
        if (v->parts[i].groups == groups)
            part = &v->parts[i];
    }
    if (!part && v->n_parts < VOCAB_MAX_PARTS)
        part = add_part(v, groups);
    pthread_mutex_unlock(&v->lock);
    return part && part->words ? part : NULL;
}

/* ---- making one ---- */

static int copy_tokens(struct grammar_vocab *v, const struct grammar_token *tokens, size_t n_bytes)
{
    size_t at = 0;

    v->at = calloc((size_t)v->n_tokens + 1, sizeof *v->at);
    v->bytes = malloc(n_bytes + 1);
    v->groups = calloc((size_t)v->n_tokens + 1, sizeof *v->groups);
    v->brief.order = calloc((size_t)v->n_tokens + 1, sizeof *v->brief.order);
    v->lengthy.order = calloc((size_t)v->n_tokens + 1, sizeof *v->lengthy.order);
    if (!v->at || !v->bytes || !v->groups || !v->brief.order || !v->lengthy.order)
        return -1;
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        size_t n = tokens[i].bytes ? tokens[i].n : 0;
        struct vocab_trie *t = n > VOCAB_BRIEF ? &v->lengthy : &v->brief;

        v->at[i] = at;
        if (!n)
            continue;
        memcpy(v->bytes + at, tokens[i].bytes, n);
        v->groups[i] = groups_of(v->bytes + at, n);
        at += n;
        t->order[t->n_order++] = i;
        if (n > v->longest)
            v->longest = (uint32_t)n;
    }
    v->at[v->n_tokens] = at;
    vocab_trie_sort(v, &v->brief);
    vocab_trie_sort(v, &v->lengthy);
    return 0;
}

/* What JSON strings are made of is asked for sooner or later. */
static void expect_strings(struct grammar_vocab *v)
{
    vocab_part(v, ((1ull << VOCAB_GROUP_OTHER) - 1) & ~groups_of("\"\\\n\1", 4));
}

static int check_tokens(const struct grammar_token *tokens, uint32_t n_tokens, size_t *n_bytes,
                        struct err *err)
{
    *n_bytes = 0;
    if (n_tokens > VOCAB_MAX_TOKENS)
        return err_set(err, ERR_LIMIT, "the vocabulary has %u tokens; the most is %u", n_tokens,
                       VOCAB_MAX_TOKENS);
    for (uint32_t i = 0; i < n_tokens; i++) {
        if (tokens[i].n > VOCAB_MAX_TOKEN_BYTES)
            return err_set(err, ERR_LIMIT, "token %u has %zu bytes; the most is %d", i, tokens[i].n,
                           VOCAB_MAX_TOKEN_BYTES);
        *n_bytes += tokens[i].bytes ? tokens[i].n : 0;
    }
    if (*n_bytes > GRAMMAR_MAX_VOCAB_BYTES)
        return err_set(err, ERR_LIMIT,
                       "the vocabulary's tokens have %zu bytes together; the most for answers that "
                       "must have a form is %zu",
                       *n_bytes, GRAMMAR_MAX_VOCAB_BYTES);
    return 0;
}

int grammar_vocab_create(const struct grammar_token *tokens, uint32_t n_tokens,
                         struct grammar_vocab **out, struct err *err)
{
    struct grammar_vocab *v;
    size_t n_bytes;
    int rc = check_tokens(tokens, n_tokens, &n_bytes, err);

    if (rc)
        return rc;
    v = calloc(1, sizeof *v);
    if (!v)
        return err_no_memory(err, sizeof *v, "an index of tokens");
    atomic_init(&v->refs, 1);
    v->n_tokens = n_tokens;
    v->n_words = (n_tokens + 63) / 64;
    pthread_mutex_init(&v->lock, NULL);
    if (copy_tokens(v, tokens, n_bytes) || vocab_trie_build(v, &v->brief) ||
        vocab_trie_build(v, &v->lengthy)) {
        grammar_vocab_free(v);
        return err_no_memory(err, n_bytes * sizeof *v->brief.nodes, "an index of tokens");
    }
    expect_strings(v);
    *out = v;
    return 0;
}
