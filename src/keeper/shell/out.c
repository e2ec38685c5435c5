/* out.c - see out.h. */
#include "keeper/shell/out.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "keeper/shell/interrupt.h"

void out_init(struct out *o)
{
    *o = (struct out){.tty = isatty(STDOUT_FILENO)};
}

static int fail(struct out *o, int errno_value)
{
    if (errno_value == EPIPE)
        o->closed = true;
    else
        o->error_errno = errno_value;
    return -1;
}

/* Until stdout takes a piece; after an interrupt it is asked once more. False: it does not. */
static bool wait_writable(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

    for (;;) {
        bool last = interrupt_seen();
        int n = poll(&p, 1, last ? 0 : INTERRUPT_LOOK_MS);

        if (n > 0 || (n < 0 && errno != EINTR))
            return true; /* or write says what is wrong */
        if (last)
            return false;
    }
}

/* In pieces that a pipe which can be written to takes at once: a write that blocks would not see an
 * interrupt that came just before it. */
static int write_all(struct out *o, const char *bytes, size_t n)
{
    while (n) {
        ssize_t done;

        if (!wait_writable()) {
            o->cut = true;
            return -1;
        }
        done = write(STDOUT_FILENO, bytes, n < PIPE_BUF ? n : PIPE_BUF);
        if (done < 0 && errno != EINTR && errno != EAGAIN)
            return fail(o, errno);
        if (done > 0) {
            bytes += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

int out_put(struct out *o, const char *text, size_t n)
{
    struct buf cleaned;
    int rc;

    if (o->closed || o->error_errno || (o->cut && !o->tty))
        return -1;
    if (n == 0)
        return 0;
    o->mid_line = text[n - 1] != '\n';
    if (!o->tty)
        return write_all(o, text, n);
    buf_init(&cleaned, OUT_TEXT_MAX);
    rc = clean_put(&cleaned, text, n) ? fail(o, ENOMEM)
                                      : write_all(o, buf_str(&cleaned), cleaned.len);
    buf_done(&cleaned);
    return rc;
}

int out_printf(struct out *o, const char *fmt, ...)
{
    va_list ap;
    char *line = NULL;
    int n, rc;

    va_start(ap, fmt);
    n = vasprintf(&line, fmt, ap);
    va_end(ap);
    if (n < 0)
        return fail(o, ENOMEM);
    rc = out_put(o, line, (size_t)n);
    free(line);
    return rc;
}

int out_end_line(struct out *o)
{
    return o->mid_line ? out_put(o, "\n", 1) : 0;
}

int out_style(struct out *o, enum out_style style)
{
    static const char *const codes[] = {[OUT_PLAIN] = "\033[0m", [OUT_DIM] = INTERRUPT_STYLE};
    int rc;

    if (o->closed || o->error_errno)
        return -1;
    if (!o->tty)
        return 0;
    if (style != OUT_PLAIN)
        interrupt_styled(true);
    rc = write_all(o, codes[style], strlen(codes[style]));
    if (style == OUT_PLAIN)
        interrupt_styled(false);
    return rc;
}
