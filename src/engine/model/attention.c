/* attention.c - see attention.h. Grouped heads: Ainslie et al. 2023. */
#include "engine/model/attention.h"

#include <math.h>

#include "engine/model/share.h"

struct attention_job {
    struct forward *f;
    uint32_t layer;
    uint32_t n_runs;
    uint32_t n_blocks; /* of the longest row; tasks of their own where the job is cut by blocks */
};

/* ---- keeping ------------------------------------------------------------- */

/* Turns q and k of row i, and puts its k and v where the sequence keeps them. */
static void turn_and_keep(const struct forward *f, uint32_t layer, size_t i)
{
    const struct hparams *hp = f->hp;
    const struct forward_row *row = &f->rows[i];
    const float *cs = f->s.cs + i * hp->rope.n_rot;
    size_t dim = hp->head_dim;
    float *k = f->s.k + i * hparams_kv_dim(hp);
    const float *v = f->s.v + i * hparams_kv_dim(hp);

    f->kern->rope(f->s.q + i * hparams_q_dim(hp), hp->n_heads, dim, hp->rope.n_rot, cs,
                  hp->rope.neox);
    f->kern->rope(k, hp->n_kv_heads, dim, hp->rope.n_rot, cs, hp->rope.neox);
    for (uint32_t h = 0; h < hp->n_kv_heads; h++)
        kv_put(f->kv, f->kern, row->seq, layer, h, row->pos, k + h * dim, v + h * dim);
}

static void keep_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct attention_job *job = arg;

    (void)thread;
    for (size_t i = begin; i < end; i++)
        turn_and_keep(job->f, job->layer, i);
}

void attention_keep(struct forward *f, uint32_t layer)
{
    struct attention_job job = {.f = f, .layer = layer};

    share_run(f->pool, keep_task, &job, f->n_rows,
              SHARE_WORK_PER_VALUE * (hparams_q_dim(f->hp) + 2 * (size_t)hparams_kv_dim(f->hp)));
}

/* ---- attending ----------------------------------------------------------- */

/* A kernel's arguments for rows of a sequence and one KV head, over blocks begin..end-1. */
static struct kern_attn attn_of(const struct attention_job *job, const struct scratch_thread *mine,
                                struct scratch_run run, uint32_t head, uint32_t begin, uint32_t end)
{
    const struct forward *f = job->f;
    const struct hparams *hp = f->hp;
    size_t group = hp->n_heads / hp->n_kv_heads;
    size_t at = run.begin * (size_t)hparams_q_dim(hp) + head * group * hp->head_dim;
    uint32_t n_pages = kv_pages_for(f->rows[run.begin + run.n - 1].n_seen);

    for (uint32_t i = 0; i < run.n; i++)
        mine->n_pos[i] = f->rows[run.begin + i].n_seen;
    if (n_pages > end * KERN_BLOCK_PAGES)
        n_pages = end * KERN_BLOCK_PAGES;
    kv_view(f->kv, f->rows[run.begin].seq, job->layer, head, begin * KERN_BLOCK_PAGES, n_pages,
            mine->k_pages, mine->v_pages);
    return (struct kern_attn){.type = kv_type(f->kv),
                              .k_pages = mine->k_pages,
                              .v_pages = mine->v_pages,
                              .head_dim = hp->head_dim,
                              .n_rows = run.n,
                              .n_heads = group,
                              .n_pos = mine->n_pos,
                              .q = f->s.q + at,
                              .out = f->s.att + at,
                              .stride = hparams_q_dim(hp),
                              .scale = 1.0f / sqrtf((float)hp->head_dim),
                              .scratch = mine->attn};
}

static uint32_t blocks_of(const struct forward *f, size_t row)
{
    return kern_blocks_for(f->rows[row].n_seen);
}

/* A task is a run of rows and one KV head. */
static void attend_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct attention_job *job = arg;
    const struct forward *f = job->f;
    uint32_t n_kv = f->hp->n_kv_heads;

    for (size_t t = begin; t < end; t++) {
        struct scratch_run run = f->s.runs[t / n_kv];
        struct kern_attn a = attn_of(job, &f->s.threads[thread], run, (uint32_t)(t % n_kv), 0,
                                     blocks_of(f, run.begin + run.n - 1));

        f->kern->attend(&a);
    }
}

