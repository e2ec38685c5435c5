/*
 * doors_links.c - files of keys that lie elsewhere: secrets are put into containers as links, or as
 * mounts of single files. What becomes of those the watch on the home does not see: they are looked
 * at each second; and so are all where there is no watch. See doors.h. Linux: statx.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "hive/disk/reach.h"
#include "hive/doors/doors_internal.h"

/* Can it become another one without a change in the home? Where that is not told (no statx in a
 * container's filter, or a kernel before 5.8 of a mount) it can: a revoked key must not stay. */
static bool lies_elsewhere(const char *path)
{
    struct statx x;

    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_NLINK, &x))
        return errno != ENOENT;
    return S_ISLNK(x.stx_mode) || (S_ISREG(x.stx_mode) && x.stx_nlink > 1) ||
           !(x.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) ||
           (x.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool doors_seen_same(const struct doors_seen *a, const struct doors_seen *b)
{
    return a->elsewhere == b->elsewhere && a->dev == b->dev && a->ino == b->ino &&
           a->mode == b->mode && a->size == b->size && is_same_time(&a->written, &b->written) &&
           is_same_time(&a->changed, &b->changed);
}

int doors_look(const struct doors *d, const char *name, struct doors_seen *out, struct err *err)
{
    char *path = path_join(d->home, name);
    int rc =
        path ? reach_check(d->reach, path, err) : err_no_memory(err, strlen(d->home), "a path");
    struct stat st;

    if (rc == 0)
        *out = (struct doors_seen){.elsewhere = d->unwatched || lies_elsewhere(path)};
    if (rc == 0 && out->elsewhere && stat(path, &st) == 0) {
        out->dev = st.st_dev;
        out->ino = st.st_ino;
        out->mode = st.st_mode;
        out->size = st.st_size;
        out->written = st.st_mtim;
        out->changed = st.st_ctim;
    }
    free(path);
    return rc;
}
