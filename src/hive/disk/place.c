/* place.c - see place.h. Linux: FICLONE. */
#include "hive/disk/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "base/sync.h"
#include "hive/disk/file_mark.h"

#define SLICE_BYTES (4u << 20)

const char *place_how_text(enum place_how how)
{
    static const char *const texts[] = {[PLACED_REFLINK] = "reflink",
                                        [PLACED_HARD_LINK] = "hard link",
                                        [PLACED_REFERENCE] = "reference in place",
                                        [PLACED_COPY] = "copy",
                                        [PLACED_MOVE] = "move"};

    return texts[how];
}

static int failed(const char *what, const char *from, const char *to, int error, struct err *err)
{
    if (error == EEXIST)
        return err_set(err, ERR_CONFLICT, "%s is there already", to);
    return err_errno(err, error == EACCES || error == EPERM ? ERR_DENIED : ERR_IO, error,
                     "cannot %s %s to %s", what, from, to);
}

static int copy_slices(int in, int out, const char *from, const char *to,
                       const struct place_watch *watch, struct err *err)
{
    char *slice = malloc(SLICE_BYTES);
    ssize_t n = 1;
    int rc = slice ? 0 : err_no_memory(err, SLICE_BYTES, "a copy");

    while (rc == 0 && n > 0) {
        n = copy_file_range(in, NULL, out, NULL, SLICE_BYTES, 0);
        if (n < 0) { /* another file system: by hand */
            n = read(in, slice, SLICE_BYTES);
            for (ssize_t put = 0, w = 0; n > 0 && put < n && w >= 0; put += w)
                if ((w = write(out, slice + put, (size_t)(n - put))) < 0)
                    rc = failed("copy", from, to, errno, err);
        }
        if (n < 0)
            rc = failed("copy", from, to, errno, err);
        else if (rc == 0 && watch && watch->copied && watch->copied(watch->arg, (uint64_t)n))
            rc = err_set(err, ERR_CANCELLED, "the copy of %s was given up", from);
    }
    free(slice);
    return rc;
}

/* Fills a new file beside `to`: by reflink, else (when allowed) by copy. ERR_UNSUPPORTED: neither.
 */
static int fill(int in, int out, bool may_copy, const char *from, const char *to,
                const struct place_watch *watch, enum place_how *how, struct err *err)
{
    int error, rc = 0;

    *how = PLACED_REFLINK;
    if (ioctl(out, FICLONE, in) != 0) {
        if (!may_copy)
            return err_set(err, ERR_UNSUPPORTED, "no reflink from %s to %s", from, to);
        *how = PLACED_COPY;
        rc = copy_slices(in, out, from, to, watch, err);
    }
    if (rc == 0 && (error = sync_bytes(out)))
        rc = failed("copy", from, to, error, err);
    return rc;
}

