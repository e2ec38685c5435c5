/*
 * All workers hold the hive's lease, a pipe, and let the kernel kill them when it ends. On Linux
 * 5.4 and 5.5 a pipe signals whoever watches it at the close of any of its files: the end of one
 * worker was the end of all the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/sandbox/lease.h"

static void test_lease__old_kernels_are_not_told_to_kill(void **state)
{
    static const char *const old[] = {"5.4.0-150-generic",
                                      "5.5.19",
                                      "4.18.0-553.el8_10.x86_64",
                                      "4.4.0",
                                      "2.6.32",
                                      "5",
                                      "5.x",
                                      "",
                                      "odd"},
                             *const fine[] = {"5.6.0", "5.10.0-28-amd64", "5.6-rc1",
                                              "6.1.0", "6.18.44-fc-v782", "10.0"};

    (void)state;
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++)
        if (lease_kernel_can(old[i]))
            fail_msg("%s can", old[i]);
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        if (!lease_kernel_can(fine[i]))
            fail_msg("%s cannot", fine[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease__old_kernels_are_not_told_to_kill),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
