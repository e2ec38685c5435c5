/* kv.c - see kv.h. The idea of pages: Kwon et al. 2023, "Efficient Memory Management for Large
 * Language Model Serving with PagedAttention". */
#include "engine/model/kv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/model/hparams.h"
#include "engine/model/prefix.h"

_Static_assert(HPARAMS_MAX_HEAD_DIM <= KERN_MAX_HEAD_DIM, "a head fits the kernels");

struct kv_seq {
    bool open;
    uint32_t len;     /* positions that hold tokens */
    uint32_t n_pages; /* pages held; more than len needs only between reserve and grow */
    uint32_t n_kept;  /* whole pages, from the first on, that are in the prefix tree */
    uint32_t *pages;  /* into kv->tables: place for kv->pages_per_seq */
};

struct kv {
    struct kv_shape shape;
    uint32_t n_slots, n_ctx;
    uint32_t pages_per_seq, n_pages;
    size_t strip_bytes; /* K (or V) of one layer and head in a page */
    size_t page_bytes;
    uint8_t *pool; /* mapped: n_pages * page_bytes */
    size_t pool_bytes;
    uint32_t *refs;       /* n_pages: sequences that hold the page */
    uint32_t *free_pages; /* a stack */
    uint32_t n_free;
    uint32_t *tables;
    struct kv_seq *seqs;   /* n_slots */
    struct prefix *prefix; /* NULL: pages are not kept */
};

static uint64_t page_bytes(const struct kv_shape *s)
{
    /* At most 2^10 * 2^12 * 2 * 2^16: the limits of hparams.h. */
    return (uint64_t)s->n_layers * s->n_kv_heads * 2 * kern_strip_bytes(s->type, s->head_dim);
}

uint64_t kv_bytes_needed(const struct kv_shape *shape, uint32_t n_slots, uint32_t n_ctx)
{
    uint64_t bytes;

    if (__builtin_mul_overflow(page_bytes(shape), (uint64_t)n_slots * kv_pages_for(n_ctx), &bytes))
        return UINT64_MAX;
    return bytes;
}

size_t kv_table_bytes(void)
{
    const struct kv *kv = NULL;

    return sizeof *kv->refs + sizeof *kv->free_pages + sizeof *kv->tables + prefix_page_bytes();
}

static int alloc_tables(struct kv *kv, struct err *err)
{
    kv->refs = calloc(kv->n_pages, sizeof *kv->refs);
    kv->free_pages = malloc(kv->n_pages * sizeof *kv->free_pages);
    kv->tables = malloc(kv->n_pages * sizeof *kv->tables);
    kv->seqs = calloc(kv->n_slots, sizeof *kv->seqs);
    if (!kv->refs || !kv->free_pages || !kv->tables || !kv->seqs)
        return err_no_memory(err, kv->n_pages * 3 * sizeof(uint32_t), "the tables of KV pages");
    for (uint32_t i = 0; i < kv->n_slots; i++)
        kv->seqs[i].pages = kv->tables + (size_t)i * kv->pages_per_seq;
    for (uint32_t i = 0; i < kv->n_pages; i++)
        kv->free_pages[i] = kv->n_pages - 1 - i; /* the first pages of the pool come first */
    kv->n_free = kv->n_pages;
    return 0;
}

static int map_pool(struct kv *kv, uint64_t bytes, struct err *err)
{
    void *p = bytes > SIZE_MAX / 2 ? MAP_FAILED
                                   : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return err_no_memory(err, bytes, "the KV pages");
    kv->pool = p;
    kv->pool_bytes = bytes;
    return 0;
}

int kv_create(const struct kv_shape *shape, uint32_t n_slots, uint32_t n_ctx, struct kv **out,
              struct err *err)
{
    uint64_t n_pages = (uint64_t)n_slots * kv_pages_for(n_ctx);
    struct kv *kv;
    int rc;

    if (n_pages > UINT32_MAX)
        return err_set(err, ERR_LIMIT, "%u sequences of %u tokens would need %llu KV pages",
                       n_slots, n_ctx, (unsigned long long)n_pages);
    kv = calloc(1, sizeof *kv);
    if (!kv)
        return err_no_memory(err, sizeof *kv, "the KV pool");
    kv->shape = *shape;
    kv->n_slots = n_slots;
    kv->n_ctx = n_ctx;
    kv->pages_per_seq = kv_pages_for(n_ctx);
    kv->n_pages = (uint32_t)n_pages;
    kv->strip_bytes = kern_strip_bytes(shape->type, shape->head_dim);
    kv->page_bytes = page_bytes(shape);
    rc = map_pool(kv, kv_bytes_needed(shape, n_slots, n_ctx), err);
    if (!rc)
        rc = alloc_tables(kv, err);
    if (rc) {
        kv_free(kv);
        return rc;
    }
    *out = kv;
    return 0;
}

