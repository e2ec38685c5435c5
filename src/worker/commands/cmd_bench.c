/*
 * cmd_bench.c - "bench": how fast a model is here, as one line of JSON. Each figure is the median
 * of several runs on random tokens, beside the slowest and the fastest. A run fills the context up
 * to a depth that is not timed, then reads a prompt, then decodes behind it, so that attention has
 * its share. The first run is thrown away: caches, page tables and what is made lazily.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "worker/commands/commands.h"

#define BENCH_MAX_REPEAT 100
#define BENCH_JSON_BYTES 65536

struct bench {
    struct command_engine o;
    int statm_fd; /* /proc/self/statm; -1 = none */
    int64_t n_depth, n_prompt, n_gen, n_seqs, n_repeat, n_chunk;
    struct engine_model *m;
    struct engine *e;
    struct engine_row *rows; /* as many as a batch may have */
    uint32_t n_vocab;
    uint32_t random; /* state of the generator of prompts */
    int64_t load_ms;
    double prefill[BENCH_MAX_REPEAT], decode[BENCH_MAX_REPEAT]; /* tokens per second */
};

/* Any token will do, but not always the same one (Numerical Recipes' quick generator). */
static int32_t random_token(struct bench *b)
{
    b->random = b->random * 1664525u + 1013904223u;
    return (int32_t)((b->random >> 8) % b->n_vocab);
}

static double since(uint64_t began_ns)
{
    return (double)(clock_ns() - began_ns) * 1e-9;
}

/* n_tokens more in sequence 0; the scores of the last are computed. */
static int prefill(struct bench *b, int64_t n_tokens, struct err *err)
{
    uint32_t n_batch = engine_n_batch(b->e);
    int rc = 0;

    for (int64_t done = 0; !rc && done < n_tokens;) {
        uint32_t n = n_tokens - done < n_batch ? (uint32_t)(n_tokens - done) : n_batch;

        for (uint32_t i = 0; i < n; i++)
            b->rows[i] = (struct engine_row){
                .token = random_token(b), .seq = 0, .want_logits = done + i + 1 == n_tokens};
        rc = engine_decode(b->e, b->rows, n, err);
        done += n;
    }
    return rc;
}

/* One token of each sequence. */
static int decode_step(struct bench *b, struct err *err)
{
    for (int64_t i = 0; i < b->n_seqs; i++)
        b->rows[i] =
            (struct engine_row){.token = random_token(b), .seq = (int)i, .want_logits = true};
    return engine_decode(b->e, b->rows, (uint32_t)b->n_seqs, err);
}

/* Sequences 1..n_seqs-1, with the beginning that 0 has. */
static int fork_all(struct bench *b, struct err *err)
{
    for (int64_t i = 1; i < b->n_seqs; i++) {
        int seq = engine_seq_fork(b->e, 0, (uint32_t)(b->n_depth + b->n_prompt), err);

        if (seq < 0)
            return seq;
    }
    return 0;
}

