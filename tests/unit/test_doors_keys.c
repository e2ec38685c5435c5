/* test_doors_keys.c - the keys of a hive that runs, while the files they stand in change or cannot
 * be read. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "api/access_share.h"
#include "base/clock.h"
#include "base/dir_lock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/doors/doors_internal.h"
#include "hive/doors/revoke.h"
#include "hive/doors/security_log.h"

#define PLAIN       "the-key-of-the-older-file"
#define PATH_BYTES  64
#define FEW_FDS     64
#define LOG_MAX     (1u << 20)
#define PATIENCE_MS 20000

uint32_t revoke_end(struct http_server *s, const unsigned char hash[SHA256_BYTES])
{
    (void)s;
    (void)hash;
    return 0;
}

static unsigned n_syncs, n_folder_syncs;

/* In the place of the system's: a disk that is busy with a download takes seconds. */
int fsync(int fd)
{
    struct stat st;

    n_syncs++;
    n_folder_syncs += fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    return 0;
}

/* What the machine has none left of. */
static bool no_instances, no_watches;

int inotify_init1(int flags)
{
    errno = EMFILE;
    return no_instances ? -1 : (int)syscall(SYS_inotify_init1, flags);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    errno = ENOSPC;
    return no_watches ? -1 : (int)syscall(SYS_inotify_add_watch, fd, path, mask);
}

/* ---- a hive's doors, with one key in each file ---- */

struct rig {
    struct doors d;
    struct event_base *base;
    char home[32], list[PATH_BYTES], plain[PATH_BYTES], logs[PATH_BYTES], run[PATH_BYTES];
    char key[ACCESS_KEY_MAX + 1];
};

static void write_plain(const struct rig *r, const char *text, mode_t mode)
{
    unlink(r->plain);
    assert_int_equal(path_write_file(r->plain, text, strlen(text), 0600, NULL), 0);
    assert_int_equal(chmod(r->plain, mode), 0);
}

static void rig_begin(struct rig *r)
{
    const struct access_secrets secrets = {"link-key-of-the-hive", NULL, NULL};

    *r = (struct rig){.d = {.watch_fd = -1, .spare_fd = -1}, .home = "/tmp/rbee-doors-XXXXXX"};
    assert_non_null(mkdtemp(r->home));
    snprintf(r->list, sizeof r->list, "%s/" KEYS_FILE, r->home);
    snprintf(r->plain, sizeof r->plain, "%s/" DOORS_KEY_FILE, r->home);
    snprintf(r->logs, sizeof r->logs, "%s/logs", r->home);
    snprintf(r->run, sizeof r->run, "%s/run", r->home);
    assert_int_equal(path_make_dirs(r->logs, 0700, NULL), 0);
    assert_int_equal(path_make_dirs(r->run, 0700, NULL), 0);
    assert_int_equal(keys_create(r->home, "listed", KEYS_WAIT_MS, NULL, r->key, NULL), 0);
    write_plain(r, PLAIN, 0600);
    r->d.home = r->home;
    r->d.access.keys = &r->d.keys;
    assert_int_equal(security_log_open(r->logs, &r->d.log, NULL), 0);
    assert_int_equal(access_share_create(&secrets, &r->d.share, &r->d.share_fd, NULL), 0);
    assert_int_equal(doors_read_keys(&r->d, NULL), 0);
    r->base = event_base_new();
    assert_non_null(r->base);
    assert_int_equal(doors_watch(&r->d, r->base, NULL), 0);
    assert_int_equal(r->d.keys.n, 2);
}

static void rig_end(struct rig *r)
{
    char path[2 * PATH_BYTES];

    doors_unwatch(&r->d);
    event_base_free(r->base);
    access_share_detach(r->d.share);
    close(r->d.share_fd);
    security_log_close(r->d.log);
    snprintf(path, sizeof path, "%s/" SECURITY_FILE, r->logs);
    unlink(path);
    rmdir(r->logs);
    snprintf(path, sizeof path, "%s/keys-used", r->run);
    unlink(path);
    rmdir(r->run);
    unlink(r->list);
    snprintf(path, sizeof path, "%s/" DIR_LOCK_FILE, r->home);
    unlink(path);
    if (unlink(r->plain) != 0)
        rmdir(r->plain);
    rmdir(r->home);
}

/* Both the hive and its workers say so. */
static bool opens(const struct rig *r, const char *key)
{
    bool here = keys_find(&r->d.keys, key) >= 0;

    assert_int_equal(access_share_opens(r->d.share, key), here);
    return here;
}