void kv_free(struct kv *kv)
{
    if (!kv)
        return;
    if (kv->pool)
        munmap(kv->pool, kv->pool_bytes);
    free(kv->refs);
    free(kv->free_pages);
    free(kv->tables);
    free(kv->seqs);
    prefix_free(kv->prefix);
    free(kv);
}

int kv_keep_prefixes(struct kv *kv, struct err *err)
{
    return prefix_create(kv->n_pages, &kv->prefix, err);
}

bool kv_is_open(const struct kv *kv, int seq)
{
    return seq >= 0 && (uint32_t)seq < kv->n_slots && kv->seqs[seq].open;
}

static struct kv_seq *seq_of(const struct kv *kv, int seq)
{
    BUG_ON(!kv_is_open(kv, seq));
    return &kv->seqs[seq];
}

uint32_t kv_len(const struct kv *kv, int seq)
{
    return seq_of(kv, seq)->len;
}

uint32_t kv_pages_used(const struct kv *kv)
{
    return kv->n_pages - kv->n_free - (kv->prefix ? prefix_n_resting(kv->prefix) : 0);
}

static bool is_kept(const struct kv *kv, uint32_t page)
{
    return kv->prefix && prefix_has(kv->prefix, page);
}

/*
 * Never fails: a sequence asks only for a page it has no private one for, and there are as many
 * pages as places in all tables.
 */
static uint32_t take_page(struct kv *kv)
{
    uint32_t page;

    if (kv->n_free > 0) {
        page = kv->free_pages[--kv->n_free];
    } else {
        BUG_ON(!kv->prefix);
        page = prefix_evict(kv->prefix);
    }
    kv->refs[page] = 1;
    return page;
}

static bool can_take_page(const struct kv *kv)
{
    return kv->n_free > 0 || (kv->prefix && prefix_n_resting(kv->prefix) > 0);
}

static void hold_page(struct kv *kv, uint32_t page)
{
    if (kv->refs[page]++ == 0)
        prefix_wake(kv->prefix, page);
}

static void drop_page(struct kv *kv, uint32_t page)
{
    if (--kv->refs[page] > 0)
        return;
    if (is_kept(kv, page))
        prefix_rest(kv->prefix, page);
    else
        kv->free_pages[kv->n_free++] = page;
}

static uint8_t *page_at(const struct kv *kv, uint32_t page)
{
    return kv->pool + (size_t)page * kv->page_bytes;
}

static uint32_t copy_page(struct kv *kv, uint32_t from)
{
    uint32_t to = take_page(kv);

    memcpy(page_at(kv, to), page_at(kv, from), kv->page_bytes);
    if (kv->prefix)
        memcpy(prefix_tokens(kv->prefix, to), prefix_tokens(kv->prefix, from),
               KV_PAGE_TOKENS * sizeof(int32_t));
    return to;
}

/*
 * A page with the same content that may be written, for one that the caller holds and lets go. With
 * every page held by somebody no copy can be made of a kept page that only the caller holds; then
 * it has no children either (they would rest), and is taken out of the tree.
 */
static uint32_t own_page(struct kv *kv, uint32_t page)
{
    uint32_t mine;

    if (kv->refs[page] == 1 && is_kept(kv, page) && !can_take_page(kv))
        prefix_remove(kv->prefix, page);
    if (kv->refs[page] == 1 && !is_kept(kv, page))
        return page;
    mine = copy_page(kv, page);
    drop_page(kv, page);
    return mine;
}

int kv_open(struct kv *kv, struct err *err)
{
    for (uint32_t i = 0; i < kv->n_slots; i++) {
        struct kv_seq *s = &kv->seqs[i];

        if (s->open)
            continue;
        s->open = true;
        s->len = 0;
        s->n_pages = 0;
        s->n_kept = 0;
        return (int)i;
    }
    return err_set(err, ERR_BUSY, "all %u sequences are taken", kv->n_slots);
}

