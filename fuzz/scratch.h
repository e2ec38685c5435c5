/* scratch.h - for targets that read files: a folder of the process's own, in memory where there is
 * such a file system, and files in it. */
#ifndef RBEE_FUZZ_SCRATCH_H
#define RBEE_FUZZ_SCRATCH_H

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/path.h"
#include "base/str.h"

#define SCRATCH_PATH_MAX 4096

static char scratch_dir[64];

static int scratch_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

/* The folder and all that is below it. */
static void scratch_clear(const char *dir)
{
    nftw(dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void scratch_remove(void)
{
    scratch_clear(scratch_dir);
}

/* Made once a process, gone with it. Returns its path. */
static const char *scratch(void)
{
    if (scratch_dir[0])
        return scratch_dir;
    str_copy(scratch_dir, sizeof scratch_dir,
             access("/dev/shm", W_OK) == 0 ? "/dev/shm/rbee-fuzz-XXXXXX" : "/tmp/rbee-fuzz-XXXXXX");
    if (!mkdtemp(scratch_dir))
        BUG("cannot make %s", scratch_dir);
    atexit(scratch_remove);
    return scratch_dir;
}

/* "<folder>/name" in dst, which is returned. */
static char *scratch_path(char dst[SCRATCH_PATH_MAX], const char *name)
{
    snprintf(dst, SCRATCH_PATH_MAX, "%s/%s", scratch(), name);
    return dst;
}

#endif
