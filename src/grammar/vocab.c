/* vocab.c - see vocab.h. */
#include "grammar/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "grammar/utf8.h"

struct sorter {
    const struct grammar_vocab *v;
};

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

void grammar_vocab_free(struct grammar_vocab *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) > 1)
        return;
    free(v->nodes);
    free(v->order);
    free(v->at);
    free(v->bytes);
    free(v);
}

static size_t length_of(const struct grammar_vocab *v, uint32_t token)
{
    return v->at[token + 1] - v->at[token];
}

static int by_bytes(const void *a, const void *b, void *vocab)
{
    const struct grammar_vocab *v = vocab;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    size_t n = length_of(v, x), m = length_of(v, y);
    int order = memcmp(v->bytes + v->at[x], v->bytes + v->at[y], n < m ? n : m);

    if (order)
        return order;
    if (n != m)
        return n < m ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int copy_tokens(struct grammar_vocab *v, const struct grammar_token *tokens, size_t n_bytes)
{
    size_t at = 0;

    v->at = calloc((size_t)v->n_tokens + 1, sizeof *v->at);
    v->bytes = malloc(n_bytes + 1);
    v->order = calloc((size_t)v->n_tokens + 1, sizeof *v->order);
    if (!v->at || !v->bytes || !v->order)
        return -1;
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        size_t n = tokens[i].bytes ? tokens[i].n : 0;

        v->at[i] = at;
        if (!n)
            continue;
        memcpy(v->bytes + at, tokens[i].bytes, n);
        at += n;
        v->order[v->n_order++] = i;
        if (n > v->longest)
            v->longest = (uint32_t)n;
    }
    v->at[v->n_tokens] = at;
    qsort_r(v->order, v->n_order, sizeof *v->order, by_bytes, v);
    return 0;
}

/* How many first bytes two tokens share. */
static size_t shared(const struct grammar_vocab *v, uint32_t x, uint32_t y)
{
    size_t n = length_of(v, x), m = length_of(v, y), i = 0;

    while (i < n && i < m && v->bytes[v->at[x] + i] == v->bytes[v->at[y] + i])
        i++;
    return i;
}

/*
 * What may follow each place of a token, from its end to its beginning: the next character's group,
 * and what follows behind that. path[i] is the node after i bytes.
 */
static void note_groups(struct grammar_vocab *v, uint32_t token, const uint32_t *path,
                        uint64_t *follow)
{
    const char *s = v->bytes + v->at[token];
    size_t n = length_of(v, token);
    uint32_t c;

    follow[n] = 0;
    for (size_t i = n; i-- > 0;) {
        size_t len = utf8_decode(s + i, n - i, &c);

        if (!len)
            follow[i] = 1ull << VOCAB_GROUP_OTHER;
        else
            follow[i] = follow[i + len] |
                        1ull << (len > 1 ? VOCAB_GROUP_WIDE : vocab_group((unsigned char)s[i]));
        v->nodes[path[i]].below |= follow[i];
    }
}

/* Closes the nodes of the path that are deeper than `keep`. */
static void close_path(struct grammar_vocab *v, const uint32_t *path, size_t keep, size_t depth)
{
    for (size_t i = keep + 1; i <= depth; i++)
        v->nodes[path[i]].end = v->n_nodes;
}

static void grow_trie(struct grammar_vocab *v, uint32_t *path, uint64_t *follow)
{
    size_t depth = 0;

    path[0] = 0;
    v->nodes[v->n_nodes++] = (struct vocab_node){0};
    for (uint32_t i = 0; i < v->n_order; i++) {
        uint32_t token = v->order[i];
        size_t n = length_of(v, token), keep = i ? shared(v, v->order[i - 1], token) : 0;

        close_path(v, path, keep, depth);
        for (depth = keep; depth < n; depth++) {
            unsigned char byte = (unsigned char)v->bytes[v->at[token] + depth];

            path[depth + 1] = v->n_nodes;
            v->nodes[v->n_nodes++] = (struct vocab_node){.first = i, .byte = byte};
        }
        note_groups(v, token, path, follow);
    }
    close_path(v, path, 0, depth);
    v->nodes[0].end = v->n_nodes;
    v->nodes[v->n_nodes] = (struct vocab_node){.first = v->n_order, .end = v->n_nodes};
}

/* One node for each byte that a token has and the one before it has not. */
static int build_trie(struct grammar_vocab *v)
{
    size_t n = 2;
    uint32_t *path = calloc((size_t)v->longest + 1, sizeof *path);
    uint64_t *follow = calloc((size_t)v->longest + UTF8_MAX_BYTES, sizeof *follow);

    for (uint32_t i = 0; i < v->n_order; i++)
        n += length_of(v, v->order[i]) - (i ? shared(v, v->order[i - 1], v->order[i]) : 0);
    v->nodes = n < UINT32_MAX ? calloc(n, sizeof *v->nodes) : NULL;
    if (path && follow && v->nodes)
        grow_trie(v, path, follow);
    free(path);
    free(follow);
    return v->n_nodes ? 0 : -1;
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
    if (copy_tokens(v, tokens, n_bytes) || build_trie(v)) {
        grammar_vocab_free(v);
        return err_no_memory(err, n_bytes * sizeof *v->nodes, "an index of tokens");
    }
    *out = v;
    return 0;
}
