/*
 * probe.c - what this machine can do at most: bytes read from memory, int8 dot products and fp32
 * multiply-adds per second, on a given number of threads. One line of JSON.
 *
 * The figures are the roof over every engine that runs here, and are taken in the same minutes as
 * the engines', because shared machines change by the minute. Each is the median of several windows
 * of time, in which all threads work until the clock says stop.
 *
 * The best instructions the CPU has are used, chosen when it runs: AVX-512 with VNNI, AVX2 with FMA
 * (int8 by maddubs), aarch64's dot product; elsewhere plain C, and "isa" then says "portable": a
 * figure of a compiler's loop, not a roof. Linux only (huge pages, thread count).
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cli.h"
#include "base/clock.h"

#if defined __x86_64__
#include <immintrin.h>
#elif defined __aarch64__
#include <arm_neon.h>
#include <sys/auxv.h>
#endif

#define MAX_THREADS  64
#define N_WINDOWS    5
#define BUFFER_BYTES ((size_t)512 << 20) /* all threads together; far more than the caches */
#define SLICE_BYTES  ((size_t)1 << 20)   /* read between two looks at the clock */
#define LINE_BYTES   64
#define HUGE_BYTES   ((size_t)2 << 20)
#define N_ROUNDS     20000u /* multiply-adds of every accumulator between two looks at the clock */
#define N_ACC        12u    /* accumulators: more than latency times throughput */

/* Unrolled, so that accumulators live in registers. */
#ifdef __clang__
#define EACH_ACC(j) _Pragma("unroll") for (unsigned j = 0; j < N_ACC; j++)
#else
#define EACH_ACC(j) _Pragma("GCC unroll 12") for (unsigned j = 0; j < N_ACC; j++)
#endif

/* Does a slice of work and returns its size: bytes read, or operations (two each multiply-add). */
typedef double slice_fn(const char *bytes, size_t n_bytes);

/* Results go here, so that no work can be left out. */
static volatile float sink;

/* ---- the kernels ------------------------------------------------------------------------------
 */

static double read_portable(const char *bytes, size_t n_bytes)
{
    uint64_t sum[8] = {0}, word[8];
    uint64_t all = 0;

    for (size_t i = 0; i < n_bytes; i += sizeof word) {
        memcpy(word, bytes + i, sizeof word);
        for (int j = 0; j < 8; j++)
            sum[j] += word[j];
    }
    for (int j = 0; j < 8; j++)
        all += sum[j];
    sink = (float)all;
    return (double)n_bytes;
}

static double int8_portable(const char *bytes, size_t n_bytes)
{
    int32_t sum = 0;

    for (unsigned r = 0; r < N_ROUNDS / 256; r++) {
        for (size_t i = 0; i < 4096 && i < n_bytes; i++)
            sum += (int32_t)(signed char)bytes[i] * (int32_t)(signed char)bytes[i ^ 1];
    }
    sink = (float)sum;
    return 2.0 * 4096 * (N_ROUNDS / 256);
}

static double fp32_portable(const char *bytes, size_t n_bytes)
{
    float acc[64], x = (float)bytes[0], y = 1.0f / (float)n_bytes;

    for (int j = 0; j < 64; j++)
        acc[j] = (float)j;
    for (unsigned r = 0; r < N_ROUNDS; r++) {
        for (int j = 0; j < 64; j++)
            acc[j] = acc[j] * y + x;
    }
    for (int j = 1; j < 64; j++)
        acc[0] += acc[j];
    sink = acc[0];
    return 2.0 * 64 * N_ROUNDS;
}

#if defined __x86_64__
__attribute__((target("avx512f"))) static double read_avx512(const char *bytes, size_t n_bytes)
{
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;

    for (size_t i = 0; i < n_bytes; i += 4 * LINE_BYTES) {
        a = _mm512_or_si512(a, _mm512_loadu_si512(bytes + i));
        b = _mm512_or_si512(b, _mm512_loadu_si512(bytes + i + LINE_BYTES));
        c = _mm512_or_si512(c, _mm512_loadu_si512(bytes + i + 2 * LINE_BYTES));
        d = _mm512_or_si512(d, _mm512_loadu_si512(bytes + i + 3 * LINE_BYTES));
    }
    a = _mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d));
    sink = (float)_mm512_reduce_add_epi64(a);
    return (double)n_bytes;
}

__attribute__((target("avx512f,avx512vnni"))) static double int8_avx512(const char *bytes,
                                                                        size_t n_bytes)
{
    __m512i acc[N_ACC], x = _mm512_loadu_si512(bytes), y = _mm512_set1_epi32((int)n_bytes);

    EACH_ACC(j)
    acc[j] = _mm512_setzero_si512();
    for (unsigned r = 0; r < N_ROUNDS; r++) {
        EACH_ACC(j)
        acc[j] = _mm512_dpbusd_epi32(acc[j], x, y);
    }
    for (unsigned j = 1; j < N_ACC; j++)
        acc[0] = _mm512_add_epi32(acc[0], acc[j]);
    sink = (float)_mm512_reduce_add_epi32(acc[0]);
    return 2.0 * 64 * N_ACC * N_ROUNDS;
}

