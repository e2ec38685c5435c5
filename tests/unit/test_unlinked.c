/* test_unlinked.c - files whose names go at once, and that are let go of later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/disk/unlinked.h"

static char dir[] = "/tmp/rbee-unlinked-XXXXXX";

static const char *at(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void make(const char *name, uint64_t size)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir); /* fails where something is left */
}

static void test_unlinked__a_large_file_is_held_until_it_is_let_go(void **state)
{
    struct unlinked u = {0};
    struct stat st;
    int fd;

    (void)state;
    make("large", UNLINKED_MIN_BYTES);
    assert_int_equal(unlinked_add(&u, at("large")), 0);
    assert_false(path_is_file(at("large")));
    assert_int_equal(u.n, 1);
    fd = u.fds[0];
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_nlink, 0);
    assert_int_equal(st.st_size, UNLINKED_MIN_BYTES);
    unlinked_close(&u);
    assert_int_equal(u.n, 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    unlinked_close(&u); /* nothing left to do */
}

static void test_unlinked__a_small_one_is_not(void **state)
{
    struct unlinked u = {0};

    (void)state;
    make("small", UNLINKED_MIN_BYTES - 1);
    assert_int_equal(unlinked_add(&u, at("small")), 0);
    assert_false(path_is_file(at("small")));
    assert_int_equal(u.n, 0);
}

static void test_unlinked__who_does_not_ask_for_it_waits(void **state)
{
    (void)state;
    make("large", UNLINKED_MIN_BYTES);
    assert_int_equal(unlinked_add(NULL, at("large")), 0);
    assert_false(path_is_file(at("large")));
}

static void test_unlinked__what_cannot_go_is_told_and_not_held(void **state)
{
    struct unlinked u = {0};

    (void)state;
    assert_int_equal(unlinked_add(&u, at("nothing")), ENOENT);
    assert_int_equal(unlinked_add(&u, dir), EISDIR);
    assert_int_equal(u.n, 0);
}

/* Files that were imported in place are links: what they lead to is somebody else's. */
static void test_unlinked__a_link_goes_and_not_what_it_leads_to(void **state)
{
    char target[256];
    struct unlinked u = {0};

    (void)state;
    make("target", UNLINKED_MIN_BYTES);
    str_copy(target, sizeof target, at("target"));
    assert_int_equal(symlink(target, at("link")), 0);
    assert_int_equal(unlinked_add(&u, at("link")), 0);
    assert_int_equal(u.n, 0);
    assert_int_equal(access(at("link"), F_OK), -1);
    assert_true(path_is_file(target));
    unlink(target);
}

/* A FIFO in the folder must not hold up whoever removes it. */
static void test_unlinked__a_fifo_goes(void **state)
{
    struct unlinked u = {0};

    (void)state;
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    assert_int_equal(unlinked_add(&u, at("fifo")), 0);
    assert_int_equal(u.n, 0);
}

/* Descriptors are for clients, too: an eighth of them at most. */
static void test_unlinked__more_than_may_be_held_go_all_the_same(void **state)
{
    const int most = 40;
    struct unlinked u = {0};
    struct rlimit before, few;
    char name[32];

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = (rlim_t)most * UNLINKED_SHARE;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < most + 3; i++) {
        snprintf(name, sizeof name, "many-%d", i);
        make(name, UNLINKED_MIN_BYTES);
        assert_int_equal(unlinked_add(&u, at(name)), 0);
        assert_false(path_is_file(at(name)));
    }
    assert_int_equal(u.n, most);
    unlinked_close(&u);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unlinked__a_large_file_is_held_until_it_is_let_go),
        cmocka_unit_test(test_unlinked__a_small_one_is_not),
        cmocka_unit_test(test_unlinked__who_does_not_ask_for_it_waits),
        cmocka_unit_test(test_unlinked__what_cannot_go_is_told_and_not_held),
        cmocka_unit_test(test_unlinked__a_link_goes_and_not_what_it_leads_to),
        cmocka_unit_test(test_unlinked__a_fifo_goes),
        cmocka_unit_test(test_unlinked__more_than_may_be_held_go_all_the_same),
    };

    return cmocka_run_group_tests_name("unlinked", tests, make_dir, remove_dir);
}
