/* merge.c - see merge.h. Source: the published descriptions of BPE and of SentencePiece's BPE. */
#include "engine/tok/merge.h"

#include <stdlib.h>

#define FIRST_CAP 64

/* Doubles an array until it holds `need` elements; false when out of memory. */
static bool grow(void **array, size_t *cap, size_t need, size_t elem_bytes)
{
    size_t new_cap = *cap ? *cap : FIRST_CAP, size_bytes;
    void *grown;

    if (need <= *cap)
        return true;
    while (new_cap < need)
        new_cap *= 2;
    if (__builtin_mul_overflow(new_cap, elem_bytes, &size_bytes))
        return false;
    grown = realloc(*array, size_bytes);
    if (!grown)
        return false;
    *array = grown;
    *cap = new_cap;
    return true;
}

void merge_begin(struct merge_work *w)
{
    w->n_syms = 0;
    w->n_heap = 0;
}

int merge_add(struct merge_work *w, uint32_t start, uint32_t len, int32_t id)
{
    void *syms = w->syms;
    int32_t i = (int32_t)w->n_syms;

    if (w->n_syms == w->cap_syms) {
        if (!grow(&syms, &w->cap_syms, w->n_syms + 1, sizeof(*w->syms)))
            return -1;
        w->syms = syms;
    }
    if (i > 0)
        w->syms[i - 1].next = i;
    w->syms[i] = (struct merge_sym){start, len, -1, i - 1, id};
    w->n_syms++;
    return 0;
}

static void push(struct merge_work *w, struct merge_pair p)
{
    size_t i = w->n_heap++;

    while (i > 0 && w->heap[(i - 1) / 2].key > p.key) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = p;
    w->n_pushed++;
}

static struct merge_pair pop(struct merge_work *w)
{
    struct merge_pair top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < w->n_heap) {
        if (child + 1 < w->n_heap && w->heap[child + 1].key < w->heap[child].key)
            child++;
        if (w->heap[child].key >= last.key)
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

/* Puts the pair that begins at `left` in the heap if it may be joined. */
static void consider(struct merge_work *w, const struct merge_rule *rule, int32_t left)
{
    const struct merge_sym *l, *r;
    uint32_t rank = 0;
    int32_t id = TOK_NONE;

    if (left < 0 || w->syms[left].next < 0)
        return;
    l = &w->syms[left];
    r = &w->syms[l->next];
    if (rule->join(rule->arg, l, r, &rank, &id))
        push(w, (struct merge_pair){(uint64_t)rank << 32 | (uint32_t)left, l->len + r->len, id});
}

int merge_run(struct merge_work *w, const struct merge_rule *rule, struct steps *steps)
{
    void *heap = w->heap;

    /* n - 1 pairs at first; each join takes one out and puts at most two in */
    if (!grow(&heap, &w->cap_heap, 2 * w->n_syms, sizeof(*w->heap)))
        return ERR_NO_MEMORY;
    w->heap = heap;
    for (size_t i = 0; i + 1 < w->n_syms; i++) {
        if (steps_ended(steps))
            return ERR_CANCELLED;
        consider(w, rule, (int32_t)i);
    }
    while (w->n_heap > 0) {
        struct merge_pair p = pop(w);
        int32_t left = (int32_t)(uint32_t)p.key;
        struct merge_sym *l = &w->syms[left], *r;

        if (steps_ended(steps))
            return ERR_CANCELLED;
        if (l->len == 0 || l->next < 0)
            continue;
        r = &w->syms[l->next];
        /* symbols only grow, so an equal sum means that both are as they were */
        if (l->len + r->len != p.len)
            continue;
        l->len = p.len;
        l->id = p.id;
        l->next = r->next;
        r->len = 0;
        if (l->next >= 0)
            w->syms[l->next].prev = left;
        consider(w, rule, l->prev);
        consider(w, rule, left);
    }
    return 0;
}

void merge_done(struct merge_work *w)
{
    free(w->syms);
    free(w->heap);
}
