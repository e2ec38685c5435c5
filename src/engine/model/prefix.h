/*
 * prefix.h - which KV pages hold the keys and values of which tokens: a tree to find beginnings in.
 *
 * What a page holds follows from its tokens and from all tokens before them, thus a page is found
 * by the way to it: a node is a page, its parent is the page before it in the text, and its label
 * are its tokens, which are compared one by one, never by a hash alone. Only the last page of a way
 * may be begun (fewer than KV_PAGE_TOKENS tokens); such a page has no children.
 *
 * A page in the tree is held by sequences, or rests. Whoever holds a page holds its parents too,
 * and lets go of them later; so in the order of their coming to rest children lie before parents,
 * and the page that has rested longest is always a leaf. That one is evicted first: least recent
 * use, in constant time. (A radix tree of KV with this rule: Zheng et al. 2024, "SGLang".)
 *
 * Pages are numbers here; the pool behind them is kv.c's. One thread owns it.
 */
#ifndef RBEE_ENGINE_MODEL_PREFIX_H
#define RBEE_ENGINE_MODEL_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PREFIX_NONE UINT32_MAX /* no page; as a parent: the begin of a text */

struct prefix;

/* For the pages 0..n_pages-1; the tree is empty. ERR_NO_MEMORY. */
int prefix_create(uint32_t n_pages, struct prefix **out, struct err *err);
void prefix_free(struct prefix *p);

/* Bytes of memory for each page. */
size_t prefix_page_bytes(void);

/* The page's KV_PAGE_TOKENS tokens, in the tree or not; those who fill the page write them. */
int32_t *prefix_tokens(const struct prefix *p, uint32_t page);

/* The page is in the tree. */
bool prefix_has(const struct prefix *p, uint32_t page);

/*
 * Of the pages behind `parent` the one that has most of the n (<= KV_PAGE_TOKENS) tokens in common,
 * from the first on: *n_common of them, PREFIX_NONE for none.
 */
uint32_t prefix_find(const struct prefix *p, uint32_t parent, const int32_t *tokens, uint32_t n,
                     uint32_t *n_common);

/* Puts a page with its first n tokens behind `parent`; it is held. */
void prefix_add(struct prefix *p, uint32_t parent, uint32_t page, uint32_t n);
/* Takes a page that is held and has no children out of the tree. */
void prefix_remove(struct prefix *p, uint32_t page);

/* Nobody holds the page any more; it is held again. */
void prefix_rest(struct prefix *p, uint32_t page);
void prefix_wake(struct prefix *p, uint32_t page);

/* Takes the page that has rested longest out of the tree; there must be one. */
uint32_t prefix_evict(struct prefix *p);
uint32_t prefix_n_resting(const struct prefix *p);

#endif
