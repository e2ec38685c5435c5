/* home.c - see home.h. No state. */
#include "hive/disk/home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dir_lock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sweep.h"
#include "base/utf8.h"
#include "hive/disk/logrotate.h"

#define LOCK_FILE         "run/hive.lock"
#define LOCK_TRIES        3
#define LOCK_TRIES_ORPHAN 200
#define LOCK_POLL_MS      10

static int make_under(const char *home, const char *name, struct err *err)
{
    char *path = path_join(home, name);
    int rc = path ? path_make_dirs(path, 0700, err) : err_no_memory(err, strlen(home), "a path");

    free(path);
    return rc;
}

/* JSON is UTF-8: whatever lies in another folder would be missing in each answer. */
static int check_tellable(const char *path, const char *what, const char *do_what, struct err *err)
{
    if (str_is_utf8(path, strlen(path)))
        return 0;
    err_set(err, ERR_INVALID,
            "the path of %s, %.300s, is not UTF-8, so that nobody could be told "
            "what lies there%s",
            what, path, do_what);
    if (err)
        utf8_mend(err->text);
    return ERR_INVALID;
}

static int forget(int rc, char **full)
{
    if (rc) {
        free(*full);
        *full = NULL;
    }
    return rc;
}

/* The folder's path in full, which can be told; NULL with an error. */
static int find_in_full(const char *path, const char *what, const char *do_what, char **full,
                        struct err *err)
{
    int rc = path_real(path, full, err);

    if (rc == 0)
        rc = check_tellable(*full, what, do_what, err);
    return forget(rc, full);
}

int home_make(const char *home, char **full, struct err *err)
{
    int rc = path_make_dirs(home, 0700, err);

    *full = NULL;
    if (rc == 0)
        rc = find_in_full(home, "the home", "", full, err);
    if (rc == 0)
        rc = make_under(home, "logs", err);
    if (rc == 0)
        rc = make_under(home, "run", err);
    return forget(rc, full);
}

#define MOUNTED "is its disk mounted? If there is to be none, "

/* A link whose disk is not there. The folder that is to be would be made where nobody looks. */
static int say_dangling(const char *dir, struct err *err)
{
    char *to = path_behind_link(dir);

    err_set(err, ERR_NOT_FOUND,
            "the folder of the models, %.300s, is a link to %.300s, which is not there: " MOUNTED
            "make that folder, or remove the link",
            dir, to ? to : "a folder");
    free(to);
    return ERR_NOT_FOUND;
}

/* ERR_NOT_FOUND, and which it is, when a folder above that one is not there. */
static int check_above(const char *dir, struct err *err)
{
    char *copy = str_dup(dir);
    struct stat st;
    int rc = copy ? 0 : err_no_memory(err, strlen(dir), "a path");

    for (char *p = copy; rc == 0 && (p = strchr(p + 1, '/')) && p[strspn(p, "/")];) {
        *p = '\0';
        if (stat(copy, &st) != 0 && errno == ENOENT)
            rc =
                err_set(err, ERR_NOT_FOUND,
                        "there is no %.300s, and the folder of the models is to be %.300s: " MOUNTED
                        "make that folder, or name another as [hive] models_dir",
                        copy, dir);
        *p = '/';
    }
    free(copy);
    return rc;
}

int home_make_models(const char *dir, char **full, struct err *err)
{
    struct stat st;
    int rc;

    *full = NULL;
    rc = check_above(dir, err);
    if (rc == 0 && lstat(dir, &st) == 0 && S_ISLNK(st.st_mode) && stat(dir, &st) != 0 &&
        errno == ENOENT)
        rc = say_dangling(dir, err);
    if (rc == 0)
        rc = path_make_dir(dir, 0755, err);
    return rc ? rc
              : find_in_full(dir, "the models", "; name another folder as [hive] models_dir", full,
                             err);
}

#define HOLDER_BYTES 24

/* The process id that the holder wrote, or "?". */
static void read_holder(int fd, char *dst, size_t dst_size)
{
    ssize_t n = pread(fd, dst, dst_size - 1, 0);

    dst[n > 0 ? n : 0] = '\0';
    dst[strcspn(dst, "\n")] = '\0';
    if (!dst[0] || strspn(dst, "0123456789") != strlen(dst))
        str_copy(dst, dst_size, "?");
}

/* The process that wrote its id there is no more. */
static bool holder_is_gone(int fd)
{
    char text[HOLDER_BYTES];
    uint64_t pid;

    read_holder(fd, text, sizeof text);
    return str_to_u64(text, &pid) == 0 && pid > 1 && pid <= INT32_MAX && kill((pid_t)pid, 0) != 0 &&
           errno == ESRCH;
}

/*
 * Who only asks (home_is_locked) has it for a moment. So has a process that a hive was about to
 * start when it was killed: it goes by itself, but is the hive's image, lock and all, until then.
 * False with errno.
 */
