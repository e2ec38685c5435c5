/* scratch.c - see scratch.h. One function lays the arrays out; it runs once to measure and once to
 * hand out, so that the two cannot differ. */
#include "engine/model/scratch.h"

#include <sys/mman.h>

#include "engine/model/kv.h"

#define SCRATCH_ALIGN 64 /* a cache line, and the widest vector */

struct carver {
    uint8_t *base; /* NULL while measuring */
    uint64_t used;
    bool overflow;
};

static void *carve(struct carver *c, uint64_t n, uint64_t m, size_t elem_size)
{
    uint64_t bytes, end, at = c->used;

    if (__builtin_mul_overflow(n, m, &bytes) || __builtin_mul_overflow(bytes, elem_size, &bytes) ||
        __builtin_add_overflow(at, bytes, &end) || end > INT64_MAX) {
        c->overflow = true;
        return NULL;
    }
    c->used = (end + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
    return c->base ? c->base + at : NULL;
}

/* Rows of m values, quantised; NULL when such rows cannot be. */
static struct kern_q8 *carve_q8(struct carver *c, uint64_t n, uint64_t m)
{
    return m % QK == 0 ? carve(c, n, m / QK, sizeof(struct kern_q8)) : NULL;
}

static void carve_threads(struct carver *c, const struct scratch_shape *shape, struct scratch *s)
{
    const struct hparams *hp = shape->hp;
    uint32_t group = hp->n_heads / hp->n_kv_heads, n_pages = kv_pages_for(shape->n_ctx);
    uint32_t n_rows = scratch_rows_per_run(hp);

    s->threads = carve(c, shape->n_threads, 1, sizeof *s->threads);
    for (unsigned i = 0; i < shape->n_threads; i++) {
        struct scratch_thread t = {
            .attn = carve(c, kern_attn_scratch(n_rows * group, hp->head_dim), 1, sizeof(float)),
            .n_pos = carve(c, n_rows, 1, sizeof(uint32_t)),
            .k_pages = carve(c, n_pages, 1, sizeof(void *)),
            .v_pages = carve(c, n_pages, 1, sizeof(void *)),
            .window = carve(c, ROWS_WINDOW_BYTES, 1, 1),
        };

        if (c->base)
            s->threads[i] = t;
    }
}

/* Parts of blocks, for as many tasks as attention cuts by blocks. */
static float *carve_parts(struct carver *c, const struct scratch_shape *shape)
{
    const struct hparams *hp = shape->hp;
    uint64_t n_tasks = scratch_split_tasks(shape->n_threads);
    uint64_t n_queries = hp->n_heads / hp->n_kv_heads * (uint64_t)kern_blocks_for(shape->n_ctx);

    return carve(c, n_tasks, n_queries, kern_part_len(hp->head_dim) * sizeof(float));
}

static void carve_all(struct carver *c, const struct scratch_shape *shape, struct scratch *s)
{
    const struct hparams *hp = shape->hp;
    uint64_t b = shape->n_batch, e = hp->n_embd, q = hparams_q_dim(hp), k = hparams_kv_dim(hp);

    s->x = carve(c, b, e, sizeof(float));
    s->h = carve(c, b, e, sizeof(float));
    s->hq = carve_q8(c, b, e);
    s->q = carve(c, b, q, sizeof(float));
    s->k = carve(c, b, k, sizeof(float));
    s->v = carve(c, b, k, sizeof(float));
    s->att = carve(c, b, q, sizeof(float));
    s->attq = carve_q8(c, b, q);
    s->runs = carve(c, b, 1, sizeof *s->runs);
    s->parts = carve_parts(c, shape);
    s->gate = carve(c, b, hp->n_ff, sizeof(float));
    s->up = carve(c, b, hp->n_ff, sizeof(float));
    s->gateq = carve_q8(c, b, hp->n_ff);
    s->cs = carve(c, b, hp->rope.n_rot, sizeof(float));
    s->freq = carve(c, hp->rope.n_rot / 2, 1, sizeof(double));
    carve_threads(c, shape, s);
    s->logits = carve(c, shape->n_logits, shape->n_vocab, sizeof(float));
}

uint64_t scratch_bytes(const struct scratch_shape *shape)
{
    struct carver c = {0};
    struct scratch s;

    carve_all(&c, shape, &s);
    return c.overflow ? UINT64_MAX : c.used;
}

int scratch_init(struct scratch *s, const struct scratch_shape *shape, struct err *err)
{
    uint64_t bytes = scratch_bytes(shape);
    void *p = bytes > SIZE_MAX / 2 ? MAP_FAILED
                                   : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct carver c = {.base = p};

    if (p == MAP_FAILED)
        return err_no_memory(err, bytes, "the engine's scratch");
    carve_all(&c, shape, s);
    s->mapping = p;
    s->mapping_bytes = bytes;
    return 0;
}

void scratch_done(struct scratch *s)
{
    if (s->mapping)
        munmap(s->mapping, s->mapping_bytes);
    *s = (struct scratch){0};
}
