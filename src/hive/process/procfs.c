/* procfs.c - see procfs.h. No state. */
#include "hive/process/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

#define PATH_BYTES   96
#define TEXT_BYTES   1024
#define STATUS_BYTES 8192
#define ARGS_BYTES   65536
#define DELETED      " (deleted)"

/* The file's first bytes as a text; -1 when it cannot be read. */
static ssize_t read_text(const char *path, char *dst, size_t dst_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, dst, dst_size - 1) : -1;

    if (fd >= 0)
        close(fd);
    dst[n > 0 ? n : 0] = '\0';
    return n;
}

/* PF_EXITING of the kernel's sched.h, the same in every Linux since 2.6. */
#define FLAG_EXITING 4u

int procfs_parse_stat(const char *line, struct procfs_stat *out)
{
    const char *at = strrchr(line, ')');
    uint64_t user, kernel;
    uint32_t flags;
    long hz = sysconf(_SC_CLK_TCK);

    *out = (struct procfs_stat){0};
    /* Fields 3 (state), 9 (flags), 12 (majflt), 14 and 15 (utime, stime), 20 (num_threads), 22
     * (starttime). */
    if (!at || sscanf(at + 1,
                      " %c %*d %*d %*d %*d %*d %" SCNu32 " %*u %*u %" SCNu64 " %*u %" SCNu64
                      " %" SCNu64 " %*d %*d %*d %*d %" SCNu32 " %*d %" SCNu64,
                      &out->state, &flags, &out->major_faults, &user, &kernel, &out->n_threads,
                      &out->start_ticks) != 7)
        return -1;
    out->exiting = (flags & FLAG_EXITING) || out->state == 'Z' || out->state == 'X';
    out->cpu_ms = (user + kernel) * 1000 / (uint64_t)(hz > 0 ? hz : 100);
    return 0;
}

int procfs_stat(pid_t pid, struct procfs_stat *out)
{
    char path[PATH_BYTES], text[TEXT_BYTES];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return read_text(path, text, sizeof text) > 0 ? procfs_parse_stat(text, out) : -1;
}

/* ---- for as long as it lives ---- */

struct procfs_view {
    int stat_fd, status_fd;
};

static int open_of(pid_t pid, const char *name)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

struct procfs_view *procfs_open(pid_t pid)
{
    struct procfs_view *v = malloc(sizeof *v);

    if (!v)
        return NULL;
    *v = (struct procfs_view){open_of(pid, "stat"), open_of(pid, "status")};
    if (v->stat_fd >= 0 && v->status_fd >= 0)
        return v;
    procfs_close(v);
    return NULL;
}

void procfs_close(struct procfs_view *v)
{
    if (v && v->stat_fd >= 0)
        close(v->stat_fd);
    if (v && v->status_fd >= 0)
        close(v->status_fd);
    free(v);
}

static int read_again(int fd, char *dst, size_t dst_size)
{
    ssize_t n = pread(fd, dst, dst_size - 1, 0);

    dst[n > 0 ? n : 0] = '\0';
    return n > 0 ? 0 : -1;
}

int procfs_look(const struct procfs_view *v, struct procfs_stat *out)
{
    char text[TEXT_BYTES];

    return read_again(v->stat_fd, text, sizeof text) ? -1 : procfs_parse_stat(text, out);
}

/* "NAME:   NUMBER kB"; 0 where there is no such line. */
static uint64_t status_bytes(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

int procfs_own_bytes(const struct procfs_view *v, uint64_t *out)
{
    char text[STATUS_BYTES];

    if (read_again(v->status_fd, text, sizeof text))
        return -1;
    *out = status_bytes(text, "\nRssAnon:") + status_bytes(text, "\nRssShmem:");
    return 0;
}

/* ---- threads ---- */

/* Calls `each` for every thread until it returns false, or there were too many. False when /proc
 * hides them. */
static bool each_thread(pid_t pid, bool (*each)(void *arg, pid_t pid, int tid), void *arg)
{
    char path[PATH_BYTES];
    struct dirent *entry;
    unsigned n = 0;
    int64_t tid;
    DIR *d;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    d = opendir(path);
    if (!d)
        return false;
    while ((entry = readdir(d)))
        if (str_to_i64(entry->d_name, &tid) == 0 &&
            (n++ == PROCFS_THREADS_MAX || !each(arg, pid, (int)tid)))
            break;
    closedir(d);
    return true;
}

static ssize_t read_of_thread(pid_t pid, int tid, const char *name, char *dst, size_t dst_size)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)pid, tid, name);
    return read_text(path, dst, dst_size);
}

