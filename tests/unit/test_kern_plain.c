/*
 * test_kern_plain.c - the checks of kern_checks.h with no test library, for machines and emulators
 * that have none: tests/kern-neon.sh builds it. Stops at the first failure.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kern_checks.h"

_Noreturn void check_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    printf("FAILED: %s:%d: ", file, line);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    exit(1);
}

#define RUN(check, name)                                                                           \
    printf("%s\n", #name);                                                                         \
    fflush(stdout);                                                                                \
    check();

int main(void)
{
    printf("sets:");
    for (const struct kern *const *set = kern_available(); *set; set++)
        printf(" %s", (*set)->name);
    printf("\n");
    CHECK_LIST(RUN)
    return 0;
}
