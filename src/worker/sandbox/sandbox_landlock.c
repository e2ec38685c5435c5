/*
 * sandbox_landlock.c - Landlock: a ruleset that handles everything and allows nothing.
 *
 * The numbers are spelled out here, as the kernel may be newer than the headers the program is
 * built with; an older kernel is given what it knows. Source: linux/landlock.h, ABI 1 (Linux 5.13)
 * to 7 (6.15); version 7 added nothing that a process could be denied.
 */
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/sandbox/sandbox_internal.h"

#define CREATE_VERSION 1u /* LANDLOCK_CREATE_RULESET_VERSION */

/* The rights of files: bits 0-12 execute, write, read, list, remove, make; then one at a time. */
#define FILES_ABI_1  ((1ull << 13) - 1)
#define FILES_ABI_2  (1ull << 13) /* refer: link or rename to another folder */
#define FILES_ABI_3  (1ull << 14) /* truncate */
#define FILES_ABI_5  (1ull << 15) /* ioctl of devices */
#define NET_ABI_4    3ull         /* bind, connect: TCP */
#define SCOPES_ABI_6 3ull         /* abstract UNIX sockets and signals of other domains */

/* struct landlock_ruleset_attr of ABI 6; older kernels know the first fields. */
struct ruleset {
    uint64_t files, net, scopes;
};

/* Landlock's ABI version in this kernel; 0 = not there. */
static unsigned landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

    return version > 0 ? (unsigned)version : 0;
}

static size_t rules_of(unsigned version, struct ruleset *r)
{
    *r = (struct ruleset){.files = FILES_ABI_1};
    if (version >= 2)
        r->files |= FILES_ABI_2;
    if (version >= 3)
        r->files |= FILES_ABI_3;
    if (version >= 4)
        r->net = NET_ABI_4;
    if (version >= 5)
        r->files |= FILES_ABI_5;
    if (version >= 6)
        r->scopes = SCOPES_ABI_6;
    return version >= 6 ? sizeof *r : version >= 4 ? 2 * sizeof r->files : sizeof r->files;
}

unsigned sandbox_landlock_enter(void)
{
    unsigned version = landlock_version();
    struct ruleset rules;
    size_t bytes = rules_of(version, &rules);
    long rc;
    int fd;

    if (version == 0)
        return 0;
    fd = (int)syscall(SYS_landlock_create_ruleset, &rules, bytes, 0);
    if (fd < 0)
        return 0;
    rc = syscall(SYS_landlock_restrict_self, fd, 0);
    close(fd);
    return rc == 0 ? version : 0;
}