static char state_of(pid_t pid, int tid)
{
    char text[TEXT_BYTES];
    struct procfs_stat st;

    if (read_of_thread(pid, tid, "stat", text, sizeof text) <= 0 || procfs_parse_stat(text, &st))
        return '?';
    return st.state;
}

static bool look_at_thread(void *arg, pid_t pid, int tid)
{
    struct procfs_threads *seen = arg;
    char state = state_of(pid, tid);

    seen->runnable |= state == 'R';
    seen->on_disk |= state == 'D';
    return !seen->runnable || !seen->on_disk;
}

struct procfs_threads procfs_threads(pid_t pid)
{
    struct procfs_threads seen = {.runnable = false};

    seen.hidden = !each_thread(pid, look_at_thread, &seen);
    return seen;
}

static bool put_thread(void *arg, pid_t pid, int tid)
{
    char name[32], where[64], call[128];

    read_of_thread(pid, tid, "comm", name, sizeof name);
    read_of_thread(pid, tid, "wchan", where, sizeof where);
    read_of_thread(pid, tid, "syscall", call, sizeof call);
    name[strcspn(name, "\n")] = call[strcspn(call, "\n")] = '\0';
    fprintf(arg, "rbee-hive: thread %d (%s): state %c, waits in %s, system call %s\n", tid, name,
            state_of(pid, tid), where[0] ? where : "?", call[0] ? call : "?");
    return true;
}

void procfs_put_threads(pid_t pid, FILE *out)
{
    if (!each_thread(pid, put_thread, out))
        fputs("rbee-hive: /proc does not tell of them\n", out);
}

static bool signal_thread(void *arg, pid_t pid, int tid)
{
    const int *signal_number = arg;

    syscall(SYS_tgkill, pid, tid, *signal_number);
    return true;
}

void procfs_signal_threads(pid_t pid, int signal_number)
{
    if (!each_thread(pid, signal_thread, &signal_number))
        kill(pid, signal_number);
}

/* ---- who it is ---- */

int procfs_exe(pid_t pid, char *dst, size_t dst_size)
{
    char path[PATH_BYTES];
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    n = readlink(path, dst, dst_size - 1);
    if (n <= 0)
        return -1;
    dst[n] = '\0';
    if (str_ends(dst, DELETED))
        dst[(size_t)n - (sizeof DELETED - 1)] = '\0';
    return 0;
}

bool procfs_has_arg(pid_t pid, const char *arg)
{
    char path[PATH_BYTES], *args = malloc(ARGS_BYTES);
    bool found = false;
    ssize_t n = -1;

    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    if (args)
        n = read_text(path, args, ARGS_BYTES);
    for (ssize_t at = 0; at < n && !found; at += (ssize_t)strlen(args + at) + 1)
        found = str_eq(args + at, arg);
    free(args);
    return found;
}

void procfs_boot_id(char dst[PROCFS_BOOT_BYTES])
{
    read_text("/proc/sys/kernel/random/boot_id", dst, PROCFS_BOOT_BYTES);
    dst[strcspn(dst, "\n")] = '\0';
}

int64_t procfs_oom_kills(void)
{
    FILE *f = fopen("/proc/vmstat", "re");
    char line[128];
    int64_t n = -1;

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "oom_kill %" SCNd64, &n) == 1)
            break;
    if (f)
        fclose(f);
    return n;
}
