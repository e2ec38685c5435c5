/*
 * bench_kern.c - how fast the kernels are: for each set and type one line, for 1 to 256 columns the
 * weights read per second (GB/s) and the multiply-adds done (Gop/s, two each), on one thread.
 *
 * Time is the thread's own CPU time, so that a busy machine shows less; the memory it shares with
 * others still shows. Each figure is the median of several runs over a matrix larger than the
 * caches.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cli.h"
#include "engine/kern/pack.h"
#include "timing.h"

#define K         2048 /* row length */
#define HUGE_PAGE (2ul << 20)
#define MAX_COLS  256
#define MAX_RUNS  15
#define BUDGET_S  0.5 /* for each figure */
#define SLOW_S    2.0 /* a line ends when a product takes longer */

static const size_t columns[] = {1, 2, 4, 8, 16, 64, 256};
#define N_COLUMNS (sizeof columns / sizeof *columns)

struct bench {
    size_t n_rows;
    float *x, *y;
    struct kern_q8 *q;
    uint8_t *weights; /* room for n_rows rows of F32 */
    uint8_t *packed;  /* the same for packed rows; NULL when they are used as in a file */
};

/* In huge pages where the system has them, as the engine keeps packed weights. */
static void *huge_alloc(size_t bytes)
{
    void *p = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);

    if (p)
        madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

static bool bench_init(struct bench *b, size_t n_rows, bool packed)
{
    b->n_rows = n_rows;
    b->x = malloc(MAX_COLS * K * sizeof *b->x);
    b->q = malloc(MAX_COLS * K / QK * sizeof *b->q);
    b->y = malloc(MAX_COLS * n_rows * sizeof *b->y);
    b->weights = malloc(n_rows * K * sizeof(float));
    b->packed = packed ? huge_alloc(n_rows * K * sizeof(float)) : NULL;
    if (!b->x || !b->q || !b->y || !b->weights || (packed && !b->packed))
        return false;
    for (size_t i = 0; i < MAX_COLS * K; i++)
        b->x[i] = (float)(int)(i * 2654435761u >> 8 & 0xffff) / 32768.0f - 1.0f;
    kern_find(NULL)->quantize(b->x, MAX_COLS * K, b->q);
    for (size_t i = 0; i < n_rows * K * sizeof(float); i++)
        b->weights[i] = (uint8_t)(i * 2654435761u >> 13) & 0xbf; /* no infinities in it */
    return true;
}

static void bench_done(struct bench *b)
{
    free(b->x);
    free(b->q);
    free(b->y);
    free(b->weights);
    free(b->packed);
}

/* Seconds of one product: the median of as many runs as fit into the budget, at least one. */
static double bench_seconds(const struct bench *b, const struct kern *set, const struct kern_mat *w,
                            size_t n_cols)
{
    const struct kern_acts x = {K, n_cols, b->x, b->q};
    const double begin = cpu_seconds();
    double runs[MAX_RUNS];
    int n = 0;

    while (n == 0 || (n < MAX_RUNS && cpu_seconds() - begin < BUDGET_S)) {
        double start = cpu_seconds();
        set->matmul(w, &x, b->y, b->n_rows, 0, b->n_rows);
        runs[n++] = cpu_seconds() - start;
    }
    qsort(runs, (size_t)n, sizeof *runs, by_value);
    return runs[n / 2];
}

static void bench_line(const struct bench *b, const struct kern *set, const struct type_info *type,
                       size_t max_cols)
{
    const size_t row_bytes = K / type->block_elems * type->block_bytes;
    struct kern_mat w = {type, b->weights, b->n_rows, K, row_bytes, NULL};

    if (b->packed && set->pack && pack_bytes(&w)) {
        set->pack(&w, 0, (b->n_rows + KERN_STRIPE - 1) / KERN_STRIPE, b->packed);
        w.packed = b->packed;
    }

    printf("%-7s %-7s", set->name, type->name);
    for (size_t i = 0; i < N_COLUMNS && columns[i] <= max_cols; i++) {
        double s = bench_seconds(b, set, &w, columns[i]);
        printf(" %6.2f %6.1f", (double)(b->n_rows * row_bytes) / s * 1e-9,
               2.0 * (double)(b->n_rows * K * columns[i]) / s * 1e-9);
        fflush(stdout);
        if (s > SLOW_S)
            break;
    }
    printf("\n");
}

static int bench_run(const char *set_name, const char *type_name, size_t n_rows, size_t max_cols,
                     bool packed)
{
    struct bench b = {0};
    uint32_t n_types;
    const struct type_info *types = type_all(&n_types);

    if (!bench_init(&b, n_rows, packed)) {
        fprintf(stderr, "bench_kern: out of memory\n");
        bench_done(&b);
        return CLI_ERROR;
    }
    printf("%zu rows of %d; GB/s of weights and Gop/s for each number of columns\n%-15s", n_rows, K,
           "set     type");
    for (size_t i = 0; i < N_COLUMNS && columns[i] <= max_cols; i++)
        printf(" %13zu", columns[i]);
    printf("\n");
    for (const struct kern *const *set = kern_available(); *set; set++) {
        for (uint32_t t = 0; t < n_types; t++) {
            if ((!set_name || strcmp(set_name, (*set)->name) == 0) &&
                (!type_name || strcmp(type_name, types[t].name) == 0))
                bench_line(&b, *set, &types[t], max_cols);
        }
    }
    bench_done(&b);
    return CLI_DONE;
}

int main(int argc, char **argv)
{
    const char *set = NULL, *type = NULL;
    int64_t n_rows = 33008, max_cols = MAX_COLS;
    bool packed = false;
    const struct cli_command command = {
        "kern", NULL, "measures the matrix products of every kernel set and type", NULL, NULL};
    const struct cli_opt opts[] = {
        {.name = "set", .kind = CLI_STR, .value = &set, .arg = "NAME", .help = "only this set"},
        {.name = "type", .kind = CLI_STR, .value = &type, .arg = "NAME", .help = "only this type"},
        {.name = "rows",
         .kind = CLI_INT,
         .value = &n_rows,
         .min = 16,
         .max = 1 << 20,
         .arg = "N",
         .help = "rows of the matrix"},
        {.name = "columns",
         .kind = CLI_INT,
         .value = &max_cols,
         .min = 1,
         .max = MAX_COLS,
         .arg = "N",
         .help = "not more columns than this"},
        {.name = "packed", .kind = CLI_FLAG, .value = &packed, .help = "weights packed first"},
        {0},
    };
    size_t n_words = 0;
    int rc = cli_parse("bench_kern", &command, opts, argc - 1, argv + 1, NULL, 0, &n_words);

    if (rc != CLI_GO)
        return rc;
    return bench_run(set, type, (size_t)n_rows, (size_t)max_cols, packed);
}
