/* reaper.c - see reaper.h. No state but the notes. */
#include "hive/workers/reaper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "hive/process/cgroup.h"
#include "hive/process/procfs.h"

#define SUFFIX       ".worker"
#define ID_MAX       80
#define FOLDER_BYTES 48
#define NOTE_WORDS   "rbee worker " /* behind them, in the first line, the version */
#define NOTE_VERSION 2

#define NOTE_BYTES_MAX (2 * PATH_MAX + 512)

struct note {
    uint64_t version; /* of a later one nothing else is known; the first named no folder */
    char id[ID_MAX];
    char folder[FOLDER_BYTES];        /* that it was written into */
    char boot[PROCFS_BOOT_BYTES + 1]; /* with room for the newline */
    char exe[PATH_MAX], cgroup[PATH_MAX];
    int pid;
    uint64_t start_ticks;
};

static char *note_path(const char *run_dir, const char *worker_id)
{
    return str_printf("%s/%s" SUFFIX, run_dir, worker_id);
}

/* Device and inode: a folder that is moved keeps them, a copy has its own. */
static int name_folder(const char *run_dir, char dst[FOLDER_BYTES], struct err *err)
{
    struct stat st;

    if (stat(run_dir, &st))
        return err_errno(err, ERR_IO, errno, "cannot look at %s", run_dir);
    snprintf(dst, FOLDER_BYTES, "%ju %ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return 0;
}

/* ---- writing ---- */

/* For nobody else's eyes, as all of the folder, and least for their pens. */
static FILE *open_note(const char *path)
{
    int fd = path_open_made(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (fd >= 0 && !f)
        close(fd);
    return f;
}

int reaper_note(const char *run_dir, const char *worker_id, pid_t pid, const char *cgroup,
                struct err *err)
{
    char *path = note_path(run_dir, worker_id), boot[PROCFS_BOOT_BYTES], exe[PATH_MAX];
    char folder[FOLDER_BYTES];
    struct procfs_stat st = {0};
    FILE *f = NULL;
    int rc;

    procfs_boot_id(boot);
    if (!path)
        return err_no_memory(err, strlen(run_dir), "a path");
    rc = name_folder(run_dir, folder, err);
    if (pid == 0 || procfs_exe(pid, exe, sizeof exe))
        exe[0] = '\0'; /* a worker in its sandbox hides it from others than root */
    if (rc == 0 && pid && procfs_stat(pid, &st))
        rc = err_set(err, ERR_NOT_FOUND, "process %d cannot be looked at", (int)pid);
    else if (rc == 0 && !(f = open_note(path)))
        rc = err_errno(err, ERR_IO, errno, "cannot write %s", path);
    if (f) {
        fprintf(f, NOTE_WORDS "%d\n%s\n%s\n%d\n%" PRIu64 "\n%s\n%s\n%s\n", NOTE_VERSION, worker_id,
                folder, (int)pid, st.start_ticks, boot, exe, cgroup);
        if (fclose(f))
            rc = err_errno(err, ERR_IO, errno, "cannot write %s", path);
    }
    free(path);
    return rc;
}

void reaper_forget(const char *run_dir, const char *worker_id)
{
    char *path = note_path(run_dir, worker_id);

    if (path)
        unlink(path);
    free(path);
}

/* ---- reading ---- */

/* The next line of a text, of which *at is what is left. */
static bool read_line(const char **at, char *dst, size_t dst_size)
{
    size_t n = strcspn(*at, "\n");

    if ((*at)[n] != '\n' || n >= dst_size)
        return false;
    memcpy(dst, *at, n);
    dst[n] = '\0';
    *at += n + 1;
    return true;
}

static bool read_version(const char **at, uint64_t *out)
{
    char mark[32];

    return read_line(at, mark, sizeof mark) && str_starts(mark, NOTE_WORDS) &&
           str_to_u64(mark + strlen(NOTE_WORDS), out) == 0 && *out > 0;
}

static bool read_lines(const char *at, struct note *n)
{
    char pid[24], ticks[24];
    uint64_t number;

    if (!read_line(&at, n->id, sizeof n->id) ||
        (n->version > 1 && !read_line(&at, n->folder, sizeof n->folder)) ||
        !read_line(&at, pid, sizeof pid) || !read_line(&at, ticks, sizeof ticks) ||
        !read_line(&at, n->boot, sizeof n->boot) || !read_line(&at, n->exe, sizeof n->exe) ||
        !read_line(&at, n->cgroup, sizeof n->cgroup))
        return false;
    if (str_to_u64(pid, &number) || number == 1 || number > INT_MAX)
        return false;
    n->pid = (int)number;
    return str_to_u64(ticks, &n->start_ticks) == 0;
}

/* ERR_INVALID, ERR_LIMIT when the note is torn or none of ours; ERR_NOT_FOUND; else it could not be
 * read. */
static int read_note(const char *path, struct note *n, struct err *err)
{
    char *text = NULL;
    const char *at;
    size_t n_bytes;
    int rc = path_read_file(path, NOTE_BYTES_MAX, &text, &n_bytes, err);

    if (rc)
        return rc;
    at = text;
    if (!read_version(&at, &n->version) || (n->version <= NOTE_VERSION && !read_lines(at, n)))
        rc = ERR_INVALID;
    free(text);
    return rc;
}

/* What it says nobody knows: whom it is about may live. */
static bool is_unread(int rc)
{
    return rc && rc != ERR_INVALID && rc != ERR_LIMIT && rc != ERR_NOT_FOUND;
}

/* ---- judging and ending ---- */

static bool has_ended(int pidfd, int wait_ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};

    return poll(&p, 1, wait_ms) > 0;
}

/* As far as it can be seen: what is not dumpable shows its program to root alone. */
static bool exe_agrees(const struct note *n)
{
    char exe[PATH_MAX];

    if (procfs_exe(n->pid, exe, sizeof exe))
        return errno == EACCES || errno == EPERM;
    return n->exe[0] == '\0' || str_eq(exe, n->exe);
}

/* All that the note says is true of the process that has this id now. */
static bool agrees(const struct note *n)
{
    struct procfs_stat st;

    return procfs_stat(n->pid, &st) == 0 && st.start_ticks == n->start_ticks && exe_agrees(n) &&
           procfs_has_arg(n->pid, n->id);
}

static bool is_of_this_boot(const struct note *n)
{
    char boot[PROCFS_BOOT_BYTES];

    procfs_boot_id(boot);
    return boot[0] && str_eq(boot, n->boot);
}

/* It lives, is of our user, and /proc does not tell of it (mount option hidepid): it may be ours.
 */
static bool is_hidden(const struct note *n, int pidfd)
{
    struct procfs_stat st;

    return procfs_stat(n->pid, &st) && pidfd_send_signal(pidfd, 0, NULL, 0) == 0;
}

/* It lives, and is ours; 1 is added to *n_killed when it was killed. True when it is gone. */
static bool end_living(const struct note *n, int pidfd, size_t *n_killed)
{
    if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0)) {
        log_warn("%s of an earlier hive (process %d) cannot be ended: %s", n->id, n->pid,
                 strerror(errno));
        return false;
    }
    ++*n_killed;
    if (!has_ended(pidfd, REAPER_WAIT_MS)) {
        log_warn("%s of an earlier hive (process %d) was killed and is not gone yet", n->id,
                 n->pid);
        return false;
    }
    log_warn("%s of an earlier hive still lived (process %d) and was ended", n->id, n->pid);
    return true;
}

