/*
 * bench_attend.c - how fast attention is: for each kernel set, shape and context, the multiply-adds
 * done (Gop/s, two each) and the keys and values read once (GB/s), on one thread.
 *
 * "decode" is one row of one sequence, "prefill" as many as the engine hands to the kernel at once.
 * Time is the thread's own CPU time; each figure is the median of several runs, over more sequences
 * than caches hold.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "engine/kern/kern.h"
#include "timing.h"

#define MAX_RUNS    15
#define BUDGET_S    0.5        /* for each figure */
#define POOL_BYTES  (64 << 20) /* keys and values */
#define MAX_QUERIES 64

static const uint32_t contexts[] = {128, 1024, 4096, 32768};
static const struct shape {
    size_t head_dim, n_heads; /* query heads of a KV head */
} shapes[] = {{64, 8}, {64, 7}, {128, 4}, {128, 1}};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct bench {
    enum kern_kv type;
    uint8_t *pool;
    const void **k_pages, **v_pages;
    uint32_t n_pos[MAX_QUERIES];
    float *q, *out, *scratch;
};

static bool bench_init(struct bench *b)
{
    const size_t n_pages = POOL_BYTES / KERN_PAGE_TOKENS; /* of heads of one float: enough */

    *b = (struct bench){.pool = malloc(POOL_BYTES),
                        .k_pages = malloc(n_pages * sizeof(void *)),
                        .v_pages = malloc(n_pages * sizeof(void *)),
                        .q = malloc(MAX_QUERIES * 128 * sizeof(float)),
                        .out = malloc(MAX_QUERIES * 128 * sizeof(float)),
                        .scratch = malloc(kern_attn_scratch(MAX_QUERIES, 128) * sizeof(float))};
    if (!b->pool || !b->k_pages || !b->v_pages || !b->q || !b->out || !b->scratch)
        return false;
    for (size_t i = 0; i < POOL_BYTES; i++) /* small numbers, as half floats and as floats */
        b->pool[i] = (uint8_t)(i * 2654435761u >> 15 & (i % 2 ? 0xb3 : 0xff));
    for (size_t i = 0; i < MAX_QUERIES * 128; i++)
        b->q[i] = (float)(int)(i * 2654435761u >> 8 & 0xffff) / 32768.0f - 1.0f;
    return true;
}

static void bench_done(struct bench *b)
{
    free(b->pool);
    free(b->k_pages);
    free(b->v_pages);
    free(b->q);
    free(b->out);
    free(b->scratch);
}

/* All rows of `n_seqs` sequences of n_pos positions each. */
static void attend_all(struct bench *b, const struct kern *set, const struct shape *s,
                       size_t n_rows, uint32_t n_pos, size_t n_seqs)
{
    const size_t n_pages = n_pos / KERN_PAGE_TOKENS;
    struct kern_attn a = {.type = b->type,
                          .head_dim = s->head_dim,
                          .n_rows = n_rows,
                          .n_heads = s->n_heads,
                          .n_pos = b->n_pos,
                          .q = b->q,
                          .out = b->out,
                          .stride = s->n_heads * s->head_dim,
                          .scale = 0.125f,
                          .scratch = b->scratch};

    for (size_t i = 0; i < n_seqs; i++) {
        a.k_pages = b->k_pages + i * n_pages;
        a.v_pages = b->v_pages + i * n_pages;
        set->attend(&a);
    }
}

static void bench_one(struct bench *b, const struct kern *set, const struct shape *s, size_t n_rows,
                      uint32_t n_pos)
{
    const size_t strip = kern_strip_bytes(b->type, s->head_dim);
    const size_t n_bytes = 2 * strip * n_pos / KERN_PAGE_TOKENS;
    const size_t n_seqs = n_rows > 1 ? 1 : POOL_BYTES / n_bytes;
    const double begin = cpu_seconds();
    double runs[MAX_RUNS], ops;
    int n = 0;

    for (size_t i = 0; i < POOL_BYTES / strip / 2; i++) {
        b->k_pages[i] = b->pool + 2 * i * strip;
        b->v_pages[i] = b->pool + (2 * i + 1) * strip;
    }
    for (size_t r = 0; r < n_rows; r++)
        b->n_pos[r] = n_pos - (uint32_t)(n_rows - 1 - r);
    while (n == 0 || (n < MAX_RUNS && cpu_seconds() - begin < BUDGET_S)) {
        double start = cpu_seconds();
        attend_all(b, set, s, n_rows, n_pos, n_seqs);
        runs[n++] = (cpu_seconds() - start) / (double)n_seqs;
    }
    qsort(runs, (size_t)n, sizeof *runs, by_value);
    ops = 4.0 * (double)(n_rows * s->n_heads * s->head_dim) * n_pos;
    printf(" %7.1f %5.1f", ops / runs[n / 2] * 1e-9, (double)n_bytes / runs[n / 2] * 1e-9);
    fflush(stdout);
}

static void bench_set(struct bench *b, const struct kern *set)
{
    for (size_t i = 0; i < COUNT(shapes); i++) {
        for (int prefill = 0; prefill < 2; prefill++) {
            size_t n_rows = prefill ? MAX_QUERIES / shapes[i].n_heads : 1;

            printf("%-7s %-4s %4zu x %zu %-8s", set->name, b->type == KERN_KV_F16 ? "f16" : "q8_0",
                   shapes[i].head_dim, shapes[i].n_heads, prefill ? "prefill" : "decode");
            for (size_t c = 0; c < COUNT(contexts); c++)
                bench_one(b, set, &shapes[i], n_rows, contexts[c]);
            printf("\n");
        }
    }
}

int main(int argc, char **argv)
{
    const char *name = NULL;
    const struct cli_command command = {"attend", NULL, "measures attention of every kernel set",
                                        NULL, NULL};
    const struct cli_opt opts[] = {
        {.name = "set", .kind = CLI_STR, .value = &name, .arg = "NAME", .help = "only this set"},
        {0},
    };
    struct bench b;
    size_t n_words = 0;
    int rc = cli_parse("bench_attend", &command, opts, argc - 1, argv + 1, NULL, 0, &n_words);

    if (rc != CLI_GO)
        return rc;
    if (!bench_init(&b)) {
        fprintf(stderr, "bench_attend: out of memory\n");
        bench_done(&b);
        return CLI_ERROR;
    }
    printf("Gop/s and GB/s for each context\n%-29s", "set     kv   head x queries");
    for (size_t i = 0; i < COUNT(contexts); i++)
        printf(" %13u", contexts[i]);
    printf("\n");
    for (const struct kern *const *set = kern_available(); *set; set++) {
        if (name ? strcmp(name, (*set)->name) == 0 : strcmp("ref", (*set)->name) != 0) {
            b.type = KERN_KV_F16;
            bench_set(&b, *set);
            b.type = KERN_KV_Q8_0;
            bench_set(&b, *set);
        }
    }
    bench_done(&b);
    return CLI_DONE;
}
