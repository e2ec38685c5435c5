/*
 * kv.h - keys and values of all sequences, as pages in one pool.
 *
 * A page holds KV_PAGE_TOKENS positions of every layer and KV head. A sequence is a row of pages;
 * pages are reference-counted, so that sequences with the same beginning share it. A page that is
 * shared is never written: the writer first gets a copy of its own (kv_reserve). The pool has as
 * many pages as all sequences at full length would need if they shared nothing, so it cannot run
 * out; it is mapped, and pages never touched cost no memory.
 *
 * With kv_keep_prefixes the pages of a sequence that is closed stay findable by their tokens
 * (prefix.h) until the pool needs them: free pages are taken first, then those that nobody holds,
 * the least recently used one first. So what is kept lies in the same pool, within the same bound.
 *
 * Inside a page: (layer, KV head) strips of keys and of values, as kern->attend wants them.
 *
 * One thread owns it; while it waits, others may read through kv_view or write by kv_put, each
 * positions of its own.
 */
#ifndef RBEE_ENGINE_MODEL_KV_H
#define RBEE_ENGINE_MODEL_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/kern/kern.h"

#define KV_PAGE_TOKENS KERN_PAGE_TOKENS

struct kv_shape {
    uint32_t n_layers, n_kv_heads, head_dim; /* Q8_0: head_dim is a multiple of QK */
    enum kern_kv type;
};

struct kv;

/* n_slots sequences of up to n_ctx positions. ERR_NO_MEMORY with the number of bytes. */
int kv_create(const struct kv_shape *shape, uint32_t n_slots, uint32_t n_ctx, struct kv **out,
              struct err *err);
void kv_free(struct kv *kv);

/* Bytes of the pool such a kv would map; UINT64_MAX when that overflows. */
uint64_t kv_bytes_needed(const struct kv_shape *shape, uint32_t n_slots, uint32_t n_ctx);
/* Bytes beside the pool for each of its pages: in the tables, and in the prefix tree. */
size_t kv_table_bytes(void);

bool kv_is_open(const struct kv *kv, int seq);
uint32_t kv_len(const struct kv *kv, int seq);

/* An empty sequence, or ERR_BUSY. */
int kv_open(struct kv *kv, struct err *err);
void kv_close(struct kv *kv, int seq);

/* From now on pages are kept. Before the first sequence; ERR_NO_MEMORY. */
int kv_keep_prefixes(struct kv *kv, struct err *err);

/* Says which token a reserved position holds; needed only where prefixes are kept. */
void kv_label(struct kv *kv, int seq, uint32_t pos, int32_t token);

/*
 * Lengthens `seq`, which holds tokens[0..length-1], by what is kept of tokens up to tokens[n-1]:
 * whole pages by reference, also those of sequences still open; the beginning of one by a copy. The
 * new length; the old one where nothing is found, or where prefixes are not kept.
 */
uint32_t kv_reuse(struct kv *kv, int seq, const int32_t *tokens, uint32_t n);

/* A new sequence with the first n_tokens (<= length) of `seq`, or ERR_BUSY. */
int kv_fork(struct kv *kv, int seq, uint32_t n_tokens, struct err *err);

/* Drops positions from n_tokens on, and pages reserved but not grown into. */
void kv_truncate(struct kv *kv, int seq, uint32_t n_tokens);

/*
 * Makes the next n positions writable (n more must fit n_ctx); the length stays. kv_grow then adds
 * them to the length, or kv_truncate(kv, seq, kv_len(kv, seq)) gives the pages back.
 */
void kv_reserve(struct kv *kv, int seq, uint32_t n);
void kv_grow(struct kv *kv, int seq, uint32_t n);

enum kern_kv kv_type(const struct kv *kv);

/* Keeps k and v (head_dim each) of a reserved position, converted by the kernels. */
void kv_put(const struct kv *kv, const struct kern *kern, int seq, uint32_t layer, uint32_t head,
            uint32_t pos, const float *k, const float *v);

/* Where K and V of pages begin..end-1 of a sequence lie: k_pages[begin] and so on are set. */
void kv_view(const struct kv *kv, int seq, uint32_t layer, uint32_t head, uint32_t begin,
             uint32_t end, const void **k_pages, const void **v_pages);

static inline uint32_t kv_pages_for(uint32_t n_pos)
{
    return n_pos / KV_PAGE_TOKENS + (n_pos % KV_PAGE_TOKENS != 0);
}

/* Pages that sequences hold, for tests and metrics; shared ones count once, kept ones not. */
uint32_t kv_pages_used(const struct kv *kv);

#endif