void kv_truncate(struct kv *kv, int seq, uint32_t n_tokens)
{
    struct kv_seq *s = seq_of(kv, seq);

    if (n_tokens < s->len)
        s->len = n_tokens;
    while (s->n_pages > kv_pages_for(s->len))
        drop_page(kv, s->pages[--s->n_pages]);
    if (s->n_kept > s->len / KV_PAGE_TOKENS)
        s->n_kept = s->len / KV_PAGE_TOKENS;
}

/* ---- prefixes ------------------------------------------------------------ */

void kv_label(struct kv *kv, int seq, uint32_t pos, int32_t token)
{
    uint32_t page = seq_of(kv, seq)->pages[pos / KV_PAGE_TOKENS];

    if (kv->prefix)
        prefix_tokens(kv->prefix, page)[pos % KV_PAGE_TOKENS] = token;
}

/* The page that the i-th one of a sequence lies behind in the tree. */
static uint32_t page_before(const struct kv_seq *s, uint32_t i)
{
    return i == 0 ? PREFIX_NONE : s->pages[i - 1];
}

/* Puts the i-th page, the ones before it being there, into the tree with its first n tokens; or
 * takes the one that is there in its place, for both hold the same bits. */
static void keep_page(struct kv *kv, struct kv_seq *s, uint32_t i, uint32_t n)
{
    uint32_t page = s->pages[i], there, n_common;

    there =
        prefix_find(kv->prefix, page_before(s, i), prefix_tokens(kv->prefix, page), n, &n_common);
    if (n_common < n) {
        prefix_add(kv->prefix, page_before(s, i), page, n);
    } else if (there != page && n == KV_PAGE_TOKENS) {
        hold_page(kv, there);
        drop_page(kv, page);
        s->pages[i] = there;
    }
}

static void keep_whole_pages(struct kv *kv, struct kv_seq *s)
{
    for (; s->n_kept < s->len / KV_PAGE_TOKENS; s->n_kept++)
        keep_page(kv, s, s->n_kept, KV_PAGE_TOKENS);
}

/* All that a sequence about to close holds; its last page only when nobody else may write it. */
static void keep_all(struct kv *kv, struct kv_seq *s)
{
    uint32_t n_begun = s->len % KV_PAGE_TOKENS;

    keep_whole_pages(kv, s);
    if (n_begun > 0 && kv->refs[s->pages[s->n_kept]] == 1 && !is_kept(kv, s->pages[s->n_kept]))
        keep_page(kv, s, s->n_kept, n_begun);
}

/* Takes a page that was found as the next one: whole, or its first n tokens as a copy. */
static void append_page(struct kv *kv, struct kv_seq *s, uint32_t page, uint32_t n)
{
    hold_page(kv, page);
    if (n == KV_PAGE_TOKENS)
        s->n_kept++;
    else
        page = own_page(kv, page);
    s->pages[s->n_pages++] = page;
    s->len += n;
}

uint32_t kv_reuse(struct kv *kv, int seq, const int32_t *tokens, uint32_t n)
{
    struct kv_seq *s = seq_of(kv, seq);
    uint32_t n_common = KV_PAGE_TOKENS;

    BUG_ON(n > kv->n_ctx);
    for (uint32_t i = 0; kv->prefix && i < kv->n_slots; i++)
        if (kv->seqs[i].open)
            keep_whole_pages(kv, &kv->seqs[i]);
    while (kv->prefix && n_common == KV_PAGE_TOKENS && s->len < n) {
        uint32_t begin = s->n_kept * KV_PAGE_TOKENS, rest = n - begin;
        uint32_t page = prefix_find(kv->prefix, page_before(s, s->n_kept), tokens + begin,
                                    rest < KV_PAGE_TOKENS ? rest : KV_PAGE_TOKENS, &n_common);

        if (begin + n_common <= s->len)
            break;
        kv_truncate(kv, seq, begin);
        append_page(kv, s, page, n_common);
    }
    return s->len;
}

void kv_close(struct kv *kv, int seq)
{
    if (kv->prefix)
        keep_all(kv, seq_of(kv, seq));
    kv_truncate(kv, seq, 0);
    kv->seqs[seq].open = false;
}

int kv_fork(struct kv *kv, int seq, uint32_t n_tokens, struct err *err)
{
    const struct kv_seq *from = seq_of(kv, seq);
    uint32_t n_whole = n_tokens / KV_PAGE_TOKENS;
    struct kv_seq *to;
    int id;

    BUG_ON(n_tokens > from->len);
    id = kv_open(kv, err);
    if (id < 0)
        return id;
    to = &kv->seqs[id];
    for (uint32_t i = 0; i < n_whole; i++) {
        to->pages[i] = from->pages[i];
        hold_page(kv, from->pages[i]);
    }
    if (n_tokens % KV_PAGE_TOKENS != 0)
        to->pages[n_whole] = copy_page(kv, from->pages[n_whole]);
    to->n_pages = kv_pages_for(n_tokens);
    to->n_kept = from->n_kept < n_whole ? from->n_kept : n_whole;
    to->len = n_tokens;
    return id;
}