__attribute__((target("avx512f"))) static double fp32_avx512(const char *bytes, size_t n_bytes)
{
    __m512 acc[N_ACC], x = _mm512_set1_ps((float)bytes[0]),
                       y = _mm512_set1_ps(1.0f / (float)n_bytes);

    EACH_ACC(j)
    acc[j] = _mm512_set1_ps((float)j);
    for (unsigned r = 0; r < N_ROUNDS; r++) {
        EACH_ACC(j)
        acc[j] = _mm512_fmadd_ps(acc[j], y, x);
    }
    for (unsigned j = 1; j < N_ACC; j++)
        acc[0] = _mm512_add_ps(acc[0], acc[j]);
    sink = _mm512_reduce_add_ps(acc[0]);
    return 2.0 * 16 * N_ACC * N_ROUNDS;
}

__attribute__((target("avx2"))) static double read_avx2(const char *bytes, size_t n_bytes)
{
    __m256i a = _mm256_setzero_si256(), b = a;

    for (size_t i = 0; i < n_bytes; i += LINE_BYTES) {
        a = _mm256_or_si256(a, _mm256_loadu_si256((const __m256i_u *)(bytes + i)));
        b = _mm256_or_si256(b, _mm256_loadu_si256((const __m256i_u *)(bytes + i + 32)));
    }
    sink = (float)_mm256_extract_epi64(_mm256_or_si256(a, b), 0);
    return (double)n_bytes;
}

/* Without VNNI a dot product takes three instructions: pairs to 16 bits, pairs to 32, add. */
__attribute__((target("avx2"))) static double int8_avx2(const char *bytes, size_t n_bytes)
{
    const __m256i one = _mm256_set1_epi16(1), y = _mm256_set1_epi32((int)n_bytes);
    __m256i acc[N_ACC], x = _mm256_loadu_si256((const __m256i_u *)bytes);

    EACH_ACC(j)
    acc[j] = _mm256_set1_epi32((int)j);
    for (unsigned r = 0; r < N_ROUNDS; r++) {
        EACH_ACC(j)
        {
            __m256i pairs = _mm256_maddubs_epi16(_mm256_xor_si256(x, acc[j]), y);

            acc[j] = _mm256_add_epi32(acc[j], _mm256_madd_epi16(pairs, one));
        }
    }
    for (unsigned j = 1; j < N_ACC; j++)
        acc[0] = _mm256_add_epi32(acc[0], acc[j]);
    sink = (float)_mm256_extract_epi32(acc[0], 0);
    return 2.0 * 32 * N_ACC * N_ROUNDS;
}

__attribute__((target("avx2,fma"))) static double fp32_avx2(const char *bytes, size_t n_bytes)
{
    __m256 acc[N_ACC], x = _mm256_set1_ps((float)bytes[0]),
                       y = _mm256_set1_ps(1.0f / (float)n_bytes);

    EACH_ACC(j)
    acc[j] = _mm256_set1_ps((float)j);
    for (unsigned r = 0; r < N_ROUNDS; r++) {
        EACH_ACC(j)
        acc[j] = _mm256_fmadd_ps(acc[j], y, x);
    }
    for (unsigned j = 1; j < N_ACC; j++)
        acc[0] = _mm256_add_ps(acc[0], acc[j]);
    sink = _mm256_cvtss_f32(acc[0]);
    return 2.0 * 8 * N_ACC * N_ROUNDS;
}
#elif defined __aarch64__
__attribute__((target("arch=armv8.2-a+dotprod"))) static double int8_neon(const char *bytes,
                                                                          size_t n_bytes)
{
    int8x16_t x = vld1q_s8((const int8_t *)bytes), y = vdupq_n_s8((int8_t)n_bytes);
    int32x4_t acc[N_ACC];

    EACH_ACC(j)
    acc[j] = vdupq_n_s32(0);
    for (unsigned r = 0; r < N_ROUNDS; r++) {
        EACH_ACC(j)
        acc[j] = vdotq_s32(acc[j], x, y);
    }
    for (unsigned j = 1; j < N_ACC; j++)
        acc[0] = vaddq_s32(acc[0], acc[j]);
    sink = (float)vaddvq_s32(acc[0]);
    return 2.0 * 16 * N_ACC * N_ROUNDS;
}

static double fp32_neon(const char *bytes, size_t n_bytes)
{
    float32x4_t acc[N_ACC], x = vdupq_n_f32((float)bytes[0]),
                            y = vdupq_n_f32(1.0f / (float)n_bytes);

    EACH_ACC(j)
    acc[j] = vdupq_n_f32((float)j);
    for (unsigned r = 0; r < N_ROUNDS; r++) {
        EACH_ACC(j)
        acc[j] = vfmaq_f32(x, acc[j], y);
    }
    for (unsigned j = 1; j < N_ACC; j++)
        acc[0] = vaddq_f32(acc[0], acc[j]);
    sink = vaddvq_f32(acc[0]);
    return 2.0 * 4 * N_ACC * N_ROUNDS;
}
#endif

