/* test_sync.c - src/base/sync.c, and the ledger's sync by it: a disk that does not take what was
 * written, played by an fsync that fails and by what the disk has instead, which is seen when
 * memory lets go of the file. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/dir_lock.h"
#include "base/path.h"
#include "base/sync.h"
#include "hive/disk/digest.h"
#include "hive/disk/ledger.h"
#include "hive/disk/place.h"

#define SIZE 65536u

static char folder[] = "/tmp/rbee-sync-XXXXXX", part[64], ledger[64], lock_file[64];
static int fails_with;    /* the next fsync, once, as Linux has it */
static bool lost;         /* bytes in memory are not on the disk */
static unsigned n_forgot; /* calls */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    if (!fails_with)
        return __real_fsync(fd);
    errno = fails_with;
    fails_with = 0;
    lost = true;
    return -1;
}

int __wrap_posix_fadvise64(int fd, off_t from, off_t n, int advice);
int __wrap_posix_fadvise64(int fd, off_t from, off_t n, int advice)
{
    static const char nothing[SIZE];
    struct stat st;

    assert_int_equal(from, 0);
    assert_int_equal(n, 0);
    assert_int_equal(advice, POSIX_FADV_DONTNEED);
    n_forgot++;
    assert_int_equal(fstat(fd, &st), 0);
    if (lost && S_ISREG(st.st_mode))
        assert_int_equal(pwrite(fd, nothing, sizeof nothing, 0), sizeof nothing);
    return 0;
}

/* As it is called where the C library knows files of one size only (musl). */
int __wrap_posix_fadvise(int fd, off_t from, off_t n, int advice);
int __wrap_posix_fadvise(int fd, off_t from, off_t n, int advice)
{
    return __wrap_posix_fadvise64(fd, from, n, advice);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(part, sizeof part, "%s/x.part", folder);
    snprintf(lock_file, sizeof lock_file, "%s/" DIR_LOCK_FILE, folder);
    snprintf(ledger, sizeof ledger, "%s/x.part.ledger", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(part);
    unlink(ledger);
    unlink(lock_file);
    return rmdir(folder);
}

static int open_part(void)
{
    int fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char bytes[SIZE];

    assert_true(fd >= 0);
    memset(bytes, 'a', sizeof bytes);
    assert_int_equal(path_write_at(fd, bytes, sizeof bytes, 0), 0);
    n_forgot = 0;
    lost = false;
    return fd;
}

static void digest_now(int fd, char hex[DIGEST_SHA256_BYTES])
{
    assert_int_equal(digest_of_range(digest_create_xxh3(), fd, 0, SIZE, NULL, NULL, hex, NULL), 0);
}

static void test_sync__lets_go_only_of_what_did_not_get_there(void **state)
{
    int fd = open_part();

    (void)state;
    assert_int_equal(sync_bytes(fd), 0);
    assert_int_equal(n_forgot, 0);
    fails_with = EIO;
    assert_int_equal(sync_bytes(fd), EIO);
    assert_int_equal(n_forgot, 1);
    close(fd);
}

/* An import from a squashfs: nothing was ever written there. */
static void test_sync__a_file_system_without_it_is_no_failure(void **state)
{
    int fd = open_part();

    (void)state;
    fails_with = EINVAL;
    assert_int_equal(sync_bytes(fd), 0);
    assert_int_equal(n_forgot, 0);
    fails_with = EROFS; /* ext4 that was mounted to be written, and has met an error */
    assert_int_equal(sync_bytes(fd), EROFS);
    assert_int_equal(n_forgot, 1);
    close(fd);
}

/* vboxsf, 9p: no push and no move ended well there, "cannot sync the folder". */
static void test_sync__a_folder_without_it_is_no_failure_either(void **state)
{
    struct dir_lock lock = DIR_LOCK_NONE;

    (void)state;
    close(open_part());
    assert_int_equal(dir_lock_take(folder, 1000, NULL, &lock, NULL), 0);
    fails_with = EINVAL;
    assert_int_equal(path_sync_folder(part, NULL), 0);
    fails_with = EINVAL;
    assert_int_equal(dir_lock_sync(&lock, folder, NULL), 0);
    assert_int_equal(path_sync_folder("/no/folder/x", NULL), ERR_IO);
    dir_lock_release(&lock);
}

/* Small files, and models that were copied, were synced by another rule: on such a file system none
 * could be written, and after a failure what memory held of them was read as if it were there. */
static void test_sync__all_that_is_written_goes_by_the_same_rule(void **state)
{
    char to[80];
    enum place_how how;

    (void)state;
    close(open_part());
    snprintf(to, sizeof to, "%s/copy", folder);
    fails_with = EINVAL;
    assert_int_equal(path_write_file(to, "x", 1, 0600, NULL), 0);
    assert_int_equal(unlink(to), 0);
    fails_with = EINVAL;
    assert_int_equal(place_file(part, to, PLACE_COPY, NULL, &how, NULL), 0);
    assert_int_equal(unlink(to), 0);
    assert_int_equal(n_forgot, 0);
    fails_with = EIO;
    assert_int_equal(path_write_file(to, "x", 1, 0600, NULL), ERR_IO);
    assert_int_equal(n_forgot, 1);
    fails_with = EIO;
    assert_int_equal(place_file(part, to, PLACE_COPY, NULL, &how, NULL), ERR_IO);
    assert_int_equal(n_forgot, 2);
    fails_with = ENOSPC; /* a stick, at the end of an export */
    assert_int_equal(path_sync_dir(folder, NULL), ERR_NO_SPACE);
}

/* A thin volume ran full beneath a download: it failed, room was made, and the next try found each
 * claim of the ledger to hold, in memory, fetched nothing, and called a file complete and verified
 * of which the disk had a third. */
static void test_ledger__a_failed_sync_makes_its_claims_be_held_against_the_disk(void **state)
{
    struct ledger_claim claim = {.from = 0, .to = SIZE};
    struct ledger_found found = {0};
    char hex[DIGEST_SHA256_BYTES];
    struct ledger *l = NULL;
    struct err err = {0};
    int fd = open_part();

    (void)state;
    assert_int_equal(ledger_open(ledger, SIZE, SIZE, &found, &l, NULL), 0);
    digest_now(fd, claim.digest);
    assert_int_equal(ledger_add(l, &claim, NULL), 0);
    fails_with = ENOSPC;
    assert_int_equal(ledger_sync(l, fd, &err), ERR_NO_SPACE);
    assert_non_null(strstr(err.text, strerror(ENOSPC)));
    digest_now(fd, hex);
    assert_string_not_equal(hex, claim.digest);
    ledger_close(l);
    ledger_found_done(&found);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sync__lets_go_only_of_what_did_not_get_there),
        cmocka_unit_test(test_sync__a_file_system_without_it_is_no_failure),
        cmocka_unit_test(test_sync__a_folder_without_it_is_no_failure_either),
        cmocka_unit_test(test_sync__all_that_is_written_goes_by_the_same_rule),
        cmocka_unit_test(test_ledger__a_failed_sync_makes_its_claims_be_held_against_the_disk),
    };

    return cmocka_run_group_tests_name("sync", tests, make_folder, remove_folder);
}
