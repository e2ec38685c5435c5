/* upload.c - see upload.h: files and their pieces. */
#include "hive/chores/upload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "hive/chores/upload_internal.h"
#include "hive/disk/digest.h"
#include "hive/disk/ledger.h"
#include "hive/disk/unlinked.h"
#include "hive/models/models_internal.h"

#define BEING_TAKEN "it is being taken in"

char *upload_folder(const struct models *m, const char *id)
{
    return digest_is_sha256(id) ? str_printf("%s/" UPLOAD_FOLDER "/%s", m->dir, id) : NULL;
}

char *upload_part(const struct models *m, const char *id, const char *file)
{
    char *dir = manifest_is_plain(file) ? upload_folder(m, id) : NULL;
    char *path = dir ? path_join(dir, file) : NULL;

    free(dir);
    return path;
}

bool upload_is_part(const struct models *m, const char *path)
{
    size_t n = strlen(m->dir);

    return strncmp(path, m->dir, n) == 0 && str_starts(path + n, "/" UPLOAD_FOLDER "/");
}

void upload_moved(const char *part)
{
    char *ledger = ledger_path(part), *dir = str_ndup(part, (size_t)(path_base(part) - part - 1));

    if (ledger)
        unlink(ledger);
    if (dir)
        rmdir(dir);
    free(ledger);
    free(dir);
}

/* The part was moved, has become a second name of the model's file or, where that is on another
 * disk, was copied. */
static bool has_moved(const char *part, const char *file)
{
    struct stat a, b;

    if (lstat(part, &a) != 0)
        return errno == ENOENT;
    return stat(file, &b) == 0 && (a.st_dev != b.st_dev || a.st_ino == b.st_ino);
}

void upload_sweep(const struct models *m, const struct card *card)
{
    for (size_t i = 0; i < card->n_files; i++) {
        char *name = NULL, *part = NULL;

        if (manifest_file_name(card->files[i].name, &name, NULL) == 0)
            part = upload_part(m, card->files[0].sha256, name);
        if (part && has_moved(part, card->files[i].path)) {
            unlink(part);
            upload_moved(part);
        }
        free(name);
        free(part);
    }
}

static bool is_being_taken(const struct models *m, const char *id)
{
    char *dir = upload_folder(m, id);
    bool taken = dir && at_work_takes(&m->at_work, dir);

    free(dir);
    return taken;
}

/* One entry of an upload's folder. */
static void drop_entry(const char *dir, const char *name, struct unlinked *u)
{
    char *path = path_join(dir, name);

    if (path)
        unlinked_add(u, path);
    free(path);
}

int upload_drop(const struct models *m, const char *id, struct unlinked *u, struct err *err)
{
    char *dir = upload_folder(m, id);
    DIR *d = dir ? opendir(dir) : NULL;
    struct dirent *entry;
    int rc = 0;

    if (!d)
        rc = err_set(err, ERR_NOT_FOUND, "no upload '%.64s' is here", id);
    else if (is_being_taken(m, id))
        rc = err_set(err, ERR_CONFLICT, BEING_TAKEN ": nothing can be dropped now");
    while (rc == 0 && (entry = readdir(d)))
        drop_entry(dir, entry->d_name, u);
    if (d)
        closedir(d);
    if (rc == 0)
        rmdir(dir);
    free(dir);
    return rc;
}

/* ---- one piece ---- */

static int compare(const char *bytes, size_t n, const char *said, struct err *err)
{
    char hex[DIGEST_SHA256_BYTES];
    int rc = digest_of(bytes, n, hex, err);

    if (rc || str_eq(hex, said))
        return rc;
    return err_set(err, ERR_INVALID,
                   "the %zu bytes of this piece have the SHA-256 %s, the sender said %.64s: send "
                   "it again",
                   n, hex, said);
}

static bool has_bytes(int fd, uint64_t from, const char *bytes, size_t n)
{
    char slice[64 << 10];

    while (n) {
        size_t want = n < sizeof slice ? n : sizeof slice;

        if (pread(fd, slice, want, (off_t)from) != (ssize_t)want || memcmp(slice, bytes, want) != 0)
            return false;
        from += want;
        bytes += want;
        n -= want;
    }
    return true;
}

/* The same piece once more, because its answer did not arrive: nothing is to be done. */
static bool is_noted(const char *part, int fd, const struct ledger_claim *claim, const char *bytes)
{
    bool there = has_bytes(fd, claim->from, bytes, (size_t)(claim->to - claim->from));
    char *path = there ? ledger_path(part) : NULL;

    there = path && ledger_has(path, claim);
    free(path);
    return there;
}

