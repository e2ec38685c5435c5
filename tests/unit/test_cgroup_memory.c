/* What cgroups leave of the memory, read from folders that look like the kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "hive/process/cgroup_memory.h"

#define MIB        ((uint64_t)1 << 20)
#define GIB        ((uint64_t)1 << 30)
#define TOTAL      (64 * GIB) /* of the machine */
#define FREE       (48 * GIB)
#define NO_CACHE   "anon 1\nfile 0\ninactive_file 0\nactive_file 0\n"
#define FOLDERS    3
#define FILE_BYTES 160

/* The root, a slice, a service in it. */
static const char *const folders[FOLDERS] = {"root", "root/a.slice", "root/a.slice/b.service"};
static char dir[] = "/tmp/rbee-limit-XXXXXX";

static void put(const char *folder, const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(path_write_file(path, text, strlen(text), 0600, NULL), 0);
}

static void put_number(const char *folder, const char *name, uint64_t n)
{
    char text[32];

    snprintf(text, sizeof text, "%llu\n", (unsigned long long)n);
    put(folder, name, text);
}

static void clear(void)
{
    static const char *const names[] = {"memory.max", "memory.high", "memory.current",
                                        "memory.stat"};
    char path[128];

    for (size_t i = 0; i < FOLDERS; i++)
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            snprintf(path, sizeof path, "%s/%s", folders[i], names[k]);
            unlink(path);
        }
}

static void put_limit(size_t i, uint64_t limit, uint64_t used, const char *stat)
{
    put_number(folders[i], "memory.max", limit);
    put_number(folders[i], "memory.current", used);
    put(folders[i], "memory.stat", stat);
}

static void check(const char *own, uint64_t total, uint64_t free_bytes)
{
    uint64_t t = TOTAL, f = FREE;
    char list[128];

    snprintf(list, sizeof list, "0::%s\n", own);
    put(".", "list", list);
    cgroup_memory_apply("list", "root", &t, &f);
    assert_int_equal(t, total);
    assert_int_equal(f, free_bytes);
}

/*
 * A container of 4 GiB in which a model of 3.9 GB was just downloaded: memory.current counts its
 * pages in the cache, so 64 MiB seemed to be left, and a model that fits was refused with 507.
 */
static void test_cgroup_memory__the_page_cache_is_not_used_memory(void **state)
{
    char stat[FILE_BYTES];

    (void)state;
    clear();
    snprintf(stat, sizeof stat, "anon %llu\nfile %llu\ninactive_file %llu\nactive_file %llu\n",
             (unsigned long long)(100 * MIB), (unsigned long long)(3900 * MIB),
             (unsigned long long)(3000 * MIB), (unsigned long long)(900 * MIB));
    put_limit(0, 4 * GIB, 4 * GIB - 64 * MIB, stat);
    check("/", 4 * GIB, 3964 * MIB);
    put_number("root", "memory.current", 1000 * MIB); /* less than its cache: read a moment later */
    check("/", 4 * GIB, 4 * GIB);
    put("root", "memory.stat", "inactive_file 18446744073709551615\nactive_file 2\n");
    check("/", 4 * GIB, 4 * GIB);
    put("root", "memory.stat", NO_CACHE);
    check("/", 4 * GIB, 3096 * MIB);
    put_number("root", "memory.current", 5 * GIB); /* the limit was lowered */
    check("/", 4 * GIB, 0);
}

/* Only the own folder's limit was looked at, and "max" there ended the search. */
static void test_cgroup_memory__every_folder_above_counts(void **state)
{
    (void)state;
    clear();
    check("/a.slice/b.service", TOTAL, FREE);
    put(folders[2], "memory.max", "max\n");
    put_limit(1, 4 * GIB, 3 * GIB, NO_CACHE);
    check("/a.slice/b.service", 4 * GIB, 1 * GIB);
    put_limit(2, 2 * GIB, 256 * MIB, NO_CACHE); /* the lower limit, and more of it left */
    check("/a.slice/b.service", 2 * GIB, 1 * GIB);
    check("/a.slice", 4 * GIB, 1 * GIB);
    check("/", TOTAL, FREE);
}

