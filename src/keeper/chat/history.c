/* history.c - see history.h. */
#include "keeper/chat/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"

#define FILE_MODE   0600
#define FOLDER_MODE 0700

static int keep(struct history *h, const char *text, struct err *err)
{
    char *copy = str_dup(text);

    if (copy && h->n == h->cap) {
        size_t cap = h->cap ? 2 * h->cap : 64;
        char **items = realloc(h->items, cap * sizeof *items);

        if (items) {
            h->items = items;
            h->cap = cap;
        }
    }
    if (!copy || h->n == h->cap) {
        free(copy);
        return err_no_memory(err, strlen(text), "the history");
    }
    h->items[h->n++] = copy;
    return 0;
}

/* By its length: a machine that lost its power may have left zeros in the file. */
static int read_lines(struct history *h, const char *text, size_t left, struct err *err)
{
    int rc = 0;

    h->torn = left && text[left - 1] != '\n';
    while (left && rc == 0) {
        const char *end = memchr(text, '\n', left);
        size_t n = end ? (size_t)(end - text) : left;
        json_t *item = json_loadb(text, n, JSON_DECODE_ANY, NULL);

        if (json_string_length(item))
            rc = keep(h, json_string_value(item), err);
        json_decref(item);
        n += end ? 1 : 0;
        text += n;
        left -= n;
    }
    return rc;
}

/* Leaves the newest HISTORY_MAX, in the file too. */
static int cut(struct history *h, struct err *err)
{
    size_t too_many = h->n > HISTORY_MAX ? h->n - HISTORY_MAX : 0;
    struct buf text;
    int rc;

    if (!too_many)
        return 0;
    for (size_t i = 0; i < too_many; i++)
        free(h->items[i]);
    h->n -= too_many;
    memmove(h->items, h->items + too_many, h->n * sizeof *h->items);
    buf_init(&text, HISTORY_FILE_MAX);
    for (size_t i = 0; i < h->n; i++) {
        json_put_string(&text, h->items[i], strlen(h->items[i]));
        buf_putc(&text, '\n');
    }
    rc = buf_failed(&text) ? err_no_memory(err, text.len, "the history")
                           : path_write_file(h->path, buf_str(&text), text.len, FILE_MODE, err);
    h->torn = h->torn && rc;
    buf_done(&text);
    return rc;
}

int history_open(const char *path, struct history *h, struct err *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc = 0;

    *h = (struct history){.path = path_behind_link(path)};
    if (!h->path)
        return err_no_memory(err, strlen(path), "a path");
    if (path_is_file(path))
        rc = path_read_file(path, HISTORY_FILE_MAX, &text, &n, err);
    if (rc == 0 && text)
        rc = read_lines(h, text, n, err);
    if (rc == 0)
        rc = cut(h, err);
    free(text);
    if (rc)
        history_close(h);
    return rc;
}

void history_close(struct history *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->items[i]);
    free(h->items);
    free(h->path);
    *h = (struct history){.path = NULL};
}

static int append(const char *path, const char *line, size_t n, struct err *err)
{
    int fd = path_open_made(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, FILE_MODE);
    ssize_t put;
    int rc = 0;

    if (fd < 0)
        return err_errno(err, ERR_IO, errno, "cannot open %s", path);
    put = write(fd, line, n);
    if (put != (ssize_t)n) /* a part of it: no more room */
        rc = err_errno(err, ERR_IO, put < 0 ? errno : ENOSPC, "cannot write to %s", path);
    close(fd);
    return rc;
}

/* The folder that the file is in. */
static int make_folder(const char *path, struct err *err)
{
    size_t n = (size_t)(path_base(path) - path);
    char *folder;
    int rc;

    if (n <= 1)
        return 0;
    folder = str_ndup(path, n - 1);
    rc = folder ? path_make_dirs(folder, FOLDER_MODE, err) : err_no_memory(err, n, "a path");
    free(folder);
    return rc;
}

int history_add(struct history *h, const char *text, struct err *err)
{
    struct buf line;
    int rc;

    if (!h->path || !text[0] || strlen(text) > HISTORY_ENTRY_MAX ||
        (h->n && str_eq(h->items[h->n - 1], text)))
        return 0;
    rc = keep(h, text, err);
    if (rc == 0)
        rc = make_folder(h->path, err);
    if (rc)
        return rc;
    buf_init(&line, 6 * HISTORY_ENTRY_MAX + 4); /* a control character takes six bytes */
    if (h->torn)
        buf_putc(&line, '\n');
    json_put_string(&line, text, strlen(text));
    buf_putc(&line, '\n');
    rc = buf_failed(&line) ? err_no_memory(err, line.len, "a line of the history")
                           : append(h->path, buf_str(&line), line.len, err);
    h->torn = rc != 0; /* what did not fit may be there in part */
    buf_done(&line);
    return rc;
}
