/* kernel.c - see kernel.h. No state. Sources: pidfd_open(2), waitid(2) and memfd_create(2). */
#include "hive/process/kernel.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

/* Takes the descriptor of a trial over; -1 = errno says why there is none. */
static int judge(int fd, const char *call, struct err *err)
{
    if (fd < 0 && errno != EMFILE && errno != ENFILE)
        return err_set(err, ERR_UNSUPPORTED,
                       "a hive needs Linux 5.4 or newer (%s: %s); in a container its seccomp "
                       "profile must allow the call",
                       call, strerror(errno));
    if (fd >= 0)
        close(fd);
    return 0;
}

int kernel_check(struct err *err)
{
    int rc = judge(pidfd_open(getpid(), 0), "pidfd_open", err);

    return rc ? rc : judge(memfd_create("rbee-trial", MFD_CLOEXEC), "memfd_create", err);
}
