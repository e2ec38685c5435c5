/* sweep.c - see sweep.h. No state. Linux: flock(2). */
#include "base/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"

#define TAIL   ".tmp-"
#define DIGITS "0123456789"

static bool is_tail(const char *tail)
{
    size_t n = strlen(TAIL);

    return str_starts(tail, TAIL) && tail[n] && tail[n + strspn(tail + n, DIGITS)] == '\0';
}

bool sweep_is_copy(const char *name)
{
    const char *tail = strstr(name, TAIL);

    return tail && is_tail(tail);
}

static void sweep(const char *path, void (*end)(int dir_fd, const char *name))
{
    const char *name = path_base(path);
    size_t n = (size_t)(name - path);
    char *dir = n ? str_ndup(path, n) : str_dup(".");
    DIR *d = dir ? opendir(dir) : NULL;
    struct dirent *entry;

    while (d && (entry = readdir(d)))
        if (str_starts(entry->d_name, name) && is_tail(entry->d_name + strlen(name)))
            end(dirfd(d), entry->d_name);
    if (d)
        closedir(d);
    free(dir);
}

static void end_any(int dir_fd, const char *name)
{
    unlinkat(dir_fd, name, 0);
}

void sweep_copies(const char *path)
{
    sweep(path, end_any);
}

/* ---- where others may be writing ---- */

bool sweep_hold(int fd)
{
    struct stat st;

    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno != EWOULDBLOCK; /* who sweeps has it */
    return fstat(fd, &st) != 0 || st.st_nlink > 0;
}

/* The name goes while the lock is held: so whoever made it just now sees that it is gone. */
static void end_abandoned(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(dir_fd, name, 0);
    if (fd >= 0)
        close(fd);
}

void sweep_abandoned(const char *path)
{
    sweep(path, end_abandoned);
}
