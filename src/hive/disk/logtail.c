/* logtail.c - see logtail.h. */
#include "hive/disk/logtail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Puts to `text` what fits of the bytes before `end`. */
static int read_before(int fd, off_t end, const char *path, struct buf *text, struct err *err)
{
    size_t room = text->max - text->len;
    off_t from = end > (off_t)room ? end - (off_t)room : 0;
    size_t want = (size_t)(end - from);
    ssize_t n;

    if (buf_reserve(text, want))
        return err_no_memory(err, want, path);
    n = pread(fd, text->data + text->len, want, from);
    if (n < 0)
        return err_errno(err, ERR_IO, errno, "cannot read %s", path);
    text->len += (size_t)n;
    text->data[text->len] = '\0';
    return 0;
}

/* The end of what the log had in it before it was emptied, in the room that what it has since
 * leaves. There may be none. */
static int read_older(const char *path, off_t newer, struct buf *text, struct err *err)
{
    size_t max = text->max;
    char piece[PATH_MAX];
    struct stat st;
    int fd, rc = 0;

    if (newer >= (off_t)max)
        return 0;
    snprintf(piece, sizeof piece, "%s.1", path);
    fd = open(piece, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    text->max = max - (size_t)newer;
    if (fstat(fd, &st) == 0)
        rc = read_before(fd, st.st_size, piece, text, err);
    text->max = max;
    close(fd);
    return rc;
}

static int read_all(int fd, const char *path, struct buf *text, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_errno(err, ERR_IO, errno, "cannot read %s", path);
    if (read_older(path, st.st_size, text, NULL))
        buf_clear(text); /* the newest lines are told all the same */
    return read_before(fd, st.st_size, path, text, err);
}

/* Where the last n_lines lines begin. */
static size_t find_start(const struct buf *text, size_t n_lines)
{
    size_t at = text->len;

    if (at > 0 && text->data[at - 1] == '\n')
        at--; /* the newline that ends the last line begins none */
    while (at > 0 && n_lines > 0)
        if (text->data[at - 1] != '\n' || --n_lines > 0)
            at--;
    return at;
}

/* Where what fits into `room` bytes begins: at a line, or, where the last one is longer, in it. */
static size_t find_fit(const struct buf *text, size_t from, size_t room)
{
    size_t at = text->len - room;
    const char *feed;

    if (text->len - from <= room)
        return from;
    feed = memchr(text->data + at - 1, '\n', room); /* at - 1: a line may begin at `at` */
    if (feed)
        return (size_t)(feed - text->data) + 1;
    while (at < text->len && ((unsigned char)text->data[at] & 0xc0) == 0x80)
        at++; /* no part of a character */
    return at;
}

int logtail_read(const char *path, size_t n_lines, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
    struct buf text;

    if (fd < 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot open %s",
                         path);
    buf_init(&text, LOGTAIL_BYTES_MAX);
    rc = read_all(fd, path, &text, err);
    close(fd);
    if (rc == 0 && text.len && n_lines) {
        size_t from = find_fit(&text, find_start(&text, n_lines), out->max - out->len);

        if (buf_put(out, text.data + from, text.len - from))
            rc = err_no_memory(err, text.len - from, path);
    }
    buf_done(&text);
    return rc;
}