static void take_back(const struct rig *r, const char *key)
{
    unsigned char hash[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    struct keys_entry gone;

    sha256_of(key, strlen(key), hash);
    assert_int_equal(keys_revoke(r->home, sha256_hex(hash, hex), KEYS_WAIT_MS, NULL, &gone, NULL),
                     0);
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* Runs the loop until the key opens, or does not. */
static void wait_until(struct rig *r, const char *key, bool open)
{
    const struct timeval often = {.tv_usec = 20000};
    int64_t end = clock_ms() + PATIENCE_MS;

    while (opens(r, key) != open) {
        if (clock_ms() > end)
            fail_msg("the key %s opens%s", key, open ? " not" : "");
        event_base_once(r->base, -1, EV_TIMEOUT, on_time, NULL, &often);
        event_base_loop(r->base, EVLOOP_ONCE);
    }
}

static int count_log(const struct rig *r, const char *event)
{
    char path[2 * PATH_BYTES], *text;
    size_t len;
    int n = 0;

    snprintf(path, sizeof path, "%s/" SECURITY_FILE, r->logs);
    assert_int_equal(path_read_file(path, LOG_MAX, &text, &len, NULL), 0);
    for (const char *p = text; (p = strstr(p, event)); p++)
        n++;
    free(text);
    return n;
}

/* ---- tests ---- */

static void spoil_mode(const struct rig *r)
{
    assert_int_equal(chmod(r->plain, 0644), 0);
}

static void spoil_short(const struct rig *r)
{
    write_plain(r, "hunter2\n", 0600);
}

static void spoil_replaced(const struct rig *r)
{
    write_plain(r, "another-key-which-others-may-read\n", 0644);
}

static void spoil_folder(const struct rig *r)
{
    assert_int_equal(unlink(r->plain), 0);
    assert_int_equal(mkdir(r->plain, 0700), 0);
}

/*
 * An `api-key` with the wrong mode (restored from a copy, a umask) or a short key in it kept both
 * files from being read: `keys revoke` said "Revoked", and the key went on opening the hive, as did
 * the one in the older file that had been overwritten because it had leaked.
 */
static void test_doors__a_bad_older_file_keeps_no_key_alive(void **state)
{
    static void (*const spoils[])(const struct rig *) = {spoil_mode, spoil_short, spoil_replaced,
                                                         spoil_folder};

    (void)state;
    for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
        char later[ACCESS_KEY_MAX + 1];
        struct rig r;

        rig_begin(&r);
        assert_true(opens(&r, r.key) && opens(&r, PLAIN));
        spoils[i](&r);
        wait_until(&r, PLAIN, false); /* nothing else has changed */
        assert_true(opens(&r, r.key));
        take_back(&r, r.key);
        wait_until(&r, r.key, false);
        assert_int_equal(keys_create(r.home, "later", KEYS_WAIT_MS, NULL, later, NULL), 0);
        wait_until(&r, later, true);
        assert_false(opens(&r, PLAIN));
        doors_reload(&r.d);
        assert_int_equal(count_log(&r, "keys_reload_failed"), 1); /* not each second */
        if (spoils[i] == spoil_mode) {
            assert_int_equal(chmod(r.plain, 0600), 0);
            wait_until(&r, PLAIN, true);
        }
        rig_end(&r);
    }
}

/* The list itself is not changed by `keys revoke` while it is bad: what was in force stays. */
static void test_doors__a_bad_list_stays_and_the_older_file_counts(void **state)
{
    char hex[SHA256_HEX_BYTES];
    unsigned char hash[SHA256_BYTES];
    struct keys_entry gone;
    struct rig r;

    (void)state;
    rig_begin(&r);
    assert_int_equal(chmod(r.list, 0644), 0);
    write_plain(&r, "the-key-that-replaces-it", 0600);
    wait_until(&r, "the-key-that-replaces-it", true);
    assert_true(opens(&r, r.key));
    assert_false(opens(&r, PLAIN));
    sha256_of(r.key, strlen(r.key), hash);
    assert_int_equal(keys_revoke(r.home, sha256_hex(hash, hex), KEYS_WAIT_MS, NULL, &gone, NULL),
                     ERR_DENIED);
    assert_int_equal(chmod(r.list, 0600), 0);
    take_back(&r, r.key);
    wait_until(&r, r.key, false);
    rig_end(&r);
}

struct taken {
    int fds[FEW_FDS];
    size_t n;
    struct rlimit before;
};

/* No descriptor is left. */
static void take_all(struct taken *t)
{
    struct rlimit few;
    int fd;

    t->n = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &t->before), 0);
    few = t->before;
    few.rlim_cur = FEW_FDS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (t->n < FEW_FDS && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        t->fds[t->n++] = fd;
}