static bool try_lock(int fd)
{
    for (int i = 1; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        int error = errno, tries = holder_is_gone(fd) ? LOCK_TRIES_ORPHAN : LOCK_TRIES;

        if (error != EWOULDBLOCK || i >= tries) {
            errno = error;
            return false;
        }
        clock_sleep_ms(LOCK_POLL_MS);
    }
    return true;
}

/* For the message of the next one. On a full disk the hive starts all the same: how else is a model
 * removed? */
static void write_holder(int fd, const char *path)
{
    char holder[HOLDER_BYTES];
    int n = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) != 0 || pwrite(fd, holder, (size_t)n, 0) != n)
        log_warn("cannot write %s, which is locked all the same: %s", path, strerror(errno));
}

/* ERR_BUSY with nothing in *err: `holder` has it. */
static int lock_file(const char *path, int *fd, char holder[HOLDER_BYTES], struct err *err)
{
    int rc = 0;

    *fd = path_open_made(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*fd < 0)
        return err_errno(err, errno == EACCES ? ERR_DENIED : ERR_IO, errno, "cannot open %s", path);
    if (try_lock(*fd)) {
        write_holder(*fd, path);
    } else if (errno == EWOULDBLOCK) {
        read_holder(*fd, holder, HOLDER_BYTES);
        rc = ERR_BUSY;
    } else {
        rc = err_errno(err, ERR_UNSUPPORTED, errno, "cannot lock %s", path);
    }
    if (rc) {
        close(*fd);
        *fd = -1;
    }
    return rc;
}

int home_lock(const char *home, int *fd, struct err *err)
{
    char *path = path_join(home, LOCK_FILE), holder[HOLDER_BYTES];
    int rc = path ? lock_file(path, fd, holder, err) : err_no_memory(err, strlen(home), "a path");

    if (rc == ERR_BUSY)
        err_set(err, ERR_BUSY,
                "another rbee-hive (process %s) uses the home %s; give this one a home of its own "
                "with --home",
                holder, home);
    free(path);
    return rc;
}

void home_sweep(const char *home)
{
    static const char *const names[] = {"api-key", "run/hive.json", "run/keys-used", "tls/key.pem",
                                        "tls/certificate.pem"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = path_join(home, names[i]);

        if (path)
            sweep_copies(path);
        free(path);
    }
}

int home_lock_models(const char *models_dir, int *fd, struct err *err)
{
    char *path = path_join(models_dir, HOME_MODELS_LOCK), holder[HOLDER_BYTES];
    int rc =
        path ? lock_file(path, fd, holder, err) : err_no_memory(err, strlen(models_dir), "a path");

    if (rc == ERR_BUSY)
        err_set(err, ERR_BUSY,
                "another rbee-hive (process %s) keeps its models in %s; give this one a folder of "
                "its own ([hive] models_dir), or end that one",
                holder, models_dir);
    free(path);
    return rc;
}

bool home_is_locked(const char *home)
{
    char *path = path_join(home, LOCK_FILE);
    bool locked = path && dir_lock_is_held(path);

    free(path);
    return locked;
}

/* ---- logs ---- */

struct log_file {
    char *path;
    struct timespec changed;
};

static int newer_first(const void *a, const void *b)
{
    const struct log_file *x = a, *y = b;

    if (x->changed.tv_sec != y->changed.tv_sec)
        return x->changed.tv_sec < y->changed.tv_sec ? 1 : -1;
    return (x->changed.tv_nsec < y->changed.tv_nsec) - (x->changed.tv_nsec > y->changed.tv_nsec);
}

static size_t collect(DIR *d, const char *dir, struct log_file **files)
{
    struct dirent *entry;
    size_t n = 0;

    while ((entry = readdir(d))) {
        struct log_file *more;
        struct stat st;
        char *path;

        if (!str_starts(entry->d_name, "worker-") || !str_ends(entry->d_name, ".log"))
            continue;
        path = path_join(dir, entry->d_name);
        more = path && stat(path, &st) == 0 ? realloc(*files, (n + 1) * sizeof **files) : NULL;
        if (!more) {
            free(path);
            continue;
        }
        *files = more;
        more[n++] = (struct log_file){.path = path, .changed = st.st_mtim};
    }
    return n;
}

void home_tidy_logs(const char *logs_dir, bool (*keep)(void *arg, const char *path), void *arg)
{
    struct log_file *files = NULL;
    DIR *d = opendir(logs_dir);
    size_t n = d ? collect(d, logs_dir, &files) : 0;

    if (d)
        closedir(d);
    if (n > 0)
        qsort(files, n, sizeof *files, newer_first);
    for (size_t i = 0; i < n; i++) {
        if (i >= HOME_LOGS_KEPT && !(keep && keep(arg, files[i].path)))
            logrotate_remove(files[i].path, LOGROTATE_KEPT);
        free(files[i].path);
    }
    free(files);
}
