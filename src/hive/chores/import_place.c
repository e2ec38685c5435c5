/*
 * import_place.c - an item's files into their places: see import_internal.h.
 *
 * The order is what a kill of the hive may meet anywhere: the card, the files one by one, the
 * catalog, the sources' names. Where the card has all its files, the next start enters the model;
 * before that the sources are whole. So the files of a split model that moves get a second name
 * first (a link, and a copy from another file system): half of them here and half there would be no
 * model in either place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "base/sync.h"
#include "hive/chores/import_internal.h"
#include "hive/chores/rehash.h"
#include "hive/chores/upload.h"
#include "hive/disk/reach.h"
#include "hive/hive.h"
#include "hive/http/unlinked_reply.h"
#include "hive/models/models_internal.h"

/* Two names of one file. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat of_a, of_b;

    return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

/* False: it could not go back to where it was, and stays. */
static bool unplace(struct import *im, size_t i, bool may_copy)
{
    const char *at = im->card->files[i].path, *was = im->was[i];
    enum place_how how;
    struct stat st;

    if (im->how != PLACED_MOVE || is_same_file(at, was) ||
        rehash_same(was, &im->marks[i], NULL) == 0) /* a second name, or a copy */
        return unlink(at) == 0;
    if (lstat(was, &st) == 0)
        return false; /* another file has come to be there meanwhile */
    return rename(at, was) == 0 ||
           (may_copy && place_file(at, was, PLACE_MOVE, NULL, &how, NULL) == 0);
}

void import_take_back(struct import *im, size_t n, bool may_copy)
{
    bool all = true;

    for (size_t i = 0; i < n; i++)
        all = (im->kept[i] || unplace(im, i, may_copy)) && all;
    if (all && im->before)
        card_save(im->before, NULL);
    else if (all)
        card_remove(im->card);
}

/* Lustre without -o flock, some FUSE file systems, an NFS server without its lock daemon. */
static bool has_no_locks(int error)
{
    return error == ENOSYS || error == EOPNOTSUPP || error == ENOLCK;
}

/*
 * After a power cut the name shall not be there without the bytes, which are those of the source
 * itself but for a copy; and who wrote that may have done so just now. The lock (closing it lets
 * go) keeps pieces of an upload from being written between the last look at the file and its
 * rename. *fd is -1 where there is nothing to do.
 */
static int hold_still(const char *path, enum place_wish wish, int *fd, struct err *err)
{
    int error;

    *fd = -1;
    if (wish == PLACE_COPY)
        return 0;
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0 || (wish == PLACE_MOVE && flock(*fd, LOCK_EX) != 0 && !has_no_locks(errno)))
        return err_errno(err, ERR_IO, errno, "cannot hold %s still", path);
    error = sync_bytes(*fd);
    return error ? err_errno(err, ERR_IO, error, "cannot bring %s to the disk", path) : 0;
}

static bool on_copied(void *arg, uint64_t n_more)
{
    return chore_count(arg, n_more);
}

/* `from`: links resolved. */
static int put_there(struct import *im, struct chore *c, size_t i, const char *from,
                     struct err *err)
{
    const struct place_watch watch = {.copied = on_copied, .arg = c, .was = &im->marks[i]};
    const struct import_item *item = import_item_of(im);
    const char *to = im->card->files[i].path;
    int error, rc;

    if (item->wish != PLACE_MOVE || im->card->n_files == 1)
        return place_file(from, to, item->wish, &watch, &im->how, err);
    error = link(from, to) == 0 ? 0 : errno;
    if (error == EXDEV)
        rc = place_file(from, to, PLACE_COPY, &watch, &im->how, err);
    else
        rc = error ? place_file(from, to, PLACE_MOVE, &watch, &im->how, err) : 0;
    im->how = PLACED_MOVE;
    return rc;
}

/* The file that goes in is the one that was hashed. */
static int place_one(struct import *im, struct chore *c, size_t i, struct err *err)
{
    const struct import_item *item = import_item_of(im);
    int fd, rc = hold_still(item->m.files[i].path, item->wish, &fd, err);

    if (rc == 0)
        rc = rehash_same(item->m.files[i].path, &im->marks[i], err);
    if (rc == 0)
        rc = path_real(item->m.files[i].path, &im->was[i], err);
    if (rc == 0)
        rc = put_there(im, c, i, im->was[i], err);
    if (fd >= 0)
        close(fd);
    return rc;
}