static void give_all(struct taken *t)
{
    while (t->n)
        close(t->fds[--t->n]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &t->before), 0);
}

/*
 * Strangers who held all of the hive's descriptors when a key was revoked kept it alive for good:
 * the files could not be opened, and were never tried again.
 */
static void test_doors__a_revocation_needs_no_free_descriptor(void **state)
{
    struct taken t;
    struct rig r;

    (void)state;
    rig_begin(&r);
    take_back(&r, r.key);
    take_all(&t);
    wait_until(&r, r.key, false);
    assert_true(opens(&r, PLAIN));
    give_all(&t);
    assert_int_equal(count_log(&r, "keys_reload_failed"), 0);
    rig_end(&r);
}

/* Somebody was quicker than the hive, and took the one descriptor that it keeps for this. */
static void test_doors__what_cannot_be_read_is_tried_again(void **state)
{
    char later[ACCESS_KEY_MAX + 1];
    struct taken t;
    struct rig r;

    (void)state;
    rig_begin(&r);
    take_back(&r, r.key);
    assert_int_equal(keys_create(r.home, "later", KEYS_WAIT_MS, NULL, later, NULL), 0);
    close(r.d.spare_fd);
    r.d.spare_fd = -1;
    take_all(&t);
    assert_int_equal(event_base_loop(r.base, EVLOOP_ONCE), 0);
    for (size_t f = 0; f < DOORS_N_FILES; f++)
        assert_int_equal(r.d.files[f].failed, ERR_IO);
    assert_true(opens(&r, r.key) && opens(&r, PLAIN));
    give_all(&t);
    wait_until(&r, later, true);
    assert_false(opens(&r, r.key));
    assert_true(opens(&r, PLAIN) && r.d.spare_fd >= 0);
    assert_int_equal(count_log(&r, "keys_reload_failed"), DOORS_N_FILES);
    rig_end(&r);
}

/* The key of that text opened the door. */
static void use(struct rig *r, const char *key)
{
    int i = keys_find(&r->d.keys, key);

    assert_true(i >= 0);
    doors_note_use(&r->d, &r->d.keys.items[i]);
}

/*
 * When 65 keys had been used since the start, revoked ones among them, a key that was used for the
 * first time took the place of the first, which took it back with the next request: each request
 * was a first use, with a line of the log and a file to write.
 */
static void test_doors__keys_come_and_go(void **state)
{
    char other[ACCESS_KEY_MAX + 1];
    struct rig r;
    int before;

    (void)state;
    rig_begin(&r);
    use(&r, r.key);
    for (int i = 0; i < KEYS_MAX; i++) {
        assert_int_equal(keys_create(r.home, "short", KEYS_WAIT_MS, NULL, other, NULL), 0);
        doors_reload(&r.d);
        use(&r, other);
        take_back(&r, other);
        doors_reload(&r.d);
    }
    use(&r, PLAIN);
    before = count_log(&r, "key_first_used");
    assert_int_equal(before, KEYS_MAX + 2);
    for (int i = 0; i < 3; i++) {
        use(&r, PLAIN);
        use(&r, r.key);
    }
    assert_int_equal(count_log(&r, "key_first_used"), before);
    assert_int_equal(r.d.n_used, 2);
    rig_end(&r);
}

/* When a key was used is a mere note: it held the loop, and all streams, for an fsync a minute. */
static void turn_loop(struct rig *r)
{
    const struct timeval now = {0};

    event_base_once(r->base, -1, EV_TIMEOUT, on_time, NULL, &now);
    event_base_loop(r->base, EVLOOP_ONCE);
}

static void copy_file(const char *from, const char *to)
{
    char *text;
    size_t n;

    assert_int_equal(path_read_file(from, LOG_MAX, &text, &n, NULL), 0);
    assert_int_equal(path_write_file(to, text, n, 0600, NULL), 0);
    free(text);
}

/*
 * The home was put aside and copied back, as for a backup: the hive followed the old folder, and a
 * key that was revoked in the new one opened it until its end. Between the two moves there are no
 * files, which is no wish to shut everybody out.
 */
