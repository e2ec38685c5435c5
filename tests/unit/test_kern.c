/* test_kern.c - the checks of kern_checks.h under cmocka. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kern_checks.h"

_Noreturn void check_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprint_error(fmt, ap);
    va_end(ap);
    print_error("\n");
    _fail(file, line);
    abort();
}

#define DEFINE(check, name)                                                                        \
    static void test_kern__##name(void **state)                                                    \
    {                                                                                              \
        (void)state;                                                                               \
        check();                                                                                   \
    }
CHECK_LIST(DEFINE)

#define ENTRY(check, name) cmocka_unit_test(test_kern__##name),

int main(void)
{
    const struct CMUnitTest tests[] = {CHECK_LIST(ENTRY)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