/* What is read in /proc is of the process that the pidfd holds only if that still lives. */
static bool end_held(const struct note *n, int pidfd, size_t *n_killed)
{
    bool ours = agrees(n), hidden = !ours && is_hidden(n, pidfd);

    if (has_ended(pidfd, 0))
        return true;
    if (ours)
        return end_living(n, pidfd, n_killed);
    if (hidden)
        log_warn("%s of an earlier hive may still live: /proc does not tell of process %d, which "
                 "is left alone",
                 n->id, n->pid);
    return !hidden;
}

/* True when nothing of it is there any more. */
static bool end_leftover(const struct note *n, size_t *n_killed)
{
    /* None had been started, or only in the cgroup; or it was before the machine's. */
    int pidfd = n->pid && is_of_this_boot(n) ? pidfd_open(n->pid, 0) : -1;
    bool gone = pidfd < 0 || end_held(n, pidfd, n_killed);

    if (pidfd >= 0)
        close(pidfd);
    return gone;
}

/*
 * The first version named no folder: whether it is a copy, of another hive's worker, cannot be
 * told. So nothing is ended by it; it goes when what it tells of has gone. Nor is anything known of
 * what a later version tells.
 */
static bool is_over_elsewhere(const struct note *n, const char *path)
{
    int pidfd;
    bool over;

    if (n->version > NOTE_VERSION) {
        log_warn("%s is the note of a worker, written by a newer rbee-hive: it is kept for that "
                 "one. If that worker still runs, start that one, or end it by hand",
                 path);
        return false;
    }
    pidfd = n->pid && is_of_this_boot(n) ? pidfd_open(n->pid, 0) : -1;
    over = pidfd < 0 || !(agrees(n) || is_hidden(n, pidfd)) || has_ended(pidfd, 0);
    if (!over)
        log_warn("%s, which an older rbee-hive noted in %s, still lives (process %d): if no other "
                 "hive has it, end it by hand",
                 n->id, path, n->pid);
    if (pidfd >= 0)
        close(pidfd);
    return over;
}

/* True when the note is of no use any more. `folder`: the one that it lies in. */
static bool settle(const char *path, const char *folder, size_t *n_killed)
{
    struct note n = {0};
    struct err err;
    int rc = read_note(path, &n, &err);
    bool gone;

    if (is_unread(rc))
        log_warn("whether the worker of an earlier rbee-hive lives is not known: %s", err.text);
    if (rc)
        return !is_unread(rc);
    if (n.version != NOTE_VERSION)
        return is_over_elsewhere(&n, path);
    if (!str_eq(n.folder, folder))
        return true;
    gone = end_leftover(&n, n_killed);
    cgroup_end(n.cgroup);
    return gone;
}

size_t reaper_run(const char *run_dir)
{
    DIR *d = opendir(run_dir);
    char folder[FOLDER_BYTES] = "";
    struct dirent *entry;
    size_t n_killed = 0;

    name_folder(run_dir, folder, NULL);
    while (d && (entry = readdir(d))) {
        char *path = str_ends(entry->d_name, SUFFIX) ? path_join(run_dir, entry->d_name) : NULL;

        if (path && settle(path, folder, &n_killed))
            unlink(path);
        free(path);
    }
    if (d)
        closedir(d);
    return n_killed;
}
