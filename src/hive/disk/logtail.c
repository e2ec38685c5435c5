/* logtail.c - see logtail.h. */
#include "hive/disk/logtail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads the file's last bytes into `text`. */
static int read_end(int fd, const char *path, struct buf *text, struct err *err)
{
    struct stat st;
    off_t from;
    ssize_t n;

    if (fstat(fd, &st) != 0)
        return err_errno(err, ERR_IO, errno, "cannot read %s", path);
    from = st.st_size > (off_t)text->max ? st.st_size - (off_t)text->max : 0;
    if (buf_reserve(text, (size_t)(st.st_size - from)))
        return err_no_memory(err, (size_t)(st.st_size - from), path);
    n = pread(fd, text->data, (size_t)(st.st_size - from), from);
    if (n < 0)
        return err_errno(err, ERR_IO, errno, "cannot read %s", path);
    text->len = (size_t)n;
    text->data[n] = '\0';
    return 0;
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
    rc = read_end(fd, path, &text, err);
    close(fd);
    if (rc == 0 && text.len && n_lines) {
        size_t from = find_fit(&text, find_start(&text, n_lines), out->max - out->len);

        if (buf_put(out, text.data + from, text.len - from))
            rc = err_no_memory(err, text.len - from, path);
    }
    buf_done(&text);
    return rc;
}