static void test_doors__a_home_that_is_another_folder_now_is_followed(void **state)
{
    char old[2 * PATH_BYTES], path[3 * PATH_BYTES];
    struct rig r;

    (void)state;
    rig_begin(&r);
    snprintf(old, sizeof old, "%s.old", r.home);
    assert_int_equal(rename(r.home, old), 0);
    for (int i = 0; i < 3; i++)
        turn_loop(&r);
    assert_true(r.d.lost);
    assert_true(opens(&r, r.key) && opens(&r, PLAIN));
    assert_int_equal(path_make_dirs(r.home, 0700, NULL), 0);
    doors_reload(&r.d);
    assert_true(opens(&r, r.key) && opens(&r, PLAIN)); /* the folder, and nothing in it yet */
    snprintf(path, sizeof path, "%s/" KEYS_FILE, old);
    copy_file(path, r.list);
    unlink(path);
    snprintf(path, sizeof path, "%s/" DOORS_KEY_FILE, old);
    copy_file(path, r.plain);
    unlink(path);
    take_back(&r, r.key);
    wait_until(&r, r.key, false);
    assert_false(r.d.lost);
    assert_true(opens(&r, PLAIN));
    write_plain(&r, "another-key-of-the-new-folder", 0600); /* followed from now on */
    wait_until(&r, PLAIN, false);
    snprintf(path, sizeof path, "%s/logs/" SECURITY_FILE, old);
    assert_int_equal(unlink(path), 0); /* there is a new one in the new folder */
    assert_int_equal(count_log(&r, "key_revoked"), 2);
    *strrchr(path, '/') = '\0';
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof path, "%s/run", old);
    assert_int_equal(rename(path, r.run), 0);
    snprintf(path, sizeof path, "%s/" DIR_LOCK_FILE, old);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(old), 0);
    rig_end(&r);
}

/* Secrets as a container gets them: api-key -> ..data/key, ..data -> a folder that is replaced. */
struct mounted {
    char dir[32], *data, *folders[2], *keys[2];
};

static void put_secret(const struct mounted *m, int i, const char *key)
{
    assert_int_equal(path_write_file(m->keys[i], key, strlen(key), 0600, NULL), 0);
}

/* Makes ..data lead to the i-th folder, in one step. */
static void lead_to(const struct mounted *m, int i)
{
    char *new = path_join(m->dir, "..new");

    assert_int_equal(symlink(i ? "1" : "0", new), 0);
    assert_int_equal(rename(new, m->data), 0);
    free(new);
}

static void mount_secret(const struct rig *r, struct mounted *m)
{
    char *target;

    str_copy(m->dir, sizeof m->dir, "/tmp/rbee-secret-XXXXXX");
    assert_non_null(mkdtemp(m->dir));
    m->data = path_join(m->dir, "..data");
    for (int i = 0; i < 2; i++) {
        m->folders[i] = path_join(m->dir, i ? "1" : "0");
        assert_int_equal(mkdir(m->folders[i], 0700), 0);
        m->keys[i] = path_join(m->folders[i], "key");
    }
    put_secret(m, 0, PLAIN);
    lead_to(m, 0);
    target = path_join(m->data, "key");
    assert_int_equal(unlink(r->plain), 0);
    assert_int_equal(symlink(target, r->plain), 0);
    free(target);
}

static void unmount_secret(struct mounted *m)
{
    for (int i = 0; i < 2; i++) {
        unlink(m->keys[i]);
        assert_int_equal(rmdir(m->folders[i]), 0);
        free(m->keys[i]);
        free(m->folders[i]);
    }
    assert_int_equal(unlink(m->data), 0);
    free(m->data);
    assert_int_equal(rmdir(m->dir), 0);
}

/* The second is over. */
static void look_again(struct rig *r)
{
    assert_true(event_pending(r->d.retry, EV_TIMEOUT, NULL));
    event_active(r->d.retry, EV_TIMEOUT, 1);
    assert_int_equal(event_base_loop(r->base, EVLOOP_ONCE), 0);
}

/*
 * An `api-key` that is a link, as secrets are mounted into containers: of what became of it nothing
 * was noticed, as only the home was watched. The key of a secret that was rotated, because it had
 * leaked, opened the hive until its end.
 */
