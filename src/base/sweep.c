/* sweep.c - see sweep.h. No state. Linux: flock(2). */
#include "base/sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/str.h"

#define OURS        ".rbee"
#define TAIL        ".tmp-"
#define DIGITS      "0123456789"
#define N_DIGITS    20 /* of a uint64_t */
#define STEM_MAX    (NAME_MAX - (int)sizeof(OURS TAIL) + 1 - N_DIGITS)
#define IS_INNER(c) (((c)&0xc0) == 0x80) /* of a character in UTF-8, but for its first byte */

/* So many bytes of a file's name stand in front of their copies' tails. */
static size_t stem_of(const char *name)
{
    size_t n = strlen(name);

    if (n > STEM_MAX)
        for (n = STEM_MAX; n > 0 && IS_INNER(name[n]);)
            n--;
    return n;
}

char *sweep_name(const char *path, uint64_t digits)
{
    const char *name = path_base(path);

    return str_printf("%.*s" OURS TAIL "%llu", (int)((size_t)(name - path) + stem_of(name)), path,
                      (unsigned long long)digits);
}

static bool is_tail(const char *tail)
{
    size_t n = strlen(TAIL);

    return str_starts(tail, TAIL) && tail[n] && tail[n + strspn(tail + n, DIGITS)] == '\0';
}

static bool is_our_tail(const char *tail)
{
    return str_starts(tail, OURS) && is_tail(tail + strlen(OURS));
}

static bool is_any_tail(const char *tail)
{
    return is_tail(tail) || is_our_tail(tail);
}

bool sweep_is_copy(const char *name)
{
    const char *tail = strrchr(name, '.');

    return tail && is_tail(tail);
}

/* Which copies, and what is done with each. */
struct sweeping {
    bool (*is)(const char *tail);
    void (*end)(const struct sweeping *s, int dir_fd, const char *name);
    const char *dir;
    void (*ended)(const char *path);
};

static void sweep(const char *path, struct sweeping *s)
{
    const char *name = path_base(path);
    size_t n = (size_t)(name - path), stem = stem_of(name);
    char *dir = n ? str_ndup(path, n) : str_dup("./");
    DIR *d = dir ? opendir(dir) : NULL;
    struct dirent *entry;

    s->dir = dir;
    while (d && (entry = readdir(d)))
        if (strncmp(entry->d_name, name, stem) == 0 && s->is(entry->d_name + stem))
            s->end(s, dirfd(d), entry->d_name);
    if (d)
        closedir(d);
    free(dir);
}

static void end_any(const struct sweeping *s, int dir_fd, const char *name)
{
    (void)s;
    unlinkat(dir_fd, name, 0);
}

void sweep_copies(const char *path)
{
    struct sweeping s = {.is = is_any_tail, .end = end_any};

    sweep(path, &s);
}

/* ---- where others may be writing ---- */

bool sweep_hold(int fd)
{
    struct stat st;

    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno != EWOULDBLOCK; /* who sweeps has it */
    return fstat(fd, &st) != 0 || st.st_nlink > 0;
}

static bool is_old_and_ours(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
           st.st_mtim.tv_sec < clock_unix_ms() / 1000 - SWEEP_OLD_S;
}

static void tell_ended(const struct sweeping *s, const char *name)
{
    char *path = s->ended ? str_printf("%s%s", s->dir, name) : NULL;

    if (path)
        s->ended(path);
    free(path);
}

/* The name goes while the lock is held: so whoever made it just now sees that it is gone. */
static void end_abandoned(const struct sweeping *s, int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd >= 0 && is_old_and_ours(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
        unlinkat(dir_fd, name, 0) == 0)
        tell_ended(s, name);
    if (fd >= 0)
        close(fd);
}

void sweep_abandoned(const char *path, void (*ended)(const char *path))
{
    struct sweeping s = {.is = is_our_tail, .end = end_abandoned, .ended = ended};

    sweep(path, &s);
}
