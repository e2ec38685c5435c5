/* security_log.c - see security_log.h. */
#include "hive/doors/security_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"

#define FILE_FLAGS (O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW)

struct security_log {
    char *path; /* owned */
    int fd;
    uint64_t n_bytes;
    struct security_chain chain;
    bool complained; /* of a write that failed */
    bool astray;     /* the file is elsewhere, and that was told */
};

/* ---- going on ---- */

/* The last whole line of the file, into `line`; its length, 0 for none. */
static size_t last_line(int fd, uint64_t n_bytes, char line[SECURITY_LINE_MAX])
{
    uint64_t from = n_bytes > SECURITY_LINE_MAX ? n_bytes - SECURITY_LINE_MAX : 0;
    ssize_t n = pread(fd, line, SECURITY_LINE_MAX, (off_t)from);
    size_t end, begin;

    if (n <= 0)
        return 0;
    end = (size_t)n;
    while (end > 0 && line[end - 1] != '\n') /* a line that was cut by a full disk */
        end--;
    if (end == 0)
        return 0;
    for (begin = --end; begin > 0 && line[begin - 1] != '\n';)
        begin--;
    memmove(line, line + begin, end - begin);
    return end - begin;
}

/* In the place of the one that is open, if any; that stays where this fails. */
static int open_file(struct security_log *l, struct err *err)
{
    struct stat st;
    int fd = path_open_made(l->path, FILE_FLAGS, 0600), rc = 0;

    if (fd < 0 || fstat(fd, &st) != 0)
        rc =
            err_errno(err, errno == EACCES ? ERR_DENIED : ERR_IO, errno, "cannot open %s", l->path);
    else if (st.st_mode & 077)
        rc = err_set(err, ERR_DENIED,
                     "%s can be read by others (mode %03o): run `chmod 600 %s` first", l->path,
                     (unsigned)st.st_mode & 0777, l->path);
    if (rc) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    if (l->fd >= 0)
        close(l->fd);
    l->fd = fd;
    l->n_bytes = (uint64_t)st.st_size;
    return 0;
}

static const char *name_of(const struct security_log *l, int i, char *dst, size_t dst_size)
{
    if (i == 0)
        str_copy(dst, dst_size, l->path);
    else
        snprintf(dst, dst_size, "%s.%d", l->path, i);
    return dst;
}

/* Of the file before this one: a hive that ended (or whose disk was full) between the two has left
 * this one empty. */
static size_t last_of_older(const struct security_log *l, char line[SECURITY_LINE_MAX])
{
    char name[4096];
    struct stat st;
    size_t n = 0;
    int fd;

    name_of(l, 1, name, sizeof name);
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = last_line(fd, (uint64_t)st.st_size, line);
    close(fd);
    return n;
}

/* What a full disk has cut stays a line of its own, and is named by who verifies. */
static void end_cut_line(struct security_log *l)
{
    char last = '\n';

    if (l->n_bytes > 0 && pread(l->fd, &last, 1, (off_t)l->n_bytes - 1) == 1 && last != '\n' &&
        write(l->fd, "\n", 1) == 1)
        l->n_bytes++;
}

static void take_chain(struct security_log *l)
{
    struct security_chain found = {.open = true};
    char line[SECURITY_LINE_MAX];
    size_t n = l->n_bytes ? last_line(l->fd, l->n_bytes, line) : last_of_older(l, line);

    security_chain_begin(&l->chain);
    if (n > 0 && security_chain_check(&found, line, n, NULL) == 0)
        l->chain = found;
    end_cut_line(l);
}

int security_log_open(const char *logs_dir, struct security_log **out, struct err *err)
{
    struct security_log *l = calloc(1, sizeof *l);
    int rc;

    if (!l || !(l->path = path_join(logs_dir, SECURITY_FILE))) {
        free(l);
        return err_no_memory(err, strlen(logs_dir), "the security log");
    }
    l->fd = -1;
    rc = open_file(l, err);
    if (rc) {
        security_log_close(l);
        return rc;
    }
    take_chain(l);
    *out = l;
    return 0;
}

void security_log_close(struct security_log *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    free(l->path);
    free(l);
}

/* ---- writing ---- */

/*
 * Each file gets the next number, up to the first that is free: one that cannot be moved costs none
 * of the others, however often that is tried. False with errno: the newest is where it was.
 */
