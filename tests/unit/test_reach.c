/* The processes that look at far file systems, on a machine whose every path lies on one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "hive/disk/mounts.h"
#include "hive/disk/reach.h"

static const char *far_at = "/";

int __wrap_mounts_read(int fd, struct mounts *out, struct err *err);

int __wrap_mounts_read(int fd, struct mounts *out, struct err *err)
{
    (void)fd, (void)err;
    *out = (struct mounts){.all = calloc(1, sizeof *out->all), .n = 1};
    assert_non_null(out->all);
    *out->all = (struct mount){.id = 1,
                               .at = str_dup(far_at),
                               .kind = str_dup("nfs4"),
                               .source = str_dup("nas:/"),
                               .is_far = true};
    return 0;
}

/*
 * A process was made first and its pidfd second: with no descriptor left the first was killed and,
 * as it may hang, not waited for. Each look left one more that was dead and kept its number.
 */
static void test_reach__without_a_descriptor_no_process_is_made(void **state)
{
    struct rlimit before, none;
    struct reach *r;
    struct err err;
    int next;

    (void)state;
    assert_int_equal(reach_create(NULL, &r, NULL), 0);
    next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(reach_check(r, "/x", &err), ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_non_null(strstr(err.text, strerror(EMFILE)));
    assert_int_equal(waitpid(-1, NULL, 0), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(reach_wait(r, "/x", 60000, &err),
                     0); /* and with one it is asked, and reaped */
    assert_int_equal(waitpid(-1, NULL, 0), -1);
    reach_free(r);
}

/* Who is told so goes there: a link onto such a file system is found before it is followed. */
static void test_reach__knows_what_is_near_without_going_there(void **state)
{
    char dir[] = "/tmp/rbee-test-reach-XXXXXX", nas[48], link[48], path[64];
    struct reach *r;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(nas, sizeof nas, "%s/nas", dir);
    snprintf(link, sizeof link, "%s/link", dir);
    assert_int_equal(mkdir(nas, 0700), 0);
    assert_int_equal(symlink(nas, link), 0);
    far_at = nas;
    assert_int_equal(reach_create(NULL, &r, NULL), 0);
    snprintf(path, sizeof path, "%s/a.gguf", dir);
    assert_true(reach_is_near(r, path));
    snprintf(path, sizeof path, "%s/nasty/a.gguf", dir);
    assert_true(reach_is_near(r, path));
    snprintf(path, sizeof path, "%s/nas/a.gguf", dir);
    assert_false(reach_is_near(r, path));
    assert_true(reach_is_near(NULL, path));
    snprintf(path, sizeof path, "%s/link/a.gguf", dir);
    assert_false(reach_is_near(r, path));
    assert_false(reach_is_near(r, link));
    assert_int_equal(waitpid(-1, NULL, 0), -1); /* nobody was asked */
    reach_free(r);
    far_at = "/";
    unlink(link);
    rmdir(nas);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reach__without_a_descriptor_no_process_is_made),
        cmocka_unit_test(test_reach__knows_what_is_near_without_going_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
