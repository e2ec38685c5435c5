/* fds.c - see fds.h. No state. */
#include "base/fds.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIST_BYTES  4096
#define NUMBERS_MAX 65536 /* looked through without a list: some 10 ms */

/* As the kernel writes them, one behind the other (getdents64(2)). */
struct entry {
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

/* The number that a name spells; -1 for "." and "..". */
static int number_of(const char *name)
{
    int n = 0;

    if (*name < '0' || *name > '9')
        return -1;
    for (; *name >= '0' && *name <= '9'; name++)
        n = n * 10 + (*name - '0');
    return n;
}

/* Closes those of one piece of the list. */
static bool close_listed(const char *list, long n_bytes, int first, int list_fd)
{
    bool closed = false;

    for (long at = 0; at < n_bytes;) {
        const struct entry *e = (const struct entry *)(const void *)(list + at);
        int fd = number_of(e->name);

        at += e->bytes;
        if (fd >= first && fd != list_fd && close(fd) == 0)
            closed = true;
    }
    return closed;
}

/* A list that changes while it is read may leave some out: read anew until there is nothing left.
 */
static bool close_by_list(int first)
{
    _Alignas(struct entry) char list[LIST_BYTES];
    int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool again = true;
    long n;

    if (fd < 0)
        return false;
    while (again) {
        again = false;
        lseek(fd, 0, SEEK_SET);
        while ((n = syscall(SYS_getdents64, fd, list, sizeof list)) > 0)
            again |= close_listed(list, n, first, fd);
        if (n < 0)
            break;
    }
    close(fd);
    return n == 0;
}

static void close_by_number(int first)
{
    struct rlimit limit;
    int end = NUMBERS_MAX;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < NUMBERS_MAX)
        end = (int)limit.rlim_cur;
    for (int fd = first; fd < end; fd++)
        close(fd);
}

void fds_close_from(int first)
{
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0)
        return;
    if (!close_by_list(first))
        close_by_number(first);
}