/*
 * A file that a download has finished is not brought again: were it cleared away for this, and the
 * import failed, the download would have lost it. Not one that is a link, or has other names: it
 * may be what this import is not to share. Nor is anything cleared away that could not be read.
 */
static int look_at_place(struct import *im, struct chore *c, size_t i, struct err *err)
{
    const struct card_file *f = &im->card->files[i];
    char sha256[DIGEST_SHA256_BYTES];
    struct stat st;
    int rc;

    im->kept[i] = false;
    if (lstat(f->path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1 ||
        (uint64_t)st.st_size != f->size_bytes)
        return 0;
    rc = rehash_file(f->path, c, sha256, NULL, err);
    im->kept[i] = rc == 0 && str_eq(sha256, f->sha256);
    return rc;
}

/* Before the card, which would vouch for them: of another size, nobody's, or a link to nothing. */
static int clear_places(struct import *im, struct chore *c, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < im->card->n_files && rc == 0; i++)
        rc = path_check_spelling(im->card->files[i].path, im->card->n_root, err);
    for (size_t i = 0; i < im->card->n_files && rc == 0; i++)
        rc = look_at_place(im, c, i, err);
    for (size_t i = 0; i < im->card->n_files && rc == 0; i++)
        if (!im->kept[i])
            unlink(im->card->files[i].path);
    return rc;
}

int import_place(void *arg, struct chore *c, struct err *err)
{
    struct import *im = arg;
    int rc = card_check_place(im->card, err);

    if (rc == 0)
        rc = card_make_dir(im->card, err);
    if (rc == 0)
        rc = clear_places(im, c, err);
    if (rc == 0)
        rc = card_save(im->card, err);
    for (size_t i = 0; i < im->card->n_files && rc == 0; i++) {
        if (im->kept[i])
            continue;
        rc = place_one(im, c, i, err);
        if (rc)
            import_take_back(im, i, true);
        else
            im->n_placed++;
    }
    if (rc == 0 &&
        (rc = path_sync_folder(im->card->path, err))) /* before it is told, and the sources go */
        import_take_back(im, im->card->n_files, true);
    return rc;
}

/* Of what is to be moved: it is the other name, or what was copied, still. */
static bool may_leave(const struct import *im, size_t i)
{
    return is_same_file(im->was[i], im->card->files[i].path) ||
           rehash_same(im->was[i], &im->marks[i], NULL) == 0;
}

/* An upload's part: its ledger goes too, and an empty folder. Nothing has come for it meanwhile: it
 * was being taken in. */
static void leave_part(const struct import *im, size_t i, const char *part, struct unlinked *u)
{
    if (im->was_here || im->kept[i] || (im->was[i] && may_leave(im, i)))
        unlinked_add(u, part);
    upload_moved(part);
}

/* False: it stays. A file alone was moved when it was placed: what lies there is not it. */
static bool leave_one(struct import *im, size_t i, struct unlinked *u, struct err *err)
{
    const char *was = im->was[i];
    int error = 0;

    if (may_leave(im, i))
        error = unlinked_add(u, was);
    else if (im->card->n_files > 1 && path_is_file(was)) /* it has changed meanwhile */
        error = EBUSY;
    if (error == 0)
        return true;
    im->how = is_same_file(was, im->card->files[i].path) ? PLACED_HARD_LINK : PLACED_COPY;
    err_errno(err, ERR_IO, error, "%s stays where it is", was);
    return false;
}

bool import_leave_sources(struct import *im, struct err *err)
{
    const struct import_item *item = import_item_of(im);
    struct unlinked u = {0};
    bool all = true;

    for (size_t i = 0; i < item->m.n_files; i++) {
        const char *path = item->m.files[i].path;

        if (reach_check(im->h->reach, path, NULL))
            continue;
        if (upload_is_part(im->h->models, path))
            leave_part(im, i, path, &u);
        else if (item->wish == PLACE_MOVE && im->was[i])
            all = leave_one(im, i, &u, err) && all;
    }
    unlinked_reply(&u, im->h->tasks, NULL, 0, NULL);
    return all;
}
