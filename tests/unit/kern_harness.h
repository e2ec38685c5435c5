/*
 * kern_harness.h - what the checks of the kernels need: random numbers, memory with a forbidden
 * page right behind it, and a way to fail. Two programs include it: test_kern.c (cmocka) and
 * test_kern_plain.c (no library at all, for machines that have none, such as an emulated one).
 */
#ifndef RBEE_TESTS_KERN_HARNESS_H
#define RBEE_TESTS_KERN_HARNESS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Ends the current check as failed; given by the program. */
_Noreturn void check_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define CHECK(cond, ...)                                                                           \
    do {                                                                                           \
        if (!(cond))                                                                               \
            check_fail(__FILE__, __LINE__, __VA_ARGS__);                                           \
    } while (0)

/* xorshift64* (Vigna 2014); each check starts it anew, so that a failure comes again. */
struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1dull >> 8;
}

static inline size_t rng_below(struct rng *r, size_t n)
{
    return rng_next(r) % n;
}

/* Uniform in -1 .. 1. */
static inline float rng_float(struct rng *r)
{
    return (float)rng_below(r, 1 << 24) * 0x1p-23f - 1.0f;
}

#define GUARD_MAX 24

/* Blocks that end where a page that may not be touched begins. Freed together. */
struct guard {
    void *map[GUARD_MAX];
    size_t map_bytes[GUARD_MAX];
    size_t n;
};

static inline void *guard_alloc(struct guard *g, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t used = (size + page - 1) / page * page;
    uint8_t *map =
        mmap(NULL, used + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(map != MAP_FAILED && g->n < GUARD_MAX, "no memory for a guarded block");
    CHECK(mprotect(map + used, page, PROT_NONE) == 0, "cannot forbid a page");
    g->map[g->n] = map;
    g->map_bytes[g->n++] = used + page;
    return map + used - size;
}

static inline void guard_free(struct guard *g)
{
    for (size_t i = 0; i < g->n; i++)
        munmap(g->map[i], g->map_bytes[i]);
    g->n = 0;
}

/* Floats random in -1 .. 1, guarded. */
static inline float *guard_floats(struct guard *g, struct rng *r, size_t n)
{
    float *p = guard_alloc(g, n * sizeof *p);

    for (size_t i = 0; i < n; i++)
        p[i] = rng_float(r);
    return p;
}

static inline uint32_t bits_of(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float float_of(uint32_t u)
{
    float f;

    memcpy(&f, &u, sizeof f);
    return f;
}

/* What outputs are filled with before a kernel writes to them. */
#define CANARY 0xcafebabeu

/* Same bits, or both no number. */
static inline bool same_float(float a, float b)
{
    return bits_of(a) == bits_of(b) || (isnan(a) && isnan(b));
}

static inline void check_same(const float *a, const float *b, size_t n, const char *set,
                              const char *what)
{
    for (size_t i = 0; i < n; i++)
        CHECK(same_float(a[i], b[i]), "%s: %s: element %zu of %zu is %a, ref has %a", set, what, i,
              n, (double)a[i], (double)b[i]);
}

#endif