static int note(const char *part, const struct ledger_claim *claim, struct err *err)
{
    char *path = ledger_path(part);
    struct ledger *l = NULL;
    int rc = path ? ledger_reopen(path, &l, err) : err_no_memory(err, strlen(part), "a path");

    if (rc == 0)
        rc = ledger_add(l, claim, err);
    ledger_close(l);
    free(path);
    return rc;
}

/* A commit has hashed it; not where there are no locks. */
static bool is_held(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

static int put_into(const char *part, struct ledger_claim *claim, const char *bytes,
                    struct err *err)
{
    int error, fd = open(part, O_RDWR | O_CLOEXEC | O_NOFOLLOW), rc;
    struct stat st;

    if (fd < 0)
        return errno == ENOENT
                   ? err_set(err, ERR_NOT_FOUND,
                             "no upload of this file was begun: POST /v1/models/upload first")
                   : err_errno(err, ERR_IO, errno, "cannot write to %s", part);
    if (is_held(fd) || fstat(fd, &st) != 0 || st.st_nlink == 0 ||
        !path_is_file(part)) /* or moved away meanwhile */
        rc = err_set(err, ERR_CONFLICT, BEING_TAKEN ": no piece can be written now");
    else if (claim->to > (uint64_t)st.st_size)
        rc = err_set(err, ERR_INVALID, "bytes %llu to %llu lie beyond the file's end at %llu",
                     (unsigned long long)claim->from, (unsigned long long)claim->to,
                     (unsigned long long)st.st_size);
    else if (is_noted(part, fd, claim, bytes))
        rc = 0;
    else if ((error = path_write_at(fd, bytes, (size_t)(claim->to - claim->from), claim->from)))
        rc = err_errno(err, ERR_IO, error, "cannot write to %s", part);
    else
        rc = note(part, claim, err);
    close(fd);
    return rc;
}

int upload_may_put(const struct models *m, const char *id, struct err *err)
{
    return is_being_taken(m, id)
               ? err_set(err, ERR_CONFLICT, BEING_TAKEN ": no piece can be written now")
               : 0;
}

int upload_put(const struct models *m, const char *id, const char *file, uint64_t from,
               const char *bytes, size_t n, const char *said, struct err *err)
{
    struct ledger_claim claim = {.from = from, .to = from + n};
    char *part;
    int rc;

    if (n == 0 || from > INT64_MAX - n || !digest_is_sha256(id) || !digest_is_sha256(said) ||
        !manifest_is_plain(file))
        return err_set(err, ERR_INVALID,
                       "a piece is one byte and more, of an upload's id (the SHA-256 of its first "
                       "file, 64 hex digits), with file= (*.gguf) and its own SHA-256 in "
                       "X-Content-SHA256");
    if (from / UPLOAD_PIECE_BYTES != (from + n - 1) / UPLOAD_PIECE_BYTES)
        return err_set(err, ERR_INVALID,
                       "bytes %llu to %llu lie in two pieces: a piece ends where a MiB of the file "
                       "ends",
                       (unsigned long long)from, (unsigned long long)(from + n));
    rc = compare(bytes, n, said, err);
    if (rc)
        return rc;
    str_copy(claim.digest, sizeof claim.digest, said);
    part = upload_part(m, id, file);
    rc = part ? put_into(part, &claim, bytes, err) : err_no_memory(err, strlen(m->dir), "a path");
    free(part);
    return rc;
}

/* ---- who is at it ---- */

/* When anything last came, in Unix seconds; 0 = nothing did. */
static int64_t newest_in(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int64_t newest = 0;
    struct stat st;

    while (d && (entry = readdir(d)))
        if (entry->d_name[0] != '.' &&
            fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_mtim.tv_sec > newest)
            newest = st.st_mtim.tv_sec;
    if (d)
        closedir(d);
    return newest;
}

void upload_each_active(const struct models *m, void (*each)(void *arg, const char *dir), void *arg)
{
    char *all = path_join(m->dir, UPLOAD_FOLDER);
    DIR *d = all ? opendir(all) : NULL;
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        char *dir = upload_folder(m, entry->d_name);

        if (dir && llabs(time(NULL) - newest_in(dir)) < UPLOAD_ACTIVE_S)
            each(arg, dir);
        free(dir);
    }
    if (d)
        closedir(d);
    free(all);
}