/* The parts of a row and KV head: (n_blocks, group, kern_part_len). */
static float *parts_of(const struct attention_job *job, size_t row, uint32_t head)
{
    const struct hparams *hp = job->f->hp;
    size_t one = (hp->n_heads / hp->n_kv_heads) * kern_part_len(hp->head_dim);

    return job->f->s.parts + (row * hp->n_kv_heads + head) * job->n_blocks * one;
}

/* A task is a row, a KV head and a block; those behind the row's last block are empty. */
static void block_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct attention_job *job = arg;
    const struct forward *f = job->f;
    const struct hparams *hp = f->hp;
    size_t one = (hp->n_heads / hp->n_kv_heads) * kern_part_len(hp->head_dim);

    for (size_t t = begin; t < end; t++) {
        uint32_t block = (uint32_t)(t % job->n_blocks);
        uint32_t head = (uint32_t)(t / job->n_blocks % hp->n_kv_heads);
        size_t row = t / job->n_blocks / hp->n_kv_heads;
        struct kern_attn a;

        if (block >= blocks_of(f, row))
            continue;
        a = attn_of(job, &f->s.threads[thread], (struct scratch_run){(uint32_t)row, 1}, head, block,
                    block + 1);
        f->kern->attend_block(&a, block, parts_of(job, row, head) + block * one);
    }
}

/* A task is a row and a query head, whose parts are joined. */
static void join_task(void *arg, size_t begin, size_t end, unsigned thread)
{
    const struct attention_job *job = arg;
    const struct forward *f = job->f;
    const struct hparams *hp = f->hp;
    size_t group = hp->n_heads / hp->n_kv_heads, len = kern_part_len(hp->head_dim);

    (void)thread;
    for (size_t t = begin; t < end; t++) {
        size_t row = t / hp->n_heads, head = t % hp->n_heads;
        float *parts = parts_of(job, row, (uint32_t)(head / group)) + head % group * len;

        f->kern->attend_join(parts, blocks_of(f, row), group * len, hp->head_dim,
                             f->s.att + t * hp->head_dim);
    }
}

/* ---- cutting ------------------------------------------------------------- */

/* Runs that a thread should find, so that all end at about the same time. */
#define RUNS_PER_THREAD 8

/*
 * Rows of a sequence that make a task: as many as the scratch has room for, but fewer where that
 * would leave threads without work.
 */
static uint32_t rows_per_run(const struct forward *f)
{
    size_t wanted = (size_t)pool_n_threads(f->pool) * RUNS_PER_THREAD;
    size_t rows = f->n_rows * (size_t)f->hp->n_kv_heads / wanted;
    uint32_t most = scratch_rows_per_run(f->hp);

    return rows < 1 ? 1 : rows < most ? (uint32_t)rows : most;
}

/* Cuts the batch into runs of rows of one sequence. */
static uint32_t cut_runs(struct forward *f)
{
    uint32_t most = rows_per_run(f), n = 0;

    for (uint32_t i = 0; i < f->n_rows; i++) {
        struct scratch_run *run = &f->s.runs[n];

        if (i > 0 && run[-1].n < most && f->rows[i].seq == f->rows[i - 1].seq)
            run[-1].n++;
        else
            f->s.runs[n++] = (struct scratch_run){i, 1};
    }
    return n;
}

static uint32_t most_blocks(const struct forward *f)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < f->n_rows; i++)
        most = blocks_of(f, i) > most ? blocks_of(f, i) : most;
    return most;
}

void attention_attend(struct forward *f, uint32_t layer)
{
    const struct hparams *hp = f->hp;
    struct attention_job job = {.f = f, .layer = layer, .n_blocks = most_blocks(f)};
    size_t n_tasks = (size_t)f->n_rows * hp->n_kv_heads;
    /* multiply-adds of a row, a KV head and a block */
    size_t work = 2 * (size_t)hp->head_dim * (hp->n_heads / hp->n_kv_heads) * KERN_BLOCK_TOKENS;

    if (job.n_blocks > 1 && n_tasks < scratch_split_tasks(pool_n_threads(f->pool))) {
        share_run(f->pool, block_task, &job, n_tasks * job.n_blocks, work);
        share_run(f->pool, join_task, &job, (size_t)f->n_rows * hp->n_heads,
                  (size_t)job.n_blocks * hp->head_dim);
        return;
    }
    job.n_runs = cut_runs(f);
    share_run(f->pool, attend_task, &job, (size_t)job.n_runs * hp->n_kv_heads,
              work * job.n_blocks * f->n_rows / job.n_runs);
}
