/* The last lines of a log, in the room that there is for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/disk/logtail.h"

#define LINE "0123456789012345678901234567890123456789\n"

static char *log_path;

static int make_log(void **state)
{
    (void)state;
    log_path = str_dup("/tmp/rbee-logtail-XXXXXX");
    close(mkstemp(log_path));
    return 0;
}

static int remove_log(void **state)
{
    (void)state;
    unlink(log_path);
    free(log_path);
    return 0;
}

static void assert_tail(const char *log, size_t n_lines, size_t room, const char *tail)
{
    struct buf out;
    struct err err;

    assert_int_equal(path_write_file(log_path, log, strlen(log), 0600, &err), 0);
    buf_init(&out, room);
    assert_int_equal(logtail_read(log_path, n_lines, &out, &err), 0);
    assert_string_equal(buf_str(&out), tail);
    buf_done(&out);
}

static void test_logtail__last_lines(void **state)
{
    (void)state;
    assert_tail("a\nb\nc\n", 2, 100, "b\nc\n");
    assert_tail("a\nb\nc", 2, 100, "b\nc");
    assert_tail("a\nb\n", 9, 100, "a\nb\n");
    assert_tail("a\n", 0, 100, "");
    assert_tail("", 3, 100, "");
}

/*
 * A worker died, its last lines were longer than the room for them (paths in messages are), and the
 * error that its hive told had none of them.
 */
static void test_logtail__keeps_the_lines_that_fit(void **state)
{
    (void)state;
    assert_tail(LINE LINE LINE "the last word\n", 20, 60, LINE "the last word\n");
    assert_tail(LINE LINE "the last word\n", 20, 14, "the last word\n");
    assert_tail(LINE LINE "the last word\n", 20, 15, "the last word\n");
    assert_tail(LINE LINE, 20, sizeof LINE - 1, LINE);
}

static void test_logtail__keeps_the_end_of_a_line_that_does_not_fit(void **state)
{
    (void)state;
    assert_tail(LINE "the last word\n", 20, 10, "last word\n");
    assert_tail("a line without end", 20, 3, "end");
    assert_tail("gr\xc3\xbc\xc3\x9f\n", 1, 4, "\xc3\x9f\n"); /* no half of the character */
}

/* Just after a log was emptied (logrotate.h) nothing was told of it, of a worker that died then
 * too. */
static void test_logtail__goes_on_in_the_older_piece(void **state)
{
    char *piece = str_printf("%s.1", log_path), *large = malloc(LOGTAIL_BYTES_MAX);
    struct err err;

    (void)state;
    assert_int_equal(path_write_file(piece, "x\na\nb\n", 6, 0600, &err), 0);
    assert_tail("c\n", 3, 100, "a\nb\nc\n");
    assert_tail("", 2, 100, "a\nb\n");
    assert_tail("c\n", 1, 100, "c\n");
    assert_tail("c\n", 9, 4, "b\nc\n"); /* as many as fit */
    memset(large, 'y', LOGTAIL_BYTES_MAX);
    large[LOGTAIL_BYTES_MAX - 1] = large[1] = '\n';
    assert_int_equal(path_write_file(piece, large, LOGTAIL_BYTES_MAX, 0600, &err), 0);
    assert_tail("c\nd\n", 2, 100, "c\nd\n");
    assert_tail("c\nd\n", 3, 8, "c\nd\n");
    unlink(piece);
    free(large);
    free(piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logtail__last_lines),
        cmocka_unit_test(test_logtail__keeps_the_lines_that_fit),
        cmocka_unit_test(test_logtail__keeps_the_end_of_a_line_that_does_not_fit),
        cmocka_unit_test(test_logtail__goes_on_in_the_older_piece),
    };

    return cmocka_run_group_tests(tests, make_log, remove_log);
}