static void test_doors__a_key_that_lies_elsewhere_is_followed(void **state)
{
    static const char rotated[] = "the-key-that-came-after-it";
    struct mounted m;
    struct rig r;

    (void)state;
    rig_begin(&r);
    assert_false(event_pending(r.d.retry, EV_TIMEOUT, NULL)); /* an idle hive sleeps */
    mount_secret(&r, &m);
    doors_reload(&r.d);
    look_again(&r);
    assert_true(opens(&r, PLAIN));
    put_secret(&m, 1, rotated);
    lead_to(&m, 1);
    look_again(&r);
    assert_true(opens(&r, rotated) && !opens(&r, PLAIN) && opens(&r, r.key));
    assert_int_equal(chmod(m.keys[1], 0644), 0);
    look_again(&r);
    assert_false(opens(&r, rotated));
    assert_int_equal(chmod(m.keys[1], 0600), 0);
    look_again(&r);
    assert_true(opens(&r, rotated));
    put_secret(&m, 1, PLAIN);
    look_again(&r);
    assert_true(opens(&r, PLAIN) && !opens(&r, rotated));
    assert_int_equal(unlink(m.keys[1]), 0);
    look_again(&r);
    assert_false(opens(&r, PLAIN));
    lead_to(&m, 0);
    look_again(&r);
    assert_true(opens(&r, PLAIN));
    write_plain(&r, rotated, 0600); /* in the home again */
    doors_reload(&r.d);
    assert_true(opens(&r, rotated) && !opens(&r, PLAIN));
    unmount_secret(&m);
    rig_end(&r);
}

static enum { STATX_WORKS, STATX_REFUSED, STATX_KNOWS_NO_MOUNTS } statx_now;

int __real_statx(int dir, const char *path, int flags, unsigned mask,
                 struct statx *out); /* GNU ld --wrap: its own names */
int __wrap_statx(int dir, const char *path, int flags, unsigned mask, struct statx *out);

int __wrap_statx(int dir, const char *path, int flags, unsigned mask, struct statx *out)
{
    int rc = statx_now == STATX_REFUSED ? -1 : __real_statx(dir, path, flags, mask, out);

    if (statx_now == STATX_REFUSED)
        errno = ENOSYS;
    if (rc == 0 && statx_now == STATX_KNOWS_NO_MOUNTS) {
        out->stx_attributes &= ~(__u64)STATX_ATTR_MOUNT_ROOT;
        out->stx_attributes_mask &= ~(__u64)STATX_ATTR_MOUNT_ROOT;
    }
    return rc;
}

/*
 * A container's filter that does not know statx, a kernel that does not tell of mounts by it: the
 * file counted as one of the home, so that the key of a secret that was rotated opened the hive
 * until its end.
 */
static void test_doors__what_may_lie_elsewhere_is_followed(void **state)
{
    static const char rotated[] = "the-key-that-came-after-it";
    struct mounted m;
    struct rig r;

    (void)state;
    rig_begin(&r);
    statx_now = STATX_KNOWS_NO_MOUNTS;
    doors_reload(&r.d);
    look_again(&r); /* as if it were a mount */
    statx_now = STATX_REFUSED;
    mount_secret(&r, &m);
    doors_reload(&r.d);
    look_again(&r);
    assert_true(opens(&r, PLAIN));
    put_secret(&m, 1, rotated);
    lead_to(&m, 1);
    look_again(&r);
    assert_true(opens(&r, rotated) && !opens(&r, PLAIN));
    statx_now = STATX_WORKS;
    unmount_secret(&m);
    rig_end(&r);
}

/* A link is made and never written: one that came where no file was went unnoticed. */
static void test_doors__a_link_that_is_made_is_followed(void **state)
{
    char other[2 * PATH_BYTES];
    struct rig r;

    (void)state;
    rig_begin(&r);
    snprintf(other, sizeof other, "%s/other", r.logs);
    assert_int_equal(rename(r.plain, other), 0);
    wait_until(&r, PLAIN, false);
    assert_int_equal(symlink("logs/other", r.plain), 0);
    wait_until(&r, PLAIN, true);
    assert_int_equal(unlink(other), 0);
    rig_end(&r);
}

/* So is one that has another name elsewhere, by which it is written over. */
static void test_doors__a_key_with_another_name_is_followed(void **state)
{
    char other[2 * PATH_BYTES];
    struct rig r;
    FILE *f;

    (void)state;
    rig_begin(&r);
    snprintf(other, sizeof other, "%s/other", r.logs);
    assert_int_equal(link(r.plain, other), 0);
    doors_reload(&r.d);
    f = fopen(other, "w");
    assert_non_null(f);
    assert_true(fputs("the-key-that-came-after-it", f) >= 0);
    assert_int_equal(fclose(f), 0);
    look_again(&r);
    assert_true(opens(&r, "the-key-that-came-after-it") && !opens(&r, PLAIN));
    assert_int_equal(unlink(other), 0);
    rig_end(&r);
}

