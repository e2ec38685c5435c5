/* trie.c - tries of tokens. See vocab.h. */
#include <stdlib.h>
#include <string.h>

#include "grammar/chars.h"
#include "grammar/vocab.h"

static int by_bytes(const void *a, const void *b, void *vocab)
{
    const struct grammar_vocab *v = vocab;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    size_t n = vocab_length(v, x), m = vocab_length(v, y);
    int order = memcmp(v->bytes + v->at[x], v->bytes + v->at[y], n < m ? n : m);

    if (order)
        return order;
    if (n != m)
        return n < m ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* How many first bytes two tokens share. */
static size_t shared(const struct grammar_vocab *v, uint32_t x, uint32_t y)
{
    size_t n = vocab_length(v, x), m = vocab_length(v, y), i = 0;

    while (i < n && i < m && v->bytes[v->at[x] + i] == v->bytes[v->at[y] + i])
        i++;
    return i;
}

/*
 * What may follow each place of a token, from its end to its beginning: the next character's group,
 * and what follows behind that. path[i] is the node after i bytes.
 */
static void note_groups(const struct grammar_vocab *v, struct vocab_trie *t, uint32_t token,
                        const uint32_t *path, uint64_t *follow)
{
    const char *s = v->bytes + v->at[token];
    size_t n = vocab_length(v, token);
    uint32_t c;

    follow[n] = 0;
    for (size_t i = n; i-- > 0;) {
        size_t len = utf8_decode(s + i, n - i, &c);

        if (!len)
            follow[i] = 1ull << VOCAB_GROUP_OTHER;
        else
            follow[i] = follow[i + len] |
                        1ull << (len > 1 ? VOCAB_GROUP_WIDE : vocab_group((unsigned char)s[i]));
        t->nodes[path[i]].below |= follow[i];
    }
}

/* Closes the nodes of the path that are deeper than `keep`. */
static void close_path(struct vocab_trie *t, const uint32_t *path, size_t keep, size_t depth)
{
    for (size_t i = keep + 1; i <= depth; i++)
        t->nodes[path[i]].end = t->n_nodes;
}

static void grow(const struct grammar_vocab *v, struct vocab_trie *t, uint32_t *path,
                 uint64_t *follow)
{
    size_t depth = 0;

    path[0] = 0;
    t->nodes[t->n_nodes++] = (struct vocab_node){0};
    for (uint32_t i = 0; i < t->n_order; i++) {
        uint32_t token = t->order[i];
        size_t n = vocab_length(v, token), keep = i ? shared(v, t->order[i - 1], token) : 0;

        close_path(t, path, keep, depth);
        for (depth = keep; depth < n; depth++) {
            unsigned char byte = (unsigned char)v->bytes[v->at[token] + depth];

            path[depth + 1] = t->n_nodes;
            t->nodes[t->n_nodes++] = (struct vocab_node){.first = i, .byte = byte};
        }
        note_groups(v, t, token, path, follow);
    }
    close_path(t, path, 0, depth);
    t->nodes[0].end = t->n_nodes;
    t->nodes[t->n_nodes] = (struct vocab_node){.first = t->n_order, .end = t->n_nodes};
}

void vocab_trie_sort(const struct grammar_vocab *v, struct vocab_trie *t)
{
    if (t->n_order)
        qsort_r(t->order, t->n_order, sizeof *t->order, by_bytes, (void *)(uintptr_t)v);
}

/* One node for each byte that a token has and the one before it has not. */
int vocab_trie_build(const struct grammar_vocab *v, struct vocab_trie *t)
{
    size_t n = 2;
    uint32_t *path = calloc((size_t)v->longest + 1, sizeof *path);
    uint64_t *follow = calloc((size_t)v->longest + UTF8_MAX_BYTES, sizeof *follow);

    for (uint32_t i = 0; i < t->n_order; i++)
        n += vocab_length(v, t->order[i]) - (i ? shared(v, t->order[i - 1], t->order[i]) : 0);
    t->nodes = n < UINT32_MAX ? calloc(n, sizeof *t->nodes) : NULL;
    if (path && follow && t->nodes)
        grow(v, t, path, follow);
    free(path);
    free(follow);
    return t->n_nodes ? 0 : -1;
}

void vocab_trie_done(struct vocab_trie *t)
{
    free(t->nodes);
    free(t->order);
    *t = (struct vocab_trie){0};
}
