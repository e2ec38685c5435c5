/*
 * oom.h - a body of code with its first, second, third ... allocation failing, until it gets
 * through.
 *
 * The linker sends calls of malloc and its siblings here (-Wl,--wrap, see meson.build); jansson,
 * which is a library of the system's, allocates by way of json_guard.h, and so here as well. Under
 * the address sanitizer nothing may leak on the way. Included by one file of a program.
 */
#ifndef RBEE_TESTS_OOM_H
#define RBEE_TESTS_OOM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_guard.h"

/* More allocations than any body here makes. */
#define OOM_MOST 100000

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

/* Allocations that still succeed; below 0: all do. */
static long oom_left = -1;
static bool oom_came;

static bool oom_now(void)
{
    if (oom_left < 0)
        return false;
    if (oom_left > 0) {
        oom_left--;
        return false;
    }
    oom_left = -1; /* one fails, as with a limit that others run into, too */
    oom_came = true;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return oom_now() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return oom_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return oom_now() ? NULL : __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return oom_now() ? NULL : __real_aligned_alloc(align, n);
}

/* What a body says: its return code, and whether what it made is right. */
#define OOM_WRONG 77

/*
 * Runs `body` with the n-th allocation failing, n = 0, 1, 2 ... An allocation's failure must be an
 * error (whatever the code), unless `copes`: then the result may be there and right all the same.
 * Without failures it must be 0.
 */
static void oom_run(int (*body)(void), bool copes)
{
    json_guard_install(); /* its malloc is the wrapped one */
    for (long n = 0;; n++) {
        int rc;

        assert_true(n < OOM_MOST);
        oom_came = false;
        oom_left = n;
        rc = body();
        oom_left = -1;
        if (rc == OOM_WRONG || (oom_came && rc == 0 && !copes) || (!oom_came && rc != 0))
            fail_msg("with allocation %ld %s the body returns %d", n,
                     oom_came ? "failing" : "at work", rc);
        if (!oom_came)
            return;
    }
}

#endif