static bool move_on(const struct security_log *l)
{
    char from[4096], to[4096];
    int n = 1;

    while (n < SECURITY_FILES_KEPT - 1 && access(name_of(l, n, to, sizeof to), F_OK) == 0)
        n++;
    for (; n > 0; n--) {
        name_of(l, n - 1, from, sizeof from);
        if (rename(from, name_of(l, n, to, sizeof to)) != 0 && errno != ENOENT)
            return false;
    }
    return true;
}

/*
 * The chain stays: the new file's first line holds the old one's last. The new file is there before
 * the old ones move: where none can be had (no descriptor left) all stays as it was, and the old
 * one grows on.
 */
static void rotate(struct security_log *l)
{
    char fresh[4096];
    int fd;

    snprintf(fresh, sizeof fresh, "%s.new", l->path);
    fd = path_open_made(fresh, FILE_FLAGS | O_TRUNC, 0600);
    if (fd < 0)
        return;
    if (!move_on(l) || rename(fresh, l->path) != 0) {
        log_warn("%s cannot be begun anew after it was full: %s", l->path, strerror(errno));
        unlink(fresh);
        close(fd);
        return;
    }
    close(l->fd);
    l->fd = fd;
    l->n_bytes = 0;
}

static void complain(struct security_log *l, const struct err *why)
{
    if (!l->complained)
        log_error("%s; security events are not kept until it can be written", why->text);
    l->complained = true;
}

static bool is_in_place(const struct security_log *l)
{
    struct stat there, ours;

    return lstat(l->path, &there) == 0 && fstat(l->fd, &ours) == 0 && there.st_dev == ours.st_dev &&
           there.st_ino == ours.st_ino;
}

/* Not those above it: a home that was moved away may be put back. */
static void make_folder(const struct security_log *l)
{
    char *dir = str_ndup(l->path, (size_t)(path_base(l->path) - l->path - 1));

    if (dir)
        path_make_dir(dir, 0700, NULL);
    free(dir);
}

/* No new file can be had: the old one is written on, if it has a name. It comes back where a home
 * was moved away and is put back. */
static bool stay(struct security_log *l, const struct err *why)
{
    struct stat st;

    if (fstat(l->fd, &st) != 0 || st.st_nlink == 0) {
        complain(l, why);
        return false;
    }
    if (!l->astray)
        log_warn("%s; security events are kept in the file that was moved away from there",
                 why->text);
    l->astray = true;
    return true;
}

/*
 * Somebody may have tidied up, or another program moves logs away: what was written on into a file
 * without a name was lost. The chain stays: lines that are gone are missed by who verifies, those
 * that were moved to security.jsonl.1 are not. False: there is no file.
 */
static bool follow(struct security_log *l)
{
    struct err err;

    if (is_in_place(l)) {
        l->astray = false;
        return true;
    }
    make_folder(l);
    if (open_file(l, &err))
        return stay(l, &err);
    l->astray = false;
    end_cut_line(l);
    log_warn("%s was moved or deleted by another program: security events are kept in a new file "
             "of this name",
             l->path);
    return true;
}

/* Whole, or not at all: false. */
static bool put_line(struct security_log *l, const struct buf *line)
{
    ssize_t n = write(l->fd, line->data, line->len);
    struct err err;

    if (n == (ssize_t)line->len) {
        l->n_bytes += line->len;
        l->complained = false;
        return true;
    }
    err_errno(&err, ERR_IO, n >= 0 ? ENOSPC : errno, /* a part of it: no more room */
              "%s cannot be written", l->path);
    complain(l, &err);
    if (n > 0 && ftruncate(l->fd, (off_t)l->n_bytes) != 0)
        l->n_bytes += (uint64_t)n;
    return false;
}

void security_log_event(struct security_log *l, const char *event, json_t *facts)
{
    struct security_chain before;
    struct buf line;
    bool there;

    if (!l) {
        json_decref(facts);
        return;
    }
    there = follow(l);
    if (there && l->n_bytes > SECURITY_FILE_MAX)
        rotate(l);
    before = l->chain;
    buf_init(&line, SECURITY_LINE_MAX);
    if (security_chain_write(&l->chain, clock_unix_ms(), event, facts, &line) == 0 && there &&
        !put_line(l, &line))
        l->chain = before; /* without a file it goes on: the line will be missed */
    buf_done(&line);
    json_decref(facts);
}

json_t *security_text(const char *text)
{
    char cut[SECURITY_TEXT_MAX + 1];
    size_t n = 0;

    for (; n < SECURITY_TEXT_MAX && text[n]; n++)
        cut[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    cut[n] = '\0';
    return json_string(cut);
}