struct kernels {
    const char *isa;
    slice_fn *read, *int8, *fp32;
};

static struct kernels kernels_choose(void)
{
#if defined __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni"))
        return (struct kernels){"avx512-vnni", read_avx512, int8_avx512, fp32_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (struct kernels){"avx2", read_avx2, int8_avx2, fp32_avx2};
#elif defined __aarch64__
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP)
        return (struct kernels){"neon-dotprod", read_portable, int8_neon, fp32_neon};
#endif
    return (struct kernels){"portable", read_portable, int8_portable, fp32_portable};
}

/* ---- the team ---------------------------------------------------------------------------------
 */

struct team {
    slice_fn *slice;
    const char *buffer; /* BUFFER_BYTES, shared out among the threads */
    size_t n_threads;
    uint64_t window_ns;
    pthread_barrier_t start;
};

struct member {
    struct team *team;
    size_t index;
    double rate; /* of the last window: size of the work per second */
};

/* Slices of this thread's part of the buffer, round and round, for the time of a window. */
static void *member_work(void *arg)
{
    struct member *m = arg;
    const struct team *t = m->team;
    size_t part = BUFFER_BYTES / t->n_threads / SLICE_BYTES * SLICE_BYTES, at = 0;
    const char *bytes = t->buffer + m->index * part;
    double done = 0;
    uint64_t began, now;

    pthread_barrier_wait(&m->team->start);
    began = now = clock_ns();
    while (now - began < t->window_ns) {
        done += t->slice(bytes + at, SLICE_BYTES);
        at = at + SLICE_BYTES < part ? at + SLICE_BYTES : 0;
        now = clock_ns();
    }
    m->rate = done / ((double)(now - began) * 1e-9);
    return NULL;
}

/* One window: what all threads did in a second, together. Thread 0 is the caller. */
static double team_window(struct team *t)
{
    struct member members[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    double sum = 0;

    pthread_barrier_init(&t->start, NULL, (unsigned)t->n_threads);
    for (size_t i = 0; i < t->n_threads; i++)
        members[i] = (struct member){t, i, 0};
    for (size_t i = 1; i < t->n_threads; i++) {
        if (pthread_create(&threads[i], NULL, member_work, &members[i]) != 0)
            abort(); /* the others wait for it */
    }
    member_work(&members[0]);
    for (size_t i = 1; i < t->n_threads; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < t->n_threads; i++)
        sum += members[i].rate;
    pthread_barrier_destroy(&t->start);
    return sum;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* In units of 1e9 per second. */
static double team_median(struct team *t, slice_fn *slice)
{
    double windows[N_WINDOWS];

    t->slice = slice;
    for (int i = 0; i < N_WINDOWS; i++)
        windows[i] = team_window(t);
    qsort(windows, N_WINDOWS, sizeof *windows, by_value);
    return windows[N_WINDOWS / 2] * 1e-9;
}

/* Memory in huge pages where the system gives them, every page written. NULL when there is none. */
static char *buffer_map(void)
{
    char *raw = mmap(NULL, BUFFER_BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t over;

    if (raw == MAP_FAILED)
        return NULL;
    over = (uintptr_t)raw % HUGE_BYTES;
    raw += over ? HUGE_BYTES - over : 0;
    madvise(raw, BUFFER_BYTES, MADV_HUGEPAGE);
    memset(raw, 1, BUFFER_BYTES);
    return raw;
}

int main(int argc, char **argv)
{
    const struct kernels k = kernels_choose();
    int64_t n_threads = 1, window_ms = 60;
    bool only_read = false;
    const struct cli_command command = {"probe", NULL, "what this machine can do at most", NULL,
                                        NULL};
    const struct cli_opt opts[] = {
        {"threads", 't', CLI_INT, &n_threads, 1, MAX_THREADS, "N", "default 1", NULL},
        {"window", 0, CLI_INT, &window_ms, 1, 10000, "MS", "time of one of the 5 windows", NULL},
        {"only-read", 0, CLI_FLAG, &only_read, 0, 0, NULL, "memory only", NULL},
        {0}};
    int rc = cli_parse("bench_probe", &command, opts, argc - 1, argv + 1, NULL, 0, NULL);
    struct team t = {.n_threads = (size_t)n_threads, .window_ns = (uint64_t)window_ms * 1000000};

    if (rc != CLI_GO)
        return rc;
    t.buffer = buffer_map();
    if (!t.buffer) {
        fprintf(stderr, "bench_probe: no memory for %zu bytes\n", BUFFER_BYTES);
        return CLI_ERROR;
    }
    printf("{\"threads\":%zu,\"isa\":\"%s\",\"read_gb_s\":%.2f", t.n_threads, k.isa,
           team_median(&t, k.read));
    if (!only_read) {
        printf(",\"int8_gop_s\":%.1f", team_median(&t, k.int8));
        printf(",\"fp32_gflop_s\":%.1f", team_median(&t, k.fp32));
    }
    printf("}\n");
    return CLI_DONE;
}