static void check_looked_at(struct rig *r)
{
    char later[ACCESS_KEY_MAX + 1], old[2 * PATH_BYTES];

    take_back(r, r->key);
    look_again(r);
    assert_true(opens(r, PLAIN) && !opens(r, r->key));
    assert_int_equal(keys_create(r->home, "later", KEYS_WAIT_MS, NULL, later, NULL), 0);
    write_plain(r, "the-key-that-came-after-it", 0600);
    look_again(r);
    assert_true(opens(r, later) && opens(r, "the-key-that-came-after-it") && !opens(r, PLAIN));
    snprintf(old, sizeof old, "%s.old", r->home);
    assert_int_equal(rename(r->home, old), 0);
    look_again(r);
    assert_true(r->d.lost && opens(r, later)); /* it is about to be put back */
    assert_int_equal(mkdir(r->home, 0700), 0);
    look_again(r);
    assert_true(r->d.lost && opens(r, later));
    assert_int_equal(rename(old, r->home), 0);
    assert_int_equal(unlink(r->plain), 0);
    look_again(r);
    assert_true(r->d.lost && opens(r, "the-key-that-came-after-it")); /* one is not there yet */
    write_plain(r, PLAIN, 0600);
    look_again(r);
    assert_true(!r->d.lost && opens(r, later) && opens(r, PLAIN));
}

/*
 * Where editors and containers held all of a user's inotify instances, or watches, a hive that
 * others reach did not start: "cannot follow changes of the keys: Too many open files".
 */
static void test_doors__keys_are_looked_at_where_nothing_is_watched(void **state)
{
    struct rig r;

    (void)state;
    for (int i = 0; i < 2; i++) {
        no_instances = i == 0;
        no_watches = i == 1;
        rig_begin(&r);
        check_looked_at(&r);
        rig_end(&r);
    }
    no_watches = false;
    rig_begin(&r); /* they are gone later, when the home is another folder */
    no_watches = true;
    inotify_rm_watch(r.d.watch_fd, r.d.watch_id);
    assert_int_equal(event_base_loop(r.base, EVLOOP_ONCE), 0);
    check_looked_at(&r);
    rig_end(&r);
    no_watches = false;
}

static void test_doors__a_use_is_noted_without_waiting_for_the_disk(void **state)
{
    char path[2 * PATH_BYTES], *text;
    struct rig r;
    size_t n;

    (void)state;
    rig_begin(&r);
    n_syncs = 0;
    use(&r, r.key);
    assert_int_equal(n_syncs, 0);
    snprintf(path, sizeof path, "%s/keys-used", r.run);
    assert_int_equal(path_read_file(path, LOG_MAX, &text, &n, NULL), 0);
    assert_true(n > 2 * SHA256_BYTES);
    free(text);
    rig_end(&r);
}

/* The list was synced and not its name: a power cut could bring the list of before back. */
static void test_doors__a_revocation_is_on_the_disk(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r);
    n_syncs = n_folder_syncs = 0;
    take_back(&r, r.key);
    assert_int_equal(n_folder_syncs, 1);
    assert_int_equal(n_syncs, 2);
    rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doors__a_bad_older_file_keeps_no_key_alive),
        cmocka_unit_test(test_doors__a_bad_list_stays_and_the_older_file_counts),
        cmocka_unit_test(test_doors__a_revocation_needs_no_free_descriptor),
        cmocka_unit_test(test_doors__what_cannot_be_read_is_tried_again),
        cmocka_unit_test(test_doors__keys_come_and_go),
        cmocka_unit_test(test_doors__a_home_that_is_another_folder_now_is_followed),
        cmocka_unit_test(test_doors__a_key_that_lies_elsewhere_is_followed),
        cmocka_unit_test(test_doors__what_may_lie_elsewhere_is_followed),
        cmocka_unit_test(test_doors__a_link_that_is_made_is_followed),
        cmocka_unit_test(test_doors__a_key_with_another_name_is_followed),
        cmocka_unit_test(test_doors__keys_are_looked_at_where_nothing_is_watched),
        cmocka_unit_test(test_doors__a_use_is_noted_without_waiting_for_the_disk),
        cmocka_unit_test(test_doors__a_revocation_is_on_the_disk),
    };

    log_init("test_doors_keys", LOG_SILENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
