/* rows.c - see rows.h. */
#include "engine/model/rows.h"

#include "engine/kern/pack.h"

#define BLOCK_ROWS KERN_STRIPE

void rows_init(struct rows *r, const struct gguf *file, bool packing,
               const struct kern_mat *looked_up)
{
    r->file = file;
    r->packing = packing;
    r->looked_up = looked_up;
    r->n_passes = 0;
    atomic_init(&r->failed, 0);
}

void rows_begin(struct rows *r)
{
    atomic_store_explicit(&r->failed, 0, memory_order_relaxed);
}

void rows_end(struct rows *r)
{
    if (r->n_passes < ROWS_PASSES)
        r->n_passes++;
}

int rows_failed(const struct rows *r)
{
    return atomic_load_explicit(&r->failed, memory_order_relaxed);
}

/* Rows of a matrix that are read in place by now: its first ones. */
static size_t n_in_place(const struct rows *r, const struct kern_mat *w)
{
    if (r->packing && w != r->looked_up && pack_bytes(w) > 0)
        return 0;
    return r->n_passes < ROWS_PASSES
               ? w->n_rows / ROWS_PASSES * r->n_passes / BLOCK_ROWS * BLOCK_ROWS
               : w->n_rows;
}

/* The rows of [begin, end) that the window holds at once, 0 when it is too small for any. */
static size_t n_that_fit(const struct kern_mat *w, size_t begin, size_t end)
{
    size_t fit = ROWS_WINDOW_BYTES / w->row_bytes;

    return end - begin <= fit ? end - begin : fit / BLOCK_ROWS * BLOCK_ROWS;
}

size_t rows_view(struct rows *r, const struct kern_mat *w, size_t begin, size_t end,
                 uint8_t *window, struct kern_mat *out)
{
    const uint8_t *first = (const uint8_t *)w->data + begin * w->row_bytes;
    size_t in_place = n_in_place(r, w), n = n_that_fit(w, begin, end);
    int why, none = 0;

    *out = *w;
    if (w->packed || n == 0 || end <= in_place)
        return end - begin;
    if (begin < in_place)
        return in_place - begin;
    why = gguf_copy(r->file, first, n * w->row_bytes, window);
    if (why)
        atomic_compare_exchange_strong_explicit(&r->failed, &none, why, memory_order_relaxed,
                                                memory_order_relaxed);
    /* as if W began so far before the window that its row `begin` is the window's first */
    out->data = (const void *)((uintptr_t)window - begin * w->row_bytes);
    return n;
}