/* The engine is empty, so that ids of sequences count from 0. */
static int measure(struct bench *b, int64_t run, struct err *err)
{
    int rc = engine_seq_open(b->e, err);
    uint64_t began;

    if (!rc)
        rc = prefill(b, b->n_depth, err);
    began = clock_ns();
    if (!rc)
        rc = prefill(b, b->n_prompt, err);
    b->prefill[run] = (double)b->n_prompt / since(began);
    if (!rc)
        rc = fork_all(b, err);
    began = clock_ns();
    for (int64_t i = 0; !rc && i < b->n_gen; i++)
        rc = decode_step(b, err);
    b->decode[run] = (double)(b->n_gen * b->n_seqs) / since(began);
    for (int64_t i = 0; !rc && i < b->n_seqs; i++)
        engine_seq_close(b->e, (int)i);
    return rc;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* ,"<name>_tokens_per_sec":median,"<name>_min":slowest,"<name>_max":fastest; sorts v. */
static void put_speed(struct buf *out, const char *name, double *v, size_t n)
{
    qsort(v, n, sizeof *v, compare);
    buf_printf(out, ",\"%s_tokens_per_sec\":%.2f", name,
               n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2.0);
    buf_printf(out, ",\"%s_min\":%.2f,\"%s_max\":%.2f", name, v[0], name, v[n - 1]);
}

/* Resident bytes of this process; 0 when the system does not tell. Opened before the sandbox. */
static uint64_t resident_bytes(int statm_fd)
{
    unsigned long long size, resident;
    char text[128];
    ssize_t n = pread(statm_fd, text, sizeof text - 1, 0);

    if (n <= 0)
        return 0;
    text[n] = '\0';
    if (sscanf(text, "%llu %llu", &size, &resident) != 2)
        return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int report(struct bench *b, struct err *err)
{
    struct engine_model_info info;
    size_t n = (size_t)b->n_repeat;
    struct buf out;
    int rc;

    engine_model_info(b->m, &info);
    buf_init(&out, BENCH_JSON_BYTES);
    buf_puts(&out, "{\"model\":");
    json_put_string(&out, b->o.model_path, strlen(b->o.model_path));
    buf_printf(&out, ",\"file_type\":\"%s\",\"kernels\":\"%s\",\"threads\":%u", info.file_type,
               engine_kernels(b->e), engine_n_threads(b->e));
    buf_printf(&out, ",\"depth\":%" PRId64 ",\"prompt_tokens\":%" PRId64, b->n_depth, b->n_prompt);
    buf_printf(&out, ",\"gen_tokens\":%" PRId64 ",\"batch\":%" PRId64, b->n_gen, b->n_seqs);
    buf_printf(&out, ",\"repeat\":%" PRId64 ",\"load_ms\":%" PRId64, b->n_repeat, b->load_ms);
    if (b->n_prompt)
        put_speed(&out, "prefill", b->prefill, n);
    if (b->n_gen)
        put_speed(&out, "decode", b->decode, n);
    buf_printf(&out, ",\"token_bytes\":%" PRIu64, info.token_bytes);
    buf_printf(&out, ",\"kv_bytes_per_token\":%" PRIu64, info.kv_bytes_per_token);
    buf_printf(&out, ",\"rss_bytes\":%" PRIu64 "}\n", resident_bytes(b->statm_fd));
    rc = command_write(buf_str(&out), out.len, err);
    buf_done(&out);
    return rc;
}

static int open_all(struct bench *b, struct err *err)
{
    int64_t began = clock_ms(), need = b->n_depth + b->n_prompt + b->n_gen;
    struct engine_model_info info;
    uint32_t n_batch = b->n_chunk ? (uint32_t)b->n_chunk : ENGINE_DEFAULT_BATCH;
    int rc;

    b->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    rc = command_open_model(&b->o, &b->m, err);
    if (!rc)
        rc = engine_model_load(b->m, NULL, NULL, err);
    if (rc)
        return rc;
    b->load_ms = clock_ms() - began;
    engine_model_info(b->m, &info);
    b->n_vocab = info.n_vocab;
    if (need > info.n_ctx_train)
        return err_set(err, ERR_LIMIT,
                       "%" PRId64 " tokens were asked for, but the model's context is %u", need,
                       info.n_ctx_train);
    if (n_batch < b->n_seqs)
        n_batch = (uint32_t)b->n_seqs;
    b->o.n_ctx = need;
    b->rows = malloc(n_batch * sizeof *b->rows);
    if (!b->rows)
        return err_no_memory(err, n_batch * sizeof *b->rows, "a batch");
    return command_open_engine(&b->o, b->m, (uint32_t)b->n_seqs, n_batch, &b->e, err);
}

static int bench(struct bench *b)
{
    struct err err = {0};
    int rc = open_all(b, &err);

    while (!rc && engine_tune(b->e))
        ;
    if (!rc)
        rc = measure(b, 0, &err); /* warms caches and page tables; thrown away */
    for (int64_t i = 0; !rc && i < b->n_repeat; i++)
        rc = measure(b, i, &err);
    if (!rc)
        rc = report(b, &err);
    engine_free(b->e);
    engine_model_close(b->m);
    if (b->statm_fd >= 0)
        close(b->statm_fd);
    free(b->rows);
    return rc ? command_fail(&err) : CLI_DONE;
}

int cmd_bench(const struct cli_command *self, int argc, char **argv)
{
    struct bench b = {.n_prompt = 128, .n_gen = 32, .n_seqs = 1, .n_repeat = 3};
    const struct cli_opt opts[] = {
        COMMAND_ENGINE_OPTS(&b.o),
        {"depth", 0, CLI_INT, &b.n_depth, 0, INT32_MAX, "D",
         "tokens in the context before the clock starts; default 0", NULL},
        {"prompt-tokens", 0, CLI_INT, &b.n_prompt, 0, INT32_MAX, "P", "default 128", NULL},
        {"gen-tokens", 0, CLI_INT, &b.n_gen, 0, INT32_MAX, "G", "default 32", NULL},
        {"batch", 0, CLI_INT, &b.n_seqs, 1, ENGINE_MAX_SLOTS, "B",
         "sequences decoded at once; default 1", NULL},
        {"chunk", 0, CLI_INT, &b.n_chunk, 1, 65536, "N", "prompt tokens in a batch", NULL},
        {"repeat", 0, CLI_INT, &b.n_repeat, 1, BENCH_MAX_REPEAT, "R", "runs; default 3", NULL},
        {0}};
    int rc = cli_parse(WORKER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);

    if (rc != CLI_GO)
        return rc;
    if (!b.o.model_path)
        return command_usage(self, "--model FILE is needed");
    if (!b.n_prompt && !b.n_gen)
        return command_usage(self, "one of --prompt-tokens and --gen-tokens is more than 0");
    rc = command_check_words(self, b.o.kv_type, b.o.sandbox);
    return rc == CLI_GO ? bench(&b) : rc;
}
