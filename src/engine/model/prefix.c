/* prefix.c - see prefix.h. Nodes lie in one array, at their page's number; behind the last one lie
 * the begin of all texts (`root`) and the head of the list of resting pages (`bed`). */
#include "engine/model/prefix.h"

#include <stdlib.h>

#include "engine/model/kv.h"

struct node {
    uint32_t parent, first_child;
    uint32_t next, prev;   /* siblings; PREFIX_NONE at the ends */
    uint32_t newer, older; /* a ring through the bed, while the page rests */
    uint32_t n_tokens;     /* 0: not in the tree */
};

struct prefix {
    struct node *nodes; /* n_pages + 2 */
    int32_t *tokens;    /* (n_pages, KV_PAGE_TOKENS) */
    uint32_t root, bed;
    uint32_t n_resting;
};

int prefix_create(uint32_t n_pages, struct prefix **out, struct err *err)
{
    struct prefix *p = calloc(1, sizeof *p);
    size_t n = (size_t)n_pages + 2;

    if (!p)
        return err_no_memory(err, sizeof *p, "the prefix cache");
    p->nodes = calloc(n, sizeof *p->nodes);
    p->tokens = calloc(n, KV_PAGE_TOKENS * sizeof *p->tokens);
    if (!p->nodes || !p->tokens) {
        prefix_free(p);
        return err_no_memory(err, n * (sizeof *p->nodes + KV_PAGE_TOKENS * sizeof *p->tokens),
                             "the prefix cache");
    }
    p->root = n_pages;
    p->bed = n_pages + 1;
    p->nodes[p->root].first_child = PREFIX_NONE;
    p->nodes[p->bed].newer = p->nodes[p->bed].older = p->bed;
    *out = p;
    return 0;
}

void prefix_free(struct prefix *p)
{
    if (!p)
        return;
    free(p->nodes);
    free(p->tokens);
    free(p);
}

size_t prefix_page_bytes(void)
{
    return sizeof(struct node) + KV_PAGE_TOKENS * sizeof(int32_t);
}

int32_t *prefix_tokens(const struct prefix *p, uint32_t page)
{
    return p->tokens + (size_t)page * KV_PAGE_TOKENS;
}

bool prefix_has(const struct prefix *p, uint32_t page)
{
    return p->nodes[page].n_tokens > 0;
}

static uint32_t n_same(const int32_t *a, const int32_t *b, uint32_t n)
{
    uint32_t i = 0;

    while (i < n && a[i] == b[i])
        i++;
    return i;
}

uint32_t prefix_find(const struct prefix *p, uint32_t parent, const int32_t *tokens, uint32_t n,
                     uint32_t *n_common)
{
    uint32_t best = PREFIX_NONE;
    uint32_t at = p->nodes[parent == PREFIX_NONE ? p->root : parent].first_child;

    *n_common = 0;
    for (; at != PREFIX_NONE && *n_common < n; at = p->nodes[at].next) {
        uint32_t has = p->nodes[at].n_tokens;
        uint32_t k = n_same(prefix_tokens(p, at), tokens, has < n ? has : n);

        if (k > *n_common) {
            *n_common = k;
            best = at;
        }
    }
    return best;
}

void prefix_add(struct prefix *p, uint32_t parent, uint32_t page, uint32_t n)
{
    struct node *node = &p->nodes[page];
    uint32_t above = parent == PREFIX_NONE ? p->root : parent;

    BUG_ON(node->n_tokens || n == 0 || n > KV_PAGE_TOKENS);
    BUG_ON(above != p->root && p->nodes[above].n_tokens != KV_PAGE_TOKENS);
    *node = (struct node){.parent = above,
                          .first_child = PREFIX_NONE,
                          .next = p->nodes[above].first_child,
                          .prev = PREFIX_NONE,
                          .n_tokens = n};
    if (node->next != PREFIX_NONE)
        p->nodes[node->next].prev = page;
    p->nodes[above].first_child = page;
}

void prefix_remove(struct prefix *p, uint32_t page)
{
    struct node *node = &p->nodes[page];

    BUG_ON(!node->n_tokens || node->first_child != PREFIX_NONE);
    if (node->prev != PREFIX_NONE)
        p->nodes[node->prev].next = node->next;
    else
        p->nodes[node->parent].first_child = node->next;
    if (node->next != PREFIX_NONE)
        p->nodes[node->next].prev = node->prev;
    node->n_tokens = 0;
}

void prefix_rest(struct prefix *p, uint32_t page)
{
    struct node *bed = &p->nodes[p->bed], *node = &p->nodes[page];

    node->older = bed->older;
    node->newer = p->bed;
    p->nodes[bed->older].newer = page;
    bed->older = page;
    p->n_resting++;
}

void prefix_wake(struct prefix *p, uint32_t page)
{
    struct node *node = &p->nodes[page];

    p->nodes[node->older].newer = node->newer;
    p->nodes[node->newer].older = node->older;
    p->n_resting--;
}

uint32_t prefix_evict(struct prefix *p)
{
    uint32_t page = p->nodes[p->bed].newer;

    BUG_ON(page == p->bed);
    prefix_wake(p, page);
    prefix_remove(p, page);
    return page;
}

uint32_t prefix_n_resting(const struct prefix *p)
{
    return p->n_resting;
}