/* The name changes where no other file has come to have it. */
static int rename_to_new(const char *from, const char *to)
{
    struct stat st;

    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (lstat(to, &st) == 0) { /* a file system that does not know this */
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

static int say_changed(const char *from, struct err *err)
{
    return err_set(err, ERR_CONFLICT,
                   "%s changed while it was brought to its place; try again when nothing writes to "
                   "it",
                   from);
}

static bool is_as_it_was(int in, const struct file_mark *was)
{
    struct file_mark now;

    return file_mark_of_open(in, &now) && file_mark_same_bytes(&now, was);
}

/* All bytes, and of the file that they were to be of. */
static int check_copy(int in, int out, const char *from, const char *to,
                      const struct file_mark *was, struct err *err)
{
    struct file_mark copy = {0};

    if (!is_as_it_was(in, was))
        return say_changed(from, err);
    if (!file_mark_of_open(out, &copy) || copy.size_bytes != was->size_bytes)
        return err_set(err, ERR_IO, "the copy of %s to %s has %lld bytes instead of %lld", from, to,
                       (long long)copy.size_bytes, (long long)was->size_bytes);
    return 0;
}

/* To others no more than the source is. */
static mode_t mode_of(const struct stat *from)
{
    return 0600 | (from->st_mode & 0066);
}

/* A file of its own with the source's bytes; it gets its name last. */
static int make_own(const char *from, const char *to, bool may_copy,
                    const struct place_watch *watch, enum place_how *how, struct err *err)
{
    int in = open(from, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), out = -1, rc = 0;
    struct file_mark opened;
    char *temp = NULL;
    struct stat st;

    if (in < 0)
        rc = failed("copy", from, to, errno, err);
    else if (fstat(in, &st) != 0 || !S_ISREG(st.st_mode) || !file_mark_of_open(in, &opened))
        rc = err_set(err, ERR_CONFLICT, "%s is not a regular file any more", from);
    else if ((out = path_create_beside(to, mode_of(&st), &temp)) < 0)
        rc = temp ? failed("copy", from, to, errno, err) : err_no_memory(err, 256, "a path");
    if (rc == 0)
        rc = fill(in, out, may_copy, from, to, watch, how, err);
    if (rc == 0)
        rc = check_copy(in, out, from, to, watch && watch->was ? watch->was : &opened, err);
    if (rc == 0 && rename_to_new(temp, to) != 0)
        rc = failed("copy", from, to, errno, err);
    if (rc && out >= 0)
        unlink(temp);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    free(temp);
    return rc;
}

static bool is_file_that_was(const char *path, const struct place_watch *watch)
{
    struct file_mark now;

    return !watch || !watch->was ||
           (file_mark_of(path, &now) && file_mark_same_bytes(&now, watch->was));
}

/* Does the new name lead to what it was to lead to? */
static int check_link(const char *from, const char *to, const struct place_watch *watch,
                      struct err *err)
{
    if (is_file_that_was(to, watch))
        return 0;
    unlink(to);
    return say_changed(from, err);
}

/* 0, or an error that another way may not have. */
static int hard_link(const char *from, const char *to, const struct place_watch *watch,
                     enum place_how *how, struct err *err)
{
    *how = PLACED_HARD_LINK;
    return link(from, to) == 0 ? check_link(from, to, watch, err)
                               : failed("link", from, to, errno, err);
}

static int reference(const char *from, const char *to, const struct place_watch *watch,
                     enum place_how *how, struct err *err)
{
    *how = PLACED_REFERENCE;
    if (symlink(from, to) == 0)
        return check_link(from, to, watch, err);
    if (errno == EPERM) /* symlink(2) */
        return err_set(err, ERR_DENIED,
                       "the file system of %s has no links, so %s cannot be shared with it: import "
                       "it with --copy, or with --move",
                       to, from);
    return failed("link", from, to, errno, err);
}

static int move(const char *from, const char *to, const struct place_watch *watch,
                enum place_how *how, struct err *err)
{
    int rc;

    *how = PLACED_MOVE;
    if (rename_to_new(from, to) == 0)
        return 0;
    if (errno != EXDEV)
        return failed("move", from, to, errno, err);
    rc = make_own(from, to, true, watch, how, err);
    *how = PLACED_MOVE;
    if (rc)
        return rc;
    rc = path_sync_folder(to, err); /* a power cut may take the new name, but not both */
    if (rc == 0 && !is_file_that_was(from, watch))
        rc = say_changed(from, err);
    if (rc == 0 && unlink(from) != 0)
        rc = failed("move", from, to, errno, err);
    if (rc)
        unlink(to);
    return rc;
}

int place_file(const char *from, const char *to, enum place_wish wish,
               const struct place_watch *watch, enum place_how *how, struct err *err)
{
    struct stat st;
    int rc;

    if (lstat(to, &st) == 0)
        return err_set(err, ERR_CONFLICT, "%s is there already", to);
    if (wish == PLACE_MOVE)
        return move(from, to, watch, how, err);
    if (wish == PLACE_COPY)
        return make_own(from, to, true, watch, how, err);
    rc = make_own(from, to, false, watch, how, err);
    if (rc == ERR_UNSUPPORTED)
        rc = hard_link(from, to, watch, how, err);
    if (rc == 0 || rc == ERR_CONFLICT) /* which no other way would mend */
        return rc;
    if (wish == PLACE_SHARE)
        return reference(from, to, watch, how, err);
    return make_own(from, to, true, watch, how, err);
}

uint64_t place_freed_by(const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1)
        return 0;
    return (uint64_t)st.st_size;
}
