/*
 * mounts.h - which file system lies where, as /proc/self/mountinfo tells: nothing of a mount is
 * touched. Pure but for mounts_read; any thread. Source: proc_pid_mountinfo(5).
 */
#ifndef RBEE_HIVE_DISK_MOUNTS_H
#define RBEE_HIVE_DISK_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define MOUNTS_BYTES_MAX (8u << 20) /* of the list; a machine with many containers has 200 KiB */

struct mount {
    int id;       /* unique while it is mounted */
    char *at;     /* full path */
    char *kind;   /* "ext4", "nfs4", "fuse.sshfs" */
    char *source; /* "nas:/models" */
    /* What answers for it is another machine or another program, which may never answer. */
    bool is_far;
    /* An automounter's: it mounts under the name of the place itself, or (fans out) under each name
     * in it another one, as /net/HOST. */
    bool is_auto, fans_out;
};

struct mounts { /* all zero: none */
    struct mount *all;
    size_t n;
};

/* Takes the text of such a list; lines that are none are left out. The text is changed. */
int mounts_parse(char *text, struct mounts *out, struct err *err);
/* The list as it is now, from the open file. */
int mounts_read(int fd, struct mounts *out, struct err *err);
void mounts_done(struct mounts *m);

/* The one that a full path without links lies on: of several at one place the last, which covers
 * the others. NULL when the list has none. */
const struct mount *mounts_find(const struct mounts *m, const char *path);
bool mounts_has(const struct mounts *m, int id);

#endif
