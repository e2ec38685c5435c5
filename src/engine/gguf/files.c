/* files.c - see files.h. Source of the parts' names: ggml's published split naming. */
#include "engine/gguf/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "engine/gguf/gguf.h"

#define SPLIT_DIGITS 5 /* "-00001-of-00003.gguf" */

static bool read_digits(const char *s, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < SPLIT_DIGITS; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        *out = *out * 10 + (uint32_t)(s[i] - '0');
    }
    return true;
}

/* For "x-00001-of-00003.gguf": 3, and the length of "x-"; else 1. */
static uint32_t split_count(const char *path, size_t *stem_len)
{
    const size_t tail_len = strlen("00001-of-00003.gguf");
    size_t len = strlen(path);
    const char *tail;
    uint32_t no, count;

    if (len <= tail_len)
        return 1;
    tail = path + len - tail_len;
    if (tail[-1] != '-' || !read_digits(tail, &no) ||
        strncmp(tail + SPLIT_DIGITS, "-of-", 4) != 0 ||
        !read_digits(tail + SPLIT_DIGITS + 4, &count) ||
        strcmp(tail + 2 * SPLIT_DIGITS + 4, ".gguf") != 0 || no < 1 || no > count)
        return 1;
    *stem_len = len - tail_len;
    return count;
}

static struct gguf_files *create(const char *path, uint32_t n, struct err *err)
{
    struct gguf_files *f = calloc(1, sizeof *f);

    if (f) {
        f->path = str_dup(path);
        f->parts = calloc(n, sizeof *f->parts);
        f->n = f->parts ? n : 0;
        for (uint32_t i = 0; i < f->n; i++)
            f->parts[i].fd = -1;
    }
    if (f && f->path && f->parts)
        return f;
    gguf_files_close(f);
    err_no_memory(err, n * sizeof *f->parts, "the files of a model");
    return NULL;
}

void gguf_files_close(struct gguf_files *f)
{
    if (!f)
        return;
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->parts[i].fd >= 0)
            close(f->parts[i].fd);
        free(f->parts[i].path);
    }
    free(f->parts);
    free(f->path);
    free(f);
}

/* Takes the path over. */
static int open_part(struct gguf_file *p, char *path, struct err *err)
{
    p->path = path;
    if (!path)
        return err_no_memory(err, 0, "a file's name");
    /* O_NONBLOCK: a named pipe is refused, not waited for */
    p->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (p->fd >= 0)
        return 0;
    return err_errno(err, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, errno,
                     "cannot open '%s'", path);
}

int gguf_files_open(const char *path, struct gguf_files **out, struct err *err)
{
    size_t stem_len = 0;
    uint32_t n = split_count(path, &stem_len);
    struct gguf_files *f;
    int rc = 0;

    if (n > GGUF_MAX_PARTS)
        return err_set(err, ERR_LIMIT, "%s: split in %" PRIu32 " parts, the most is %d", path, n,
                       GGUF_MAX_PARTS);
    f = create(path, n, err);
    if (!f)
        return ERR_NO_MEMORY;
    if (n == 1)
        rc = open_part(&f->parts[0], str_dup(path), err);
    for (uint32_t i = 0; n > 1 && i < n && rc == 0; i++)
        rc = open_part(
            &f->parts[i],
            str_printf("%.*s%05" PRIu32 "-of-%05" PRIu32 ".gguf", (int)stem_len, path, i + 1, n),
            err);
    if (rc)
        gguf_files_close(f);
    else
        *out = f;
    return rc;
}
