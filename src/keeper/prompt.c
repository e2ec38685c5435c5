/* prompt.c - see prompt.h. Before the interrupt handler is there: Ctrl+C ends a waiting read. */
#include "keeper/prompt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"

static int read_stdin(struct buf *text, struct err *err)
{
    char piece[16384];

    for (;;) {
        ssize_t n = read(STDIN_FILENO, piece, sizeof piece);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, ERR_IO, errno, "cannot read the prompt from standard input");
        if (n == 0)
            return 0;
        if (buf_put(text, piece, (size_t)n))
            return err_set(err, ERR_LIMIT, "the prompt on standard input is longer than %u bytes",
                           PROMPT_MAX);
    }
}

static int check(const char *text, size_t n, struct err *err)
{
    if (n == 0)
        return err_set(err, ERR_INVALID, "the prompt is empty");
    if (n > PROMPT_MAX)
        return err_set(err, ERR_LIMIT, "the prompt has %zu bytes, the limit is %u", n, PROMPT_MAX);
    if (memchr(text, '\0', n))
        return err_set(err, ERR_INVALID, "the prompt holds a NUL byte at offset %zu",
                       (size_t)((const char *)memchr(text, '\0', n) - text));
    if (!str_is_utf8(text, n))
        return err_set(err, ERR_INVALID, "the prompt (%zu bytes) is not UTF-8 text", n);
    return 0;
}

int prompt_read(const char *given, char **out, size_t *n, struct err *err)
{
    struct buf text;
    int rc;

    if (!given && isatty(STDIN_FILENO))
        return err_set(err, ERR_NOT_FOUND, "--prompt TEXT is needed, or a text on standard input");
    buf_init(&text, PROMPT_MAX);
    if (given && !str_eq(given, "-")) {
        rc = buf_puts(&text, given)
                 ? err_set(err, ERR_LIMIT, "the prompt is longer than %u bytes", PROMPT_MAX)
                 : 0;
    } else {
        rc = read_stdin(&text, err);
        if (rc == 0 && text.len && text.data[text.len - 1] == '\n')
            text.data[--text.len] = '\0';
    }
    if (rc == 0)
        rc = check(buf_str(&text), text.len, err);
    if (rc == 0) {
        *n = text.len;
        *out = buf_take(&text);
    }
    buf_done(&text);
    return rc;
}
