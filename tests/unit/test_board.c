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

/* After an upgrade in place: another build's board may have another size, and was "no board". */
static void test_board__of_another_build_is_told_by_its_version(void **state)
{
    static const size_t sizes[] = {8, 64, sizeof(struct board) - 8, sizeof(struct board) + 4096};
    const uint32_t head[2] = {BOARD_MAGIC, BOARD_VERSION + 1},
                   own[2] = {BOARD_MAGIC, BOARD_VERSION};
    struct board *b = NULL;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int fd = memfd_create("other", MFD_CLOEXEC);

        assert_int_equal(ftruncate(fd, (off_t)sizes[i]), 0);
        assert_int_equal(pwrite(fd, head, sizeof head, 0), sizeof head);
        assert_int_equal(board_attach(fd, &b, &err), ERR_CONFLICT);
        assert_non_null(strstr(err.text, "of another build"));
        assert_int_equal(pwrite(fd, own, sizeof own, 0), sizeof own);
        if (sizes[i] < sizeof(struct board)) /* one of this version, and not as long */
            assert_int_equal(board_attach(fd, &b, &err), ERR_CONFLICT);
        assert_null(b);
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_board__both_sides_see_the_same),
        cmocka_unit_test(test_board__texts_too_long_are_cut),
        cmocka_unit_test(test_board__cannot_be_shrunk),
        cmocka_unit_test(test_board__refuses_what_is_no_board),
        cmocka_unit_test(test_board__of_another_build_is_told_by_its_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
