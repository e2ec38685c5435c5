/* The page a worker shows its hive: both sides see the same, and a wrong descriptor is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/board.h"

static void test_board__both_sides_see_the_same(void **state)
{
    struct board *hive, *worker;
    int fd;

    (void)state;
    assert_int_equal(board_create(&hive, &fd, NULL), 0);
    assert_int_equal(board_attach(fd, &worker, NULL), 0);
    assert_string_equal(board_state_name(hive), "starting");
    atomic_store(&worker->state, BOARD_LOADING);
    assert_string_equal(board_state_name(hive), "loading");
    atomic_store(&worker->state, BOARD_READY);
    assert_string_equal(board_state_name(hive), "idle");
    atomic_store(&worker->slots_busy, 1);
    assert_string_equal(board_state_name(hive), "busy");
    atomic_store(&worker->state, BOARD_DRAINING);
    assert_string_equal(board_state_name(hive), "draining");
    board_fail(worker, "INVALID_MODEL_FILE", "it is no model");
    assert_string_equal(board_state_name(hive), "failed");
    assert_string_equal(hive->error_code, "INVALID_MODEL_FILE");
    assert_string_equal(hive->error_text, "it is no model");
    board_detach(worker);
    board_detach(hive);
    close(fd);
}

static void test_board__texts_too_long_are_cut(void **state)
{
    char text[2 * BOARD_ERROR_MAX];
    struct board *b;

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(board_attach(-1, &b, NULL), 0);
    board_fail(b, text, text);
    assert_int_equal(strlen(b->error_code), sizeof b->error_code - 1);
    assert_int_equal(strlen(b->error_text), BOARD_ERROR_MAX - 1);
    board_detach(b);
    board_detach(NULL);
}

/* A worker gone wrong must not be able to take the memory away under its hive's reads. */
static void test_board__cannot_be_shrunk(void **state)
{
    struct board *b;
    int fd;

    (void)state;
    assert_int_equal(board_create(&b, &fd, NULL), 0);
    assert_int_equal(ftruncate(fd, 0), -1);
    board_detach(b);
    close(fd);
}

static void test_board__refuses_what_is_no_board(void **state)
{
    struct board *b = NULL;
    struct err err;
    int pipes[2], fd;

    (void)state;
    assert_int_equal(board_attach(12345, &b, &err), ERR_INVALID);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(board_attach(pipes[0], &b, &err), ERR_INVALID);
    close(pipes[0]);
    close(pipes[1]);
    fd = memfd_create("other", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, sizeof(struct board)), 0);
    assert_int_equal(board_attach(fd, &b, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "version"));
    assert_null(b);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_board__both_sides_see_the_same),
        cmocka_unit_test(test_board__texts_too_long_are_cut),
        cmocka_unit_test(test_board__cannot_be_shrunk),
        cmocka_unit_test(test_board__refuses_what_is_no_board),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
