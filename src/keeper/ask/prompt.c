/* prompt.c - see prompt.h. Before the interrupt handler is there: Ctrl+C ends a waiting read. */
#include "keeper/ask/prompt.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/utf8.h"
#include "keeper/shell/term.h"

/* What looks as if it hung should say what it waits for. */
static void say_waiting(bool quiet)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    struct term term;

    term_init(&term, quiet);
    if (poll(&p, 1, PROMPT_PATIENT_MS) == 0)
        term_note(&term, "Reading the prompt from standard input, to its end.");
}

/* What was put has failed: where the text comes from, "" for an option. */
static int no_place(const struct buf *text, const char *from, struct err *err)
{
    if (buf_is_over(text))
        return err_set(err, ERR_LIMIT, "the prompt%s is longer than %u bytes", from, PROMPT_MAX);
    return err_no_memory(err, text->len, "the prompt");
}

static int read_stdin(struct buf *text, bool quiet, struct err *err)
{
    char piece[16384];

    say_waiting(quiet);
    for (;;) {
        ssize_t n = read(STDIN_FILENO, piece, sizeof piece);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) { /* shared with a program that does not want to wait */
            poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, -1);
            continue;
        }
        if (n < 0)
            return err_errno(err, ERR_IO, errno, "cannot read the prompt from standard input");
        if (n == 0)
            return 0;
        if (buf_put(text, piece, (size_t)n))
            return no_place(text, " on standard input", err);
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
        return err_set(err, ERR_INVALID,
                       "the prompt (%zu bytes) is not UTF-8 text from byte %zu on; `iconv -f "
                       "latin1 -t utf-8` makes it of another encoding",
                       n, utf8_valid(text, n));
    return 0;
}

/* Puts the whole text of stdin, but for one line feed at its end, and the mark at its beginning by
 * which Windows knows UTF-8. */
static int put_stdin(struct buf *text, bool quiet, struct err *err)
{
    size_t before = text->len;
    int rc = read_stdin(text, quiet, err);

    if (rc == 0 && str_starts(buf_str(text) + before, PROMPT_BOM)) {
        text->len -= sizeof PROMPT_BOM - 1;
        memmove(text->data + before, text->data + before + sizeof PROMPT_BOM - 1,
                text->len - before + 1);
    }
    if (rc == 0 && text->len > before && text->data[text->len - 1] == '\n')
        text->data[--text->len] = '\0';
    return rc;
}

static int put_all(const struct prompt_source *from, bool from_stdin, struct buf *text,
                   struct err *err)
{
    if (from_stdin)
        return put_stdin(text, from->quiet, err);
    buf_puts(text, from->given);
    if (from->add_stdin)
        buf_puts(text, "\n\n");
    if (buf_failed(text))
        return no_place(text, "", err);
    return from->add_stdin ? put_stdin(text, from->quiet, err) : 0;
}

int prompt_read(const struct prompt_source *from, char **out, size_t *n, struct err *err)
{
    bool from_stdin = !from->given || str_eq(from->given, "-");
    struct buf text;
    int rc;

    if (!from->given && !from->add_stdin && isatty(STDIN_FILENO))
        return err_set(err, ERR_NOT_FOUND, "--prompt TEXT is needed, or a text on standard input");
    buf_init(&text, PROMPT_MAX);
    rc = put_all(from, from_stdin, &text, err);
    if (rc == 0)
        rc = check(buf_str(&text), text.len, err);
    if (rc == 0) {
        *n = text.len;
        *out = buf_take(&text);
    }
    buf_done(&text);
    return rc;
}

bool prompt_has_unread(void)
{
    struct stat st;
    int n = 0;

    return fstat(STDIN_FILENO, &st) == 0 && S_ISFIFO(st.st_mode) &&
           ioctl(STDIN_FILENO, FIONREAD, &n) == 0 && n > 0;
}
