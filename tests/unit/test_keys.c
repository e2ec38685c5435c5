/* test_keys.c - SHA-256, the file of keys, and what workers see of it. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/access_share.h"
#include "api/keys.h"
#include "base/dir_lock.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/str.h"

/* ---- SHA-256: the examples of FIPS 180-4 that NIST publishes ---- */

static void expect_hash(const char *text, size_t n, const char *hex)
{
    unsigned char digest[SHA256_BYTES], back[SHA256_BYTES];
    char shown[SHA256_HEX_BYTES];

    sha256_of(text, n, digest);
    assert_string_equal(sha256_hex(digest, shown), hex);
    assert_true(sha256_from_hex(hex, back));
    assert_true(sha256_same(digest, back));
    back[31] ^= 1;
    assert_false(sha256_same(digest, back));
}

static void test_sha256__gives_the_published_digests(void **state)
{
    char *million = malloc(1000000);

    (void)state;
    expect_hash("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_hash("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_non_null(million);
    memset(million, 'a', 1000000);
    expect_hash(million, 1000000,
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static void test_sha256__does_not_care_how_it_is_fed(void **state)
{
    char text[300];
    unsigned char whole[SHA256_BYTES], pieces[SHA256_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7);
    for (size_t n = 0; n <= sizeof text; n++) {
        struct sha256 s;

        sha256_init(&s);
        for (size_t at = 0, some = 1; at < n; at += some, some = some % 70 + 1) {
            if (some > n - at)
                some = n - at;
            sha256_put(&s, text + at, some);
        }
        sha256_end(&s, pieces);
        sha256_of(text, n, whole);
        assert_memory_equal(pieces, whole, sizeof whole);
    }
    assert_false(sha256_from_hex("e3b0", whole));
    assert_false(
        sha256_from_hex("E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", whole));
}

/* ---- the file ---- */

struct home {
    char dir[32];
    char *file, *lock;
};

static void home_begin(struct home *h)
{
    str_copy(h->dir, sizeof h->dir, "/tmp/rbee-keys-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    h->file = path_join(h->dir, KEYS_FILE);
    h->lock = path_join(h->dir, DIR_LOCK_FILE);
}

static void home_end(struct home *h)
{
    unlink(h->file);
    unlink(h->lock);
    assert_int_equal(rmdir(h->dir), 0);
    free(h->file);
    free(h->lock);
}

static void test_keys__made_listed_and_revoked(void **state)
{
    char one[ACCESS_KEY_MAX + 1], two[ACCESS_KEY_MAX + 1], print[KEYS_PRINT_BYTES];
    struct keys_entry gone;
    struct err err = {0};
    struct home h;
    struct keys k;
    struct stat st;
    char copy[256], *text;
    size_t n;

    (void)state;
    home_begin(&h);
    assert_int_equal(keys_load(h.dir, &k, &err), 0);
    assert_int_equal(k.n, 0);
    snprintf(copy, sizeof copy, "%s.tmp-4711", h.file); /* of one that was killed */
    assert_int_equal(path_write_file(copy, "#", 1, 0600, NULL), 0);
    assert_int_equal(keys_create(h.dir, "laptop", KEYS_WAIT_MS, NULL, one, &err), 0);
    assert_int_equal(keys_create(h.dir, "phone", KEYS_WAIT_MS, NULL, two, &err), 0);
    assert_int_equal(strlen(one), ACCESS_KEY_BYTES);
    assert_int_equal(stat(h.file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(path_read_file(h.file, 4096, &text, &n, &err), 0);
    assert_null(strstr(text, one + 5)); /* the file holds no key */
    free(text);
    assert_int_equal(keys_load(h.dir, &k, &err), 0);
    assert_int_equal(k.n, 2);
    assert_string_equal(k.items[0].name, "laptop");
    assert_int_equal(keys_find(&k, one), 0);
    assert_int_equal(keys_find(&k, two), 1);
    two[10] ^= 1;
    assert_int_equal(keys_find(&k, two), -1);
    assert_int_equal(keys_find(&k, ""), -1);
    keys_print(k.items[0].hash, print);
    assert_int_equal(keys_revoke(h.dir, "abc", KEYS_WAIT_MS, NULL, &gone, &err), ERR_INVALID);
    assert_int_equal(keys_revoke(h.dir, print, KEYS_WAIT_MS, NULL, &gone, &err), 0);
    assert_string_equal(gone.name, "laptop");
    assert_int_equal(keys_revoke(h.dir, print, KEYS_WAIT_MS, NULL, &gone, &err), ERR_NOT_FOUND);
    assert_int_equal(keys_load(h.dir, &k, &err), 0);
    assert_int_equal(k.n, 1);
    assert_int_equal(keys_find(&k, one), -1);
    assert_int_equal(access(copy, F_OK), -1);
    home_end(&h);
}

static void test_keys__a_change_waits_for_another_only_so_long(void **state)
{
    char key[ACCESS_KEY_MAX + 1];
    struct err err = {0};
    struct dir_lock lock;
    struct home h;

    (void)state;
    home_begin(&h);
    assert_int_equal(dir_lock_take(h.dir, 0, NULL, &lock, &err), 0);
    assert_int_equal(keys_create(h.dir, "a", 20, NULL, key, &err), ERR_BUSY);
    assert_non_null(strstr(err.text, h.dir));
    dir_lock_release(&lock);
    assert_int_equal(keys_create(h.dir, "a", 20, NULL, key, &err), 0);
    home_end(&h);
}

/*
 * The lock was the folder's own, for which it is enough to be able to read it: in a home that was
 * there before with mode 755 anybody kept `keys revoke`, pairings and `node add` from doing
 * anything.
 */
static void test_keys__who_may_only_read_the_home_keeps_no_change_from_being_made(void **state)
{
    char key[ACCESS_KEY_MAX + 1];
    struct err err = {0};
    struct home h;
    struct stat st;
    int reader;

    (void)state;
    home_begin(&h);
    reader = open(h.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(reader, LOCK_EX), 0);
    assert_int_equal(keys_create(h.dir, "a", 20, NULL, key, &err), 0);
    assert_int_equal(chmod(h.lock, 0644), 0); /* as `chmod -R a+r` does */
    assert_int_equal(keys_create(h.dir, "b", 20, NULL, key, &err), 0);
    assert_int_equal(stat(h.lock, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    close(reader);
    home_end(&h);
}

/* Programs of early versions knew no other lock. */
static void test_keys__the_lock_is_the_folders_besides(void **state)
{
    struct err err = {0};
    struct dir_lock lock;
    struct home h;
    int older;

    (void)state;
    home_begin(&h);
    older = open(h.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(dir_lock_take(h.dir, 0, NULL, &lock, &err), 0);
    assert_int_equal(flock(older, LOCK_EX | LOCK_NB), -1);
    dir_lock_release(&lock);
    assert_int_equal(flock(older, LOCK_EX | LOCK_NB), 0);
    close(older);
    home_end(&h);
}

/*
 * `sudo rbee-keeper keys revoke` made the list root's: the hive of another user could not read it,
 * and let the revoked key in as before.
 */
static void test_keys__stay_their_owners_when_root_changes_them(void **state)
{
    char one[ACCESS_KEY_MAX + 1], two[ACCESS_KEY_MAX + 1];
    const uid_t nobody = 65534;
    struct err err = {0};
    struct home h;
    struct stat st;

    (void)state;
    if (geteuid() != 0)
        skip();
    home_begin(&h);
    assert_int_equal(keys_create(h.dir, "one", KEYS_WAIT_MS, NULL, one, &err), 0);
    assert_int_equal(chown(h.file, nobody, nobody), 0);
    assert_int_equal(chown(h.dir, nobody, nobody), 0);
    assert_int_equal(unlink(h.lock), 0);
    assert_int_equal(keys_create(h.dir, "two", KEYS_WAIT_MS, NULL, two, &err), 0);
    assert_int_equal(stat(h.lock, &st), 0); /* else he could change nothing from then on */
    assert_int_equal(st.st_uid, nobody);
    assert_int_equal(stat(h.file, &st), 0);
    assert_int_equal(st.st_uid, nobody);
    assert_int_equal(st.st_gid, nobody);
    assert_int_equal(st.st_mode & 0777, 0600);
    home_end(&h);
}

/* A list that cannot be read counted as one with room: whoever paired used up the code for nothing.
 */
static void test_keys__a_list_that_cannot_be_read_has_no_room(void **state)
{
    struct err err = {0};
    struct home h;

    (void)state;
    home_begin(&h);
    assert_int_equal(keys_check_room(h.dir, &err), 0);
    assert_int_equal(path_write_file(h.file, "no key\n", 7, 0600, NULL), 0);
    assert_int_equal(keys_check_room(h.dir, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, h.file));
    home_end(&h);
}

static void test_keys__a_file_for_all_eyes_is_refused(void **state)
{
    char key[ACCESS_KEY_MAX + 1];
    struct err err = {0};
    struct home h;
    struct keys k;

    (void)state;
    home_begin(&h);
    assert_int_equal(keys_create(h.dir, "a", KEYS_WAIT_MS, NULL, key, &err), 0);
    assert_int_equal(chmod(h.file, 0640), 0);
    assert_int_equal(keys_load(h.dir, &k, &err), ERR_DENIED);
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(keys_create(h.dir, "b", KEYS_WAIT_MS, NULL, key, &err), ERR_DENIED);
    home_end(&h);
}

static void test_keys__bad_lines_are_named(void **state)
{
#define HASH "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        {"x\n", "line 1"},
        {"# fine\n" HASH " 1 a\n" HASH " 2 b\n", "line 3"},
        {HASH " 1 a b\n", "line 1"},
        {HASH " one a\n", "line 1"},
        {HASH " 1\n", "line 1"},
        {HASH "  a\n", "line 1"},
        {"B" HASH " 1 a\n", "line 1"},
        {HASH " 1 ../a\n", "line 1"},
    };
    struct err err = {0};
    struct keys k;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(keys_parse("keys", bad[i].text, strlen(bad[i].text), &k, &err), 0);
        assert_non_null(strstr(err.text, bad[i].says));
    }
    assert_int_equal(keys_parse("keys", HASH " 5 a.b-c_d", 64 + 10, &k, &err), 0);
    assert_int_equal(k.n, 1);
    assert_int_equal(k.items[0].made_s, 5);
    assert_int_equal(keys_parse("keys", HASH " 1 a\0b\n", 70, &k, &err), ERR_INVALID);
}

static void test_keys__there_is_a_limit(void **state)
{
    struct keys k = {.n = 0};
    struct err err = {0};
    char key[32];

    (void)state;
    for (int i = 0; i < KEYS_MAX; i++) {
        snprintf(key, sizeof key, "key number %d", i);
        assert_int_equal(keys_add(&k, key, "n", 0, &err), 0);
    }
    assert_int_equal(keys_add(&k, "one more", "n", 0, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, "64"));
    assert_int_equal(keys_find(&k, "key number 63"), 63);
}

/* The 64th key of a hive that has `api-key` too made 65: the hive did not take its list any more,
 * so the key that a pairing had just given did not open it, and the next start failed. */
static void test_keys__a_full_file_leaves_room_for_the_older_key(void **state)
{
    char home[] = "/tmp/rbee-keys-XXXXXX", key[ACCESS_KEY_MAX + 1], *path;
    struct err err = {0};
    struct keys k;

    (void)state;
    assert_non_null(mkdtemp(home));
    for (int i = 0; i < 64; i++)
        assert_int_equal(keys_create(home, "n", KEYS_WAIT_MS, NULL, key, &err), 0);
    assert_int_equal(keys_create(home, "n", KEYS_WAIT_MS, NULL, key, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, "64"));
    assert_int_equal(keys_load(home, &k, &err), 0);
    assert_int_equal(k.n, 64);
    assert_int_equal(keys_add(&k, "the key of the older file", "api-key", 0, &err), 0);
    path = path_join(home, KEYS_FILE);
    unlink(path);
    free(path);
    rmdir(home);
}

/* A file that was made by hand with more than a list may hold. */
static void test_keys__a_file_of_too_many_is_refused(void **state)
{
    char text[80 * 66], *p = text;
    struct err err = {0};
    struct keys k;

    (void)state;
    for (int i = 0; i < 65; i++)
        p += snprintf(p, 80, "%064x 1 n\n", i);
    assert_int_equal(keys_parse("keys", text, (size_t)(p - text), &k, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, "line 65"));
    p = text + (p - text) / 65 * 64;
    assert_int_equal(keys_parse("keys", text, (size_t)(p - text), &k, &err), 0);
    assert_int_equal(k.n, 64);
}

static void test_keys__of_two_that_begin_alike_none_is_revoked(void **state)
{
    static const char text[] =
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 1 one\n"
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae 1 two\n";
    struct err err = {0};
    struct keys_entry gone;
    struct home h;
    struct keys k;

    (void)state;
    home_begin(&h);
    assert_int_equal(path_write_file(h.file, text, strlen(text), 0600, &err), 0);
    assert_int_equal(keys_revoke(h.dir, "ba7816bf8f01", KEYS_WAIT_MS, NULL, &gone, &err),
                     ERR_CONFLICT);
    assert_int_equal(keys_load(h.dir, &k, &err), 0);
    assert_int_equal(k.n, 2);
    assert_int_equal(keys_revoke(h.dir,
                                 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae",
                                 KEYS_WAIT_MS, NULL, &gone, &err),
                     0);
    assert_string_equal(gone.name, "two");
    home_end(&h);
}

/* ---- what workers see ---- */

static void test_access_share__follows_the_list(void **state)
{
    const struct access_secrets secrets = {"link-key-of-the-hive", "CERT", "KEY"};
    struct access_share *hive, *worker;
    struct access_secrets seen;
    struct keys k = {.n = 0}, now;
    struct err err = {0};
    uint32_t changes;
    char *chain;
    int fd;

    (void)state;
    assert_int_equal(access_share_create(&secrets, &hive, &fd, &err), 0);
    assert_int_equal(access_share_attach(fd, &worker, &err), 0);
    seen = access_share_secrets(worker);
    assert_string_equal(seen.link_key, "link-key-of-the-hive");
    assert_int_equal(access_share_certificate(worker, &chain, &err), 0);
    assert_string_equal(chain, "CERT");
    free(chain);
    assert_int_equal(access_share_renew(hive, "A RENEWED CERT", &err), 0);
    assert_int_equal(access_share_certificate(worker, &chain, &err), 0);
    assert_string_equal(chain, "A RENEWED CERT");
    free(chain);
    assert_int_equal(access_share_renew(hive, "CERT", &err), 0); /* shorter again */
    assert_int_equal(access_share_certificate(worker, &chain, &err), 0);
    assert_string_equal(chain, "CERT");
    free(chain);
    assert_string_equal(seen.private_key, "KEY");
    assert_false(access_share_opens(worker, "one"));
    keys_add(&k, "one", "a", 0, NULL);
    keys_add(&k, "two", "b", 0, NULL);
    access_share_publish(hive, &k);
    assert_true(access_share_opens(worker, "one"));
    assert_true(access_share_opens(worker, "two"));
    assert_false(access_share_opens(worker, "three"));
    changes = access_share_changes(worker);
    k.items[0] = k.items[1];
    k.n = 1;
    access_share_publish(hive, &k);
    assert_false(access_share_opens(worker, "one"));
    assert_true(access_share_opens(worker, "two"));
    assert_int_not_equal(access_share_changes(worker), changes);
    assert_true(access_share_keys(worker, &now));
    assert_true(keys_has_mark(&now, keys_mark_of("two")));
    assert_false(keys_has_mark(&now, keys_mark_of("one")));
    access_share_detach(worker);
    access_share_detach(hive);
    close(fd);
}

/* ---- a list that changes while it is read ---- */

struct publisher {
    struct access_share *hive;
    struct keys lists[2];
    atomic_bool stop;
};

static void *publish_in_turn(void *arg)
{
    struct publisher *p = arg;

    for (size_t i = 0; !atomic_load(&p->stop); i++) {
        access_share_publish(p->hive, &p->lists[i % 2]);
        usleep(1);
    }
    return NULL;
}

static void expect_one_of(const struct keys *seen, const struct publisher *p)
{
    const struct keys *list = &p->lists[seen->n == p->lists[0].n ? 0 : 1];

    assert_int_equal(seen->n, list->n);
    for (size_t i = 0; i < seen->n; i++)
        assert_memory_equal(seen->items[i].hash, list->items[i].hash, SHA256_BYTES);
}

/* What is seen is the list before a change or the one after it: in a mixture a revoked key might
 * stand. */
static void test_access_share__a_list_is_seen_whole(void **state)
{
    const struct access_secrets secrets = {"", NULL, NULL};
    struct publisher p = {.stop = false};
    struct access_share *worker;
    struct keys seen;
    char key[32];
    pthread_t thread;
    int fd, n_whole = 0;

    (void)state;
    assert_int_equal(access_share_create(&secrets, &p.hive, &fd, NULL), 0);
    assert_int_equal(access_share_attach(fd, &worker, NULL), 0);
    for (int i = 0; i < 2 * KEYS_MAX - 1; i++) {
        snprintf(key, sizeof key, "key number %d", i);
        assert_int_equal(keys_add(&p.lists[i >= KEYS_MAX], key, "n", 0, NULL), 0);
    }
    access_share_publish(p.hive, &p.lists[0]);
    assert_int_equal(pthread_create(&thread, NULL, publish_in_turn, &p), 0);
    for (uint32_t from = access_share_changes(worker);
         n_whole < 20000 || access_share_changes(worker) - from < 4000;)
        if (access_share_keys(worker, &seen)) {
            expect_one_of(&seen, &p);
            n_whole++;
        }
    atomic_store(&p.stop, true);
    pthread_join(thread, NULL);
    access_share_detach(worker);
    access_share_detach(p.hive);
    close(fd);
}

/* Who opens what a descriptor stands for once more, for writing (Linux 5.1 and later). */
static void expect_sealed(int fd)
{
    char path[40];
    int again;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    again = open(path, O_RDWR | O_CLOEXEC);
    if (again == -1)
        return;
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0), MAP_FAILED);
    assert_int_equal(write(again, "x", 1), -1);
    assert_int_equal(ftruncate(again, 0), -1);
    close(again);
}

/* A worker that was taken over must not be able to let others in. */
static void test_access_share__workers_cannot_write(void **state)
{
    const struct access_secrets secrets = {"", NULL, NULL};
    struct access_share *hive, *worker;
    struct err err = {0};
    struct stat st;
    int fd;

    (void)state;
    assert_int_equal(access_share_create(&secrets, &hive, &fd, &err), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    expect_sealed(fd);
    assert_int_equal(access_share_attach(fd, &worker, &err), 0);
    assert_null(access_share_secrets(worker).private_key);
    access_share_detach(worker);
    access_share_detach(hive);
    close(fd);
    fd = memfd_create("other", MFD_CLOEXEC);
    assert_int_equal(access_share_attach(fd, &worker, &err), ERR_INVALID);
    assert_int_equal(ftruncate(fd, st.st_size), 0);
    assert_int_equal(access_share_attach(fd, &worker, &err), ERR_CONFLICT);
    assert_int_equal(ftruncate(fd, 64), 0); /* another build's may have another size */
    assert_int_equal(access_share_attach(fd, &worker, &err), ERR_CONFLICT);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256__gives_the_published_digests),
        cmocka_unit_test(test_sha256__does_not_care_how_it_is_fed),
        cmocka_unit_test(test_keys__made_listed_and_revoked),
        cmocka_unit_test(test_keys__a_change_waits_for_another_only_so_long),
        cmocka_unit_test(test_keys__who_may_only_read_the_home_keeps_no_change_from_being_made),
        cmocka_unit_test(test_keys__the_lock_is_the_folders_besides),
        cmocka_unit_test(test_keys__stay_their_owners_when_root_changes_them),
        cmocka_unit_test(test_keys__a_list_that_cannot_be_read_has_no_room),
        cmocka_unit_test(test_keys__a_file_for_all_eyes_is_refused),
        cmocka_unit_test(test_keys__bad_lines_are_named),
        cmocka_unit_test(test_keys__there_is_a_limit),
        cmocka_unit_test(test_keys__a_full_file_leaves_room_for_the_older_key),
        cmocka_unit_test(test_keys__a_file_of_too_many_is_refused),
        cmocka_unit_test(test_keys__of_two_that_begin_alike_none_is_revoked),
        cmocka_unit_test(test_access_share__follows_the_list),
        cmocka_unit_test(test_access_share__a_list_is_seen_whole),
        cmocka_unit_test(test_access_share__workers_cannot_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
