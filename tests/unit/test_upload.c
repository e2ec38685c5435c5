/* test_upload.c - one piece of an upload: where it may be written, and where not. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "base/sha256.h"
#include "base/str.h"
#include "hive/chores/upload_internal.h"
#include "hive/disk/ledger.h"
#include "hive/models/models_internal.h"

#define ID "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"

/* An upload of one file of 8 bytes that was begun: its part and its ledger are there. */
struct rig {
    char dir[32];
    struct models m;
    char *part, *ledger;
};

static void rig_init(struct rig *r)
{
    struct ledger_found found = {0};
    struct ledger *l;
    char *folder;

    *r = (struct rig){.dir = "/tmp/rbee-upload-XXXXXX"};
    assert_non_null(mkdtemp(r->dir));
    r->m.dir = r->dir;
    folder = upload_folder(&r->m, ID);
    r->part = upload_part(&r->m, ID, "x.gguf");
    assert_non_null(r->part);
    r->ledger = ledger_path(r->part);
    assert_int_equal(path_make_dirs(folder, 0755, NULL), 0);
    assert_int_equal(path_write_file(r->part, "........", 8, 0600, NULL), 0);
    assert_int_equal(ledger_open(r->ledger, 8, UPLOAD_PIECE_BYTES, &found, &l, NULL), 0);
    ledger_close(l);
    ledger_found_done(&found);
    free(folder);
}

static void rig_done(struct rig *r)
{
    char *push = path_join(r->dir, UPLOAD_FOLDER);

    assert_int_equal(upload_drop(&r->m, ID, NULL, NULL), 0);
    rmdir(push);
    rmdir(r->dir);
    free(push);
    free(r->part);
    free(r->ledger);
}

static int put(const struct rig *r, const char *file, uint64_t from, const char *bytes)
{
    unsigned char hash[SHA256_BYTES];
    char said[SHA256_HEX_BYTES];

    sha256_of(bytes, strlen(bytes), hash);
    return upload_put(&r->m, ID, file, from, bytes, strlen(bytes), sha256_hex(hash, said), NULL);
}

static void assert_file(const char *path, const char *text)
{
    char *is;
    size_t n;

    assert_int_equal(path_read_file(path, 4096, &is, &n, NULL), 0);
    assert_string_equal(is, text);
    free(is);
}

static void test_upload__a_piece_is_written_where_it_belongs(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(put(&r, "x.gguf", 3, "abc"), 0);
    assert_file(r.part, "...abc..");
    assert_int_equal(put(&r, "x.gguf", 6, "abc"), ERR_INVALID);
    assert_int_equal(put(&r, "x.gguf", UINT64_MAX - 1, "abc"), ERR_INVALID);
    assert_int_equal(put(&r, "x.gguf", INT64_MAX, "abc"), ERR_INVALID);
    assert_int_equal(put(&r, "x.gguf", UPLOAD_PIECE_BYTES - 1, "abc"), ERR_INVALID);
    assert_int_equal(put(&r, "x.gguf", 0, ""), ERR_INVALID);
    assert_int_equal(put(&r, "y.gguf", 0, "abc"), ERR_NOT_FOUND);
    assert_int_equal(put(&r, "../x.gguf", 0, "abc"), ERR_INVALID);
    assert_file(r.part, "...abc..");
    rig_done(&r);
}

static int flock_fails_with;

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __wrap_flock(int fd, int operation)
{
    if (!flock_fails_with)
        return __real_flock(fd, operation);
    errno = flock_fails_with;
    return -1;
}

/* Any failure of the lock was "being taken in": on a file system without locks no push ever got a
 * piece written. */
static void
test_upload__a_part_that_is_held_is_being_taken_in_one_without_locks_is_not(void **state)
{
    static const int none[] = {ENOSYS, EOPNOTSUPP, ENOLCK};
    struct rig r;
    int fd;

    (void)state;
    rig_init(&r);
    fd = open(r.part, O_RDONLY | O_CLOEXEC);
    assert_int_equal(__real_flock(fd, LOCK_EX), 0);
    assert_int_equal(put(&r, "x.gguf", 3, "abc"), ERR_CONFLICT);
    assert_file(r.part, "........");
    close(fd);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        flock_fails_with = none[i];
        assert_int_equal(put(&r, "x.gguf", i, "abc"), 0);
    }
    flock_fails_with = 0;
    assert_file(r.part, "aaabc...");
    rig_done(&r);
}

/* Chores are the hive's. */
bool chore_count(struct chore *c, uint64_t n_more)
{
    (void)c;
    (void)n_more;
    return false;
}

bool chore_stopped(const void *c)
{
    (void)c;
    return false;
}

static bool takes_no_claims; /* the disk */

ssize_t __real_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
    if (!takes_no_claims || !memmem(bytes, n, " bytes ", 7))
        return __real_write(fd, bytes, n);
    errno = ENOSPC;
    return -1;
}

/* It was deleted before the new one was written: on a full disk the claims that hold were lost with
 * those that do not, and all that had come was sent again. */
static void test_upload__a_ledger_stays_until_the_new_one_is_whole(void **state)
{
    struct upload_file f = {.size_bytes = 8};
    uint64_t first, last;
    struct rig r;
    char *before;
    size_t n;

    (void)state;
    rig_init(&r);
    assert_int_equal(put(&r, "x.gguf", 0, "abc"), 0);
    assert_int_equal(put(&r, "x.gguf", 3, "def"), 0);
    assert_int_equal(path_write_file(r.part, "abcd?f..", 8, 0600, NULL), 0);
    assert_int_equal(path_read_file(r.ledger, 4096, &before, &n, NULL), 0);
    f.part = r.part;
    takes_no_claims = true;
    assert_int_equal(upload_look(&f, NULL, NULL), ERR_NO_SPACE);
    takes_no_claims = false;
    assert_file(r.ledger, before);
    pieces_free(f.pieces);
    assert_int_equal(upload_look(&f, NULL, NULL), 0);
    assert_true(pieces_hole_in(f.pieces, 0, 8, &first, &last));
    assert_int_equal(first, 3);
    assert_int_equal(last, 8);
    pieces_free(f.pieces);
    free(before);
    rig_done(&r);
}

/* The ledger lies beside the part under a plain name: a piece for it was written into it, though no
 * manifest may name a file so. */
static void test_upload__no_piece_is_written_into_a_ledger(void **state)
{
    struct rig r;
    char *before;
    size_t n;

    (void)state;
    rig_init(&r);
    assert_int_equal(path_read_file(r.ledger, 4096, &before, &n, NULL), 0);
    assert_int_equal(put(&r, "x.gguf.ledger", 0, "abc"), ERR_INVALID);
    assert_file(r.ledger, before);
    assert_null(upload_part(&r.m, ID, "x.gguf.ledger"));
    free(before);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upload__a_piece_is_written_where_it_belongs),
        cmocka_unit_test(test_upload__no_piece_is_written_into_a_ledger),
        cmocka_unit_test(test_upload__a_ledger_stays_until_the_new_one_is_whole),
        cmocka_unit_test(
            test_upload__a_part_that_is_held_is_being_taken_in_one_without_locks_is_not),
    };

    return cmocka_run_group_tests_name("upload", tests, NULL, NULL);
}