/* A container may show its own part of the tree under a name that is not there. */
static void test_cgroup_memory__a_name_from_outside_means_the_root(void **state)
{
    (void)state;
    clear();
    put_limit(0, 8 * GIB, 2 * GIB, NO_CACHE);
    check("/docker/0123456789ab", 8 * GIB, 6 * GIB);
    unlink("root/memory.current");
    check("/docker/0123456789ab", 8 * GIB, 8 * GIB);
}

/* systemd's MemoryHigh= above which all goes at the speed of the disk was not seen. */
static void test_cgroup_memory__what_slows_is_a_limit_like_what_refuses(void **state)
{
    (void)state;
    clear();
    put_limit(1, 4 * GIB, 1 * GIB, NO_CACHE);
    put_number(folders[1], "memory.high", 3 * GIB);
    check("/a.slice/b.service", 3 * GIB, 2 * GIB);
    put(folders[1], "memory.max", "max\n");
    check("/a.slice/b.service", 3 * GIB, 2 * GIB);
    put_number(folders[1], "memory.max", 2 * GIB);
    check("/a.slice/b.service", 2 * GIB, 1 * GIB);
    put(folders[1], "memory.high", "max\n");
    check("/a.slice/b.service", 2 * GIB, 1 * GIB);
}

static void remove_version_1(const char *folder)
{
    static const char *const names[] = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                        "memory.stat"};
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* On machines with version 1 a container's limit was not seen: what was planned for all of the
 * machine's memory was killed by the kernel. */
static void test_cgroup_memory__version_1(void **state)
{
    static const char own[] = "root/memory/docker";
    uint64_t t = TOTAL, f = FREE;

    (void)state;
    clear();
    assert_int_equal(mkdir("root/memory", 0700) || mkdir(own, 0700), 0);
    put(".", "list", "12:cpu,cpuacct:/docker\n9:memory:/docker\n0::/a.slice\n");
    put("root/memory", "memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    put_number("root/memory", "memory.usage_in_bytes", 40 * GIB);
    put("root/memory", "memory.stat", "total_inactive_file 0\ntotal_active_file 0\n");
    cgroup_memory_apply("list", "root", &t, &f);
    assert_true(t == TOTAL && f == FREE);
    put_number(own, "memory.limit_in_bytes", 4 * GIB);
    put_number(own, "memory.usage_in_bytes", 3 * GIB);
    put(own, "memory.stat",
        "inactive_file 1\nactive_file 1\ntotal_inactive_file 1073741824\ntotal_active_file 0\n");
    cgroup_memory_apply("list", "root", &t, &f);
    assert_true(t == 4 * GIB && f == 2 * GIB);
    remove_version_1(own);
    remove_version_1("root/memory");
}

static int enter(void **state)
{
    (void)state;
    if (!mkdtemp(dir) || chdir(dir))
        return -1;
    for (size_t i = 0; i < FOLDERS; i++)
        if (mkdir(folders[i], 0700))
            return -1;
    return 0;
}

static int leave(void **state)
{
    (void)state;
    clear();
    unlink("list");
    for (size_t i = FOLDERS; i-- > 0;)
        if (rmdir(folders[i]))
            return -1;
    return chdir("/") || rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cgroup_memory__the_page_cache_is_not_used_memory),
        cmocka_unit_test(test_cgroup_memory__every_folder_above_counts),
        cmocka_unit_test(test_cgroup_memory__a_name_from_outside_means_the_root),
        cmocka_unit_test(test_cgroup_memory__what_slows_is_a_limit_like_what_refuses),
        cmocka_unit_test(test_cgroup_memory__version_1),
    };

    return cmocka_run_group_tests(tests, enter, leave);
}
