/* test_mounts.c - which file system lies where. The lines are those of proc_pid_mountinfo(5), and
 * this machine's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "hive/disk/mounts.h"

static struct mounts parse(const char *lines)
{
    struct mounts m;
    struct err err;
    char *text = str_dup(lines);

    assert_non_null(text);
    assert_int_equal(mounts_parse(text, &m, &err), 0);
    free(text);
    return m;
}

static const char *kind_at(const struct mounts *m, const char *path)
{
    const struct mount *found = mounts_find(m, path);

    return found ? found->kind : "none";
}

static void test_mounts__the_deepest_that_covers_a_path_is_found(void **state)
{
    struct mounts m = parse("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
                            "36 1 98:0 /m1 /mnt/nas rw,noatime master:1 shared:7 - nfs4 nas:/m rw\n"
                            "37 36 98:1 / /mnt/nas/local rw - xfs /dev/sdb rw\n");

    (void)state;
    assert_string_equal(kind_at(&m, "/"), "ext4");
    assert_string_equal(kind_at(&m, "/mnt"), "ext4");
    assert_string_equal(kind_at(&m, "/mnt/nas2/x"), "ext4");
    assert_string_equal(kind_at(&m, "/mnt/nas"), "nfs4");
    assert_string_equal(kind_at(&m, "/mnt/nas/x.gguf"), "nfs4");
    assert_string_equal(mounts_find(&m, "/mnt/nas/x.gguf")->source, "nas:/m");
    assert_string_equal(kind_at(&m, "/mnt/nas/local/x.gguf"), "xfs");
    assert_true(mounts_has(&m, 36));
    assert_false(mounts_has(&m, 35));
    mounts_done(&m);
    assert_null(mounts_find(&m, "/"));
}

static void test_mounts__the_last_at_one_place_covers_the_others(void **state)
{
    struct mounts m = parse("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
                            "2 1 0:30 / /net rw - autofs /etc/auto.net rw\n"
                            "3 2 0:31 / /net rw - nfs nas:/ rw\n");

    (void)state;
    assert_int_equal(mounts_find(&m, "/net/x")->id, 3);
    mounts_done(&m);
}

/* /net/HOST is another machine for each host; /mnt/nas, as systemd makes it, is one. */
static void test_mounts__an_automounter_of_many_is_told_from_one_of_a_place(void **state)
{
    struct mounts m =
        parse("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
              "2 1 0:30 / /net rw - autofs /etc/auto.net rw,fd=7,minproto=5,maxproto=5,indirect\n"
              "3 1 0:31 / /mnt/nas rw - autofs systemd-1 rw,fd=8,direct,pipe_ino=17\n"
              "4 1 0:32 / /mnt/directory rw - autofs indirect rw,fd=9,directory\n");

    (void)state;
    assert_false(mounts_find(&m, "/")->is_auto);
    assert_true(mounts_find(&m, "/net/x")->is_auto);
    assert_true(mounts_find(&m, "/net/x")->fans_out);
    assert_true(mounts_find(&m, "/mnt/nas/x")->is_auto);
    assert_false(mounts_find(&m, "/mnt/nas/x")->fans_out);
    assert_true(mounts_find(&m, "/mnt/directory")->fans_out);
    mounts_done(&m);
}

static void test_mounts__blanks_in_names_are_the_kernels_escapes(void **state)
{
    struct mounts m =
        parse("4 1 0:9 / /mnt/my\\040nas\\134x\\011 rw - fuse.sshfs me@host:/a\\040b rw\n");

    (void)state;
    assert_string_equal(m.all[0].at, "/mnt/my nas\\x\t");
    assert_string_equal(m.all[0].source, "me@host:/a b");
    assert_true(mounts_find(&m, "/mnt/my nas\\x\t/model.gguf")->is_far);
    mounts_done(&m);
}

static void test_mounts__what_others_answer_for_is_far(void **state)
{
    static const struct {
        const char *kind;
        bool far;
    } kinds[] = {{"nfs", true},   {"nfs4", true},     {"cifs", true},  {"fuse", true},
                 {"smb3", true},  {"fuse.x", true},   {"9p", true},    {"autofs", true},
                 {"ceph", true},  {"virtiofs", true}, {"ext4", false}, {"btrfs", false},
                 {"zfs", false},  {"tmpfs", false},   {"xfs", false},  {"overlay", false},
                 {"nfsd", false}, {"fusectl", false}};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char *line = str_printf("1 0 8:1 / / rw - %s source rw", kinds[i].kind);
        struct mounts m = parse(line);

        assert_int_equal(m.n, 1);
        assert_int_equal(m.all[0].is_far, kinds[i].far);
        mounts_done(&m);
        free(line);
    }
}

static void test_mounts__lines_that_are_none_are_left_out(void **state)
{
    struct mounts m = parse("\n"
                            "1 0 8:1 / / rw -\n"
                            "1 0 8:1 / / rw - ext4\n"
                            "x 0 8:1 / / rw - ext4 /dev/sda rw\n"
                            "-1 0 8:1 / / rw - ext4 /dev/sda rw\n"
                            "99999999999999999999 0 8:1 / / rw - ext4 /dev/sda rw\n"
                            "1 0 8:1 / relative rw - ext4 /dev/sda rw\n"
                            "1 0\n"
                            "7 0 8:1 / /good rw - ext4 /dev/sda rw");

    (void)state;
    assert_int_equal(m.n, 1);
    assert_string_equal(m.all[0].at, "/good");
    mounts_done(&m);
}

static void test_mounts__this_machines_own_list_has_its_proc(void **state)
{
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    struct mounts m;
    struct err err;

    (void)state;
    assert_true(fd >= 0);
    for (int i = 0; i < 2; i++) { /* from its beginning each time */
        assert_int_equal(mounts_read(fd, &m, &err), 0);
        assert_string_equal(kind_at(&m, "/proc/self/stat"), "proc");
        mounts_done(&m);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mounts__the_deepest_that_covers_a_path_is_found),
        cmocka_unit_test(test_mounts__the_last_at_one_place_covers_the_others),
        cmocka_unit_test(test_mounts__an_automounter_of_many_is_told_from_one_of_a_place),
        cmocka_unit_test(test_mounts__blanks_in_names_are_the_kernels_escapes),
        cmocka_unit_test(test_mounts__what_others_answer_for_is_far),
        cmocka_unit_test(test_mounts__lines_that_are_none_are_left_out),
        cmocka_unit_test(test_mounts__this_machines_own_list_has_its_proc),
    };

    return cmocka_run_group_tests_name("mounts", tests, NULL, NULL);
}
