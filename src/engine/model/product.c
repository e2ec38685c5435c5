/* product.c - see product.h. */
#include "engine/model/product.h"

#include "engine/model/share.h"

static size_t n_blocks(const struct product_out *o)
{
    return (o->w->n_rows + PRODUCT_ROWS - 1) / PRODUCT_ROWS;
}

/* y = W x for the rows [r0, r1), as many at a time as the thread's window shows. */
static void multiply_rows(const struct product *p, const struct product_out *o, size_t r0,
                          size_t r1, unsigned thread)
{
    while (r0 < r1) {
        struct kern_mat w;
        size_t n = rows_view(p->rows, o->w, r0, r1, p->threads[thread].window, &w);

        p->kern->matmul(&w, &p->x, o->y, o->w->n_rows, r0, r0 + n);
        r0 += n;
    }
}

/* Rows of o in blocks [begin, end). */
static void multiply(const struct product *p, const struct product_out *o, size_t begin, size_t end,
                     unsigned thread)
{
    size_t stride = o->w->n_rows;
    size_t r0 = begin * PRODUCT_ROWS, r1 = end * PRODUCT_ROWS;

    if (r1 > stride)
        r1 = stride;
    multiply_rows(p, o, r0, r1, thread);
    for (size_t c = 0; c < p->x.n_cols; c++) {
        float *y = o->y + c * stride + r0;

        if (o->bias)
            p->kern->add(y, o->bias + r0, r1 - r0);
        if (o->gelu)
            p->kern->gelu(y, r1 - r0);
        if (o->residual)
            p->kern->add(o->residual + c * stride + r0, y, r1 - r0);
    }
}

/* Tasks are the blocks of all matrices, one matrix behind the other. */
static void product_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct product *p = arg;
    size_t first = 0;

    for (size_t i = 0; i < p->n_out; i++) {
        size_t n = n_blocks(&p->out[i]);
        size_t b = begin > first ? begin - first : 0;
        size_t e = end < first + n ? end - first : n;

        if (begin < first + n && end > first)
            multiply(p, &p->out[i], b, e, thread);
        first += n;
    }
}

static void gated_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct product *p = arg;
    size_t stride = p->out[0].w->n_rows;
    size_t r0 = begin * PRODUCT_ROWS, r1 = end * PRODUCT_ROWS;

    if (r1 > stride)
        r1 = stride;
    multiply(p, &p->out[0], begin, end, thread);
    multiply(p, &p->out[1], begin, end, thread);
    for (size_t c = 0; c < p->x.n_cols; c++)
        p->kern->silu_mul(p->out[0].y + c * stride + r0, p->out[1].y + c * stride + r0, r1 - r0);
}

/* Multiply-adds of a task of `n_mats` matrices. */
static size_t task_work(const struct product *p, size_t n_mats)
{
    return n_mats * PRODUCT_ROWS * p->x.k * p->x.n_cols;
}

void product_run(const struct product *p, struct pool *pool)
{
    size_t n_tasks = 0;

    for (size_t i = 0; i < p->n_out; i++)
        n_tasks += n_blocks(&p->out[i]);
    share_run(pool, product_task, (void *)(uintptr_t)p, n_tasks, task_work(p, 1));
}

void product_run_gated(const struct product *p, struct pool *pool)
{
    share_run(pool, gated_task, (void *)(uintptr_t)p, n_blocks(&p->out[0]), task_work(p, 2));
}
