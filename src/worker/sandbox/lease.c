/* lease.c - see lease.h. */
#include "worker/sandbox/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/log.h"

#define MAJOR 5 /* the first release that can */
#define MINOR 6

bool lease_kernel_can(const char *release)
{
    unsigned major, minor;

    if (sscanf(release, "%5u.%5u", &major, &minor) != 2)
        return false;
    return major > MAJOR || (major == MAJOR && minor >= MINOR);
}

/*
 * That needs no thread of ours, be the loop's stuck or all of them stopped. The signal's owner
 * belongs to an open file, which all workers inherit as one; so it is opened anew. Where that
 * cannot be (no pipe, no /proc, an old kernel) the loop watches, and the parent-death signal.
 */
void lease_bind(int fd)
{
    struct utsname kernel;
    char path[32];
    struct stat st;
    int own;

    if (fstat(fd, &st) || !S_ISFIFO(st.st_mode) || uname(&kernel) ||
        !lease_kernel_can(kernel.release))
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    own = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (own < 0)
        return;
    if (fcntl(own, F_SETSIG, SIGKILL) || fcntl(own, F_SETOWN, getpid()) ||
        fcntl(own, F_SETFL, O_NONBLOCK | O_ASYNC))
        log_warn("the kernel cannot watch the lease: %s", strerror(errno));
    /* It stays open as long as the process lives. */
}
