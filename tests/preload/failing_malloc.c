/*
 * failing_malloc.c - for LD_PRELOAD: allocations of a process that fail now and then, whoever makes
 * them (the program, jansson, libevent, OpenSSL, SQLite).
 *
 * With FAILING_MALLOC=N one of N fails on the average, by a fixed row of random numbers, between
 * one SIGUSR1 and the next. Made for glibc, whose own functions have second names.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static unsigned every; /* 0 = none fails */
static atomic_bool failing;
static _Atomic uint64_t turn;

static void on_usr1(int signal_number)
{
    (void)signal_number;
    atomic_store(&failing, !atomic_load(&failing));
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FAILING_MALLOC");

    every = text ? (unsigned)strtoul(text, NULL, 10) : 0;
    if (every > 0)
        signal(SIGUSR1, on_usr1);
}

/* The n-th number of the row. Source: Steele, Lea, Flood: SplitMix64. */
static bool fails(void)
{
    uint64_t x;

    if (!atomic_load(&failing))
        return false;
    x = (atomic_fetch_add(&turn, 1) + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) % every == 0;
}

void *malloc(size_t n)
{
    return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails() ? NULL : __libc_realloc(p, n);
}
