/* packs.c - see packs.h. */
#include "engine/model/packs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/kern/pack.h"

#define HUGE_PAGE  (2u << 20)
#define PACK_GRAIN 4 /* stripes in a task */

struct packs {
    const struct kern *kern;
    struct weights w; /* the model's, but with layers of our own */
    struct kern_mat **mats;
    size_t n_mats, next_mat; /* in the order in which a pass reads them */
    size_t next_stripe;      /* of mats[next_mat] */
    uint8_t *arena;          /* aligned to HUGE_PAGE, inside the mapping */
    uint64_t used;           /* bytes of the arena that packed matrices have */
    void *mapping;
    size_t mapping_bytes;
};

static size_t n_stripes(const struct kern_mat *m)
{
    return (m->n_rows + KERN_STRIPE - 1) / KERN_STRIPE;
}

/* The matrices that a product reads and that can be packed, of a layer, or behind the last one. */
static size_t mats_at(struct weights *w, uint32_t i, struct kern_mat *out[WEIGHTS_LAYER_MATS])
{
    struct kern_mat *mats[WEIGHTS_LAYER_MATS] = {&w->output};
    size_t n = i < w->n_layers ? WEIGHTS_LAYER_MATS : 1, n_out = 0;

    if (i < w->n_layers)
        weights_layer_mats(&w->layers[i], mats);
    for (size_t j = 0; j < n; j++)
        if (mats[j]->data && pack_bytes(mats[j]) > 0)
            out[n_out++] = mats[j];
    return n_out;
}

/* All of them, in order. */
static void list_mats(struct packs *p)
{
    for (uint32_t i = 0; i <= p->w.n_layers; i++)
        p->n_mats += mats_at(&p->w, i, p->mats + p->n_mats);
}

uint64_t packs_padding(const struct weights *w)
{
    struct weights all = *w;
    uint64_t packed = 0, in_file = 0; /* a file's bytes, and up to 15 rows more for each */

    for (uint32_t i = 0; i <= w->n_layers; i++) {
        struct kern_mat *mats[WEIGHTS_LAYER_MATS];
        size_t n = mats_at(&all, i, mats);

        for (size_t j = 0; j < n; j++) {
            packed += pack_bytes(mats[j]);
            in_file += mats[j]->n_rows * mats[j]->row_bytes;
        }
    }
    return (packed + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE - in_file;
}

/* Address space for all of them; memory comes with the first write. False: there is none. */
static bool map_arena(struct packs *p)
{
    uint64_t bytes = HUGE_PAGE;

    for (size_t i = 0; i < p->n_mats; i++)
        if (__builtin_add_overflow(bytes, pack_bytes(p->mats[i]), &bytes) || bytes > SIZE_MAX / 2)
            return false;
    p->mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p->mapping == MAP_FAILED) {
        p->mapping = NULL;
        return false;
    }
    p->mapping_bytes = bytes;
    p->arena = (uint8_t *)p->mapping + -(uintptr_t)p->mapping % HUGE_PAGE;
    /* fewer entries of the page table to walk through: some 10 to 20 percent; a wish, not a need */
    madvise(p->arena, bytes - HUGE_PAGE, MADV_HUGEPAGE);
    return true;
}

int packs_create(const struct weights *w, const struct kern *kern, struct packs **out,
                 struct err *err)
{
    const size_t n = (size_t)w->n_layers * WEIGHTS_LAYER_MATS + 1;
    struct packs *p = calloc(1, sizeof *p);

    *out = NULL;
    BUG_ON(!kern->pack);
    if (!p)
        return err_no_memory(err, sizeof *p, "the packed weights");
    p->kern = kern;
    p->w = *w;
    p->w.layers = malloc(w->n_layers * sizeof *w->layers);
    p->mats = malloc(n * sizeof(struct kern_mat *));
    if (!p->w.layers || !p->mats) {
        packs_free(p);
        return err_no_memory(err, n * sizeof(struct kern_mat), "the packed weights");
    }
    memcpy(p->w.layers, w->layers, w->n_layers * sizeof *w->layers);
    list_mats(p);
    if (map_arena(p))
        *out = p;
    else
        packs_free(p);
    return 0;
}

void packs_free(struct packs *p)
{
    if (!p)
        return;
    if (p->mapping)
        munmap(p->mapping, p->mapping_bytes);
    free(p->w.layers);
    free(p->mats);
    free(p);
}

const struct weights *packs_weights(const struct packs *p)
{
    return &p->w;
}

struct pack_job {
    const struct packs *p;
    struct rows *rows;
    const struct scratch_thread *threads;
    const struct kern_mat *m;
    size_t first; /* stripe of task 0 */
};

static void pack_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct pack_job *job = arg;
    const size_t last = (job->first + end) * KERN_STRIPE;
    const size_t end_row = last < job->m->n_rows ? last : job->m->n_rows;

    for (size_t row = (job->first + begin) * KERN_STRIPE, n; row < end_row; row += n) {
        struct kern_mat view;

        n = rows_view(job->rows, job->m, row, end_row, job->threads[thread].window, &view);
        job->p->kern->pack(&view, row / KERN_STRIPE, (row + n + KERN_STRIPE - 1) / KERN_STRIPE,
                           job->p->arena + job->p->used);
    }
}

bool packs_step(struct packs *p, struct pool *pool, struct rows *rows,
                const struct scratch_thread *threads, uint64_t max_bytes)
{
    rows_begin(rows);
    while (p->next_mat < p->n_mats && max_bytes > 0) {
        struct kern_mat *m = p->mats[p->next_mat];
        const size_t left = n_stripes(m) - p->next_stripe, stripe_bytes = pack_stripe_bytes(m);
        const size_t most = max_bytes / stripe_bytes + 1, n = left < most ? left : most;
        struct pack_job job = {p, rows, threads, m, p->next_stripe};

        pool_run(pool, pack_task, &job, n, PACK_GRAIN);
        if (rows_failed(rows))
            return false;
        max_bytes -= max_bytes < n * stripe_bytes ? max_bytes : n * stripe_bytes;
        p->next_stripe += n;
        if (n < left)
            break;
        m->packed = p->arena + p->used;
        p->used += pack_bytes(m);
        gguf_release(p->w.file, m->data, m->n_rows * m->row_bytes);
        p->next_mat++;
        p->next_stripe = 0;
    }
    return p->next_mat < p->n_mats;
}