void kv_reserve(struct kv *kv, int seq, uint32_t n)
{
    struct kv_seq *s = seq_of(kv, seq);
    uint32_t begun = s->len / KV_PAGE_TOKENS;

    BUG_ON(n > kv->n_ctx - s->len);
    if (n > 0 && begun < s->n_pages)
        s->pages[begun] = own_page(kv, s->pages[begun]);
    while (s->n_pages < kv_pages_for(s->len + n))
        s->pages[s->n_pages++] = take_page(kv);
}

void kv_grow(struct kv *kv, int seq, uint32_t n)
{
    struct kv_seq *s = seq_of(kv, seq);

    s->len += n;
    BUG_ON(kv_pages_for(s->len) > s->n_pages);
}

/* The K strip of a layer and head in a page; the V strip lies behind it. */
static uint8_t *strip(const struct kv *kv, uint32_t page, uint32_t layer, uint32_t head)
{
    size_t i = (size_t)layer * kv->shape.n_kv_heads + head;

    return page_at(kv, page) + i * 2 * kv->strip_bytes;
}

static void put_f16(const struct kv *kv, const struct kern *kern, uint8_t *to, uint32_t at,
                    const float *k, const float *v)
{
    uint16_t *keys = (uint16_t *)to, *values = (uint16_t *)(to + kv->strip_bytes);
    uint16_t half[KERN_MAX_HEAD_DIM];
    size_t dim = kv->shape.head_dim;

    kern->to_f16(k, half, dim);
    for (size_t i = 0; i < dim; i++)
        keys[i * KV_PAGE_TOKENS + at] = half[i];
    kern->to_f16(v, values + at * dim, dim);
}

/* The scales of a position, behind the levels of its strip. */
static void put_scales(const struct kv *kv, uint8_t *strip, uint32_t at, const struct kern_q8 *q)
{
    float *scales = (float *)(strip + (size_t)KV_PAGE_TOKENS * kv->shape.head_dim);

    for (size_t g = 0; g < kv->shape.head_dim / QK; g++)
        scales[g * KV_PAGE_TOKENS + at] = q[g].d;
}

static void put_q8(const struct kv *kv, const struct kern *kern, uint8_t *to, uint32_t at,
                   const float *k, const float *v)
{
    struct kern_q8 q[KERN_MAX_HEAD_DIM / QK];
    uint8_t *values = to + kv->strip_bytes;
    size_t dim = kv->shape.head_dim;

    kern->quantize(k, dim, q);
    for (size_t i = 0; i < dim; i += 4)
        memcpy(to + i * KV_PAGE_TOKENS + (size_t)at * 4, q[i / QK].q + i % QK, 4);
    put_scales(kv, to, at, q);
    kern->quantize(v, dim, q);
    for (size_t i = 0; i < dim; i += QK)
        memcpy(values + at * dim + i, q[i / QK].q, QK);
    put_scales(kv, values, at, q);
}

void kv_put(const struct kv *kv, const struct kern *kern, int seq, uint32_t layer, uint32_t head,
            uint32_t pos, const float *k, const float *v)
{
    uint32_t page = kv->seqs[seq].pages[pos / KV_PAGE_TOKENS], at = pos % KV_PAGE_TOKENS;
    uint8_t *to = strip(kv, page, layer, head);

    if (kv->shape.type == KERN_KV_F16)
        put_f16(kv, kern, to, at, k, v);
    else
        put_q8(kv, kern, to, at, k, v);
}

enum kern_kv kv_type(const struct kv *kv)
{
    return kv->shape.type;
}

void kv_view(const struct kv *kv, int seq, uint32_t layer, uint32_t head, uint32_t begin,
             uint32_t end, const void **k_pages, const void **v_pages)
{
    const uint32_t *pages = kv->seqs[seq].pages;

    for (uint32_t i = begin; i < end; i++) {
        const uint8_t *keys = strip(kv, pages[i], layer, head);

        k_pages[i] = keys;
        v_pages[i] = keys + kv->strip_bytes;
    }
}
