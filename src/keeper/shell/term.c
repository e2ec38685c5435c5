/* term.c - see term.h. */
#include "keeper/shell/term.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/str.h"

#define TERM_LINE_MAX   (17u << 20) /* bytes of one message: a setting may be a whole schema */
#define TERM_WIDTH      80          /* columns where the terminal does not tell */
#define TERM_REDRAW_MS  100
#define TERM_PLAIN_MS   1000
#define TERM_WAIT_MS    5000
#define TERM_ERASE      "\r\033[K"
#define TERM_MARK       "\033[32m\xe2\x9c\x93\033[0m "
#define TERM_MARK_ASCII "ok "

void term_init(struct term *t, bool quiet)
{
    const char *name = getenv("TERM"), *no_color = getenv("NO_COLOR");
    bool dumb = name && str_eq(name, "dumb");

    *t = (struct term){.quiet = quiet};
    t->tty = isatty(STDERR_FILENO) && !dumb;
    t->ascii = !t->tty || (no_color && no_color[0]);
}

/* All of it, with as few writes as the kernel allows; stderr that is gone is nobody's loss, nor is
 * one that does not want to wait, and takes nothing for a while. */
static void write_all(const char *bytes, size_t n)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

    while (n) {
        ssize_t done = write(STDERR_FILENO, bytes, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN && poll(&p, 1, TERM_WAIT_MS) > 0)
            continue;
        if (done <= 0)
            return;
        bytes += done;
        n -= (size_t)done;
    }
}

static void print(struct term *t, const char *mark, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

static void print(struct term *t, const char *mark, const char *fmt, va_list ap)
{
    struct buf line;
    char text[4096], *all = text;
    va_list again;
    int n;

    va_copy(again, ap);
    n = vsnprintf(text, sizeof text, fmt, again);
    va_end(again);
    if (n >= (int)sizeof text && (all = malloc((size_t)n + 1)) != NULL)
        vsnprintf(all, (size_t)n + 1, fmt, ap);
    buf_init(&line, TERM_LINE_MAX);
    buf_puts(&line, t->drawn && t->tty ? TERM_ERASE : "");
    buf_puts(&line, mark);
    clean_put(&line, all ? all : text, strlen(all ? all : text));
    buf_putc(&line, '\n');
    write_all(buf_str(&line), line.len);
    t->drawn = false;
    buf_done(&line);
    if (all != text)
        free(all);
}

void term_ok(struct term *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (!t->quiet)
        print(t, t->ascii ? TERM_MARK_ASCII : TERM_MARK, fmt, ap);
    va_end(ap);
}

void term_note(struct term *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (!t->quiet)
        print(t, "", fmt, ap);
    va_end(ap);
}

void term_say(struct term *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print(t, "", fmt, ap);
    va_end(ap);
}

static unsigned width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
        return size.ws_col - 1u; /* a full row would wrap on some terminals */
    return TERM_WIDTH - 1;
}

void term_progress(struct term *t, const struct progress *p)
{
    char text[PROGRESS_LINE_MAX];
    struct buf line;
    int64_t now = clock_ms();

    if (t->quiet || now < t->next_ms)
        return;
    t->next_ms = now + (t->tty ? TERM_REDRAW_MS : TERM_PLAIN_MS);
    progress_line(p, t->tty ? width() : PROGRESS_LINE_MAX, t->ascii, text, sizeof text);
    buf_init(&line, TERM_LINE_MAX);
    buf_puts(&line, t->tty ? "\r" : "");
    clean_put_line(&line, text, strlen(text));
    buf_puts(&line, t->tty ? "\033[K" : "\n");
    write_all(buf_str(&line), line.len);
    t->drawn = t->tty;
    buf_done(&line);
}

void term_progress_end(struct term *t)
{
    if (t->drawn)
        write_all(TERM_ERASE, strlen(TERM_ERASE));
    t->drawn = false;
    t->next_ms = 0;
}
