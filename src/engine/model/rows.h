/*
 * rows.h - how products come to the rows of their weights: in place, or through a window.
 *
 * The first access to a page of a mapping has its price, on a virtual machine without hardware for
 * nested page tables that of some thousand instructions, though the page be in memory: for a
 * gigabyte that is several times what a pass of one token takes. So rows are copied from the file,
 * a run at a time, into a window of each thread's that stays in its cache, and used from there:
 * until they are packed (packs.h), where that is going to be; else in the first pass of an engine
 * only, and the next passes read more and more rows in place, so that no token waits for all pages
 * at once. The bits are the same.
 *
 * A file cut short, or a disk that fails, is noticed in the first pass, by the read. Tasks share
 * `failed` alone.
 */
#ifndef RBEE_ENGINE_MODEL_ROWS_H
#define RBEE_ENGINE_MODEL_ROWS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/gguf/gguf.h"
#include "engine/kern/kern.h"

/* Half of a small second-level cache. Rows of which a block does not fit are read in place. */
#define ROWS_WINDOW_BYTES (256u << 10)

/* Passes in which rows are copied: all in the first, then ever fewer. */
#define ROWS_PASSES 4

struct rows {
    const struct gguf *file;
    bool packing;                     /* the matrices that can be packed will be, */
    const struct kern_mat *looked_up; /* but not this one, of which single rows are read */
    unsigned n_passes;                /* that are over; ROWS_PASSES at most */
    _Atomic int failed;               /* the errno of the first read that did, or 0 */
};

void rows_init(struct rows *r, const struct gguf *file, bool packing,
               const struct kern_mat *looked_up);

/* Begins a pass: forgets a failure. Ends one that did not fail. */
void rows_begin(struct rows *r);
void rows_end(struct rows *r);
int rows_failed(const struct rows *r); /* as gguf_copy; 0: no */

/*
 * *out is W as the kernels take it, packed where it is so already, of which the rows [begin, begin
 * + n) may be used until the window's next use; returns n: all up to `end`, or whole blocks of 16
 * rows.
 */
size_t rows_view(struct rows *r, const struct kern_mat *w, size_t begin, size_t end,
                 uint8_t *window, struct kern_mat *out);

#endif
