/* test_fetch_head.c - what is taken of the headers of the hub's and its CDN's answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hive/fetch/fetch_internal.h"

#define SHA256 "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"

static void test_fetch_head__takes_what_a_file_may_be(void **state)
{
    struct stream s = {.pos = 0};

    (void)state;
    fetch_on_header(&s, 302, "x-linked-size", "4096");
    fetch_on_header(&s, 302, "x-linked-etag", "\"" SHA256 "\"");
    fetch_on_header(&s, 206, "content-range", "bytes 5-9/10");
    assert_true(s.answer.has_linked_size && s.answer.linked_size == 4096);
    assert_string_equal(s.answer.linked_sha256, SHA256);
    assert_true(s.answer.has_range && s.answer.range_first == 5 && s.answer.range_total == 10);
}

static void test_fetch_head__waits_as_long_as_told(void **state)
{
    struct stream s = {.pos = 0};

    (void)state;
    fetch_on_header(&s, 429, "retry-after", "soon");
    assert_int_equal(s.answer.retry_after_ms, 0);
    fetch_on_header(&s, 429, "retry-after", "9");
    assert_int_equal(s.answer.retry_after_ms, 9000);
    fetch_on_header(&s, 429, "retry-after", "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_int_equal(s.answer.retry_after_ms, FETCH_RETRY_MAX_MS);
}

/* "-1" was taken for the largest number there is: a range of a file of 16 EiB. */
static void test_fetch_head__takes_no_place_that_no_file_has(void **state)
{
    static const char *const bad[] = {"bytes -5--3/-1",
                                      "bytes  1-2/3",
                                      "bytes 1-2/ 3",
                                      "bytes 1-2/*",
                                      "bytes */3",
                                      "bytes 2-1/3",
                                      "bytes 0-3/3",
                                      "bytes +0-1/3",
                                      "bytes 0-1/3 ",
                                      "bytes 0-1/99999999999999999999",
                                      "bytes 0-1/9223372036854775808",
                                      "bytes",
                                      ""};
    struct stream s = {.pos = 0};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fetch_on_header(&s, 206, "content-range", bad[i]);
        if (s.answer.has_range)
            fail_msg("'%s' was taken for a range", bad[i]);
    }
    fetch_on_header(&s, 302, "x-linked-size", "18446744073709551615");
    fetch_on_header(&s, 200, "content-length", "-1");
    assert_false(s.answer.has_linked_size);
    assert_false(s.answer.has_length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch_head__takes_what_a_file_may_be),
        cmocka_unit_test(test_fetch_head__waits_as_long_as_told),
        cmocka_unit_test(test_fetch_head__takes_no_place_that_no_file_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
