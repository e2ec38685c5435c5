/*
 * typing.h - for targets that run what reads lines from a person or a pipe: stdin, and a line
 * editor (keeper/chat/editline.h) that gives pasted texts as one. Beside keeper_world.h; what
 * stands in the place of read, poll and the editor is in chat_world of meson.build.
 */
#ifndef RBEE_FUZZ_TYPING_H
#define RBEE_FUZZ_TYPING_H

#include <errno.h>

#include "keeper/chat/editline.h"
#include "keeper_world.h"

#define CTRL_C    0x03 /* where a person types */
#define LINE_ENDS 0x1e /* in the editor, where pasted texts have line feeds */

static struct {
    const uint8_t *all, *at; /* what is typed, and what is left of it */
    size_t n, left;
    size_t piece;                    /* bytes that come at once */
    bool has_editor;                 /* a person has one */
    bool began, edited, interrupted; /* something was asked for, from the editor; Ctrl+C came */
} typing;

ssize_t __real_read(int fd, void *dst, size_t n);
ssize_t __wrap_read(int fd, void *dst, size_t n);
struct editline *__wrap_editline_open(const struct history *history);
void __wrap_editline_close(struct editline *e);
enum editor_end __wrap_editline_read(struct editline *e, const char *prompt, struct buf *line,
                                     struct err *err);
void __wrap_editline_remember(struct editline *e, const char *text);

static void skip(size_t n)
{
    typing.at += n;
    typing.left -= n;
}

/* Up to `end`, which is left; all when it does not come. */
static size_t length_to(uint8_t end)
{
    const uint8_t *p = memchr(typing.at, end, typing.left);

    return p ? (size_t)(p - typing.at) : typing.left;
}

static void interrupt(void)
{
    skip(1);
    typing.interrupted = true;
    press_interrupt();
}

ssize_t __wrap_read(int fd, void *dst, size_t n)
{
    size_t most = world.person ? length_to(CTRL_C) : typing.left;

    if (!world.inside || fd != STDIN_FILENO)
        return __real_read(fd, dst, n);
    typing.began = true;
    if (most == 0 && typing.left) {
        interrupt();
        errno = EINTR;
        return -1;
    }
    most = most < typing.piece ? most : typing.piece;
    n = n < most ? n : most;
    memcpy(dst, typing.at, n);
    skip(n);
    return (ssize_t)n;
}

struct editline *__wrap_editline_open(const struct history *history)
{
    BUG_ON(!history || !world.person);
    return typing.has_editor ? (struct editline *)(void *)&nobody : NULL;
}

void __wrap_editline_close(struct editline *e)
{
    (void)e;
}

void __wrap_editline_remember(struct editline *e, const char *text)
{
    BUG_ON(!e || !text[0]);
}

/* A line as editline.h promises it: it may hold others. */
enum editor_end __wrap_editline_read(struct editline *e, const char *prompt, struct buf *line,
                                     struct err *err)
{
    size_t n = length_to(LINE_ENDS), to_interrupt = length_to(CTRL_C);

    BUG_ON(!e || !prompt[0] || line->len);
    typing.began = typing.edited = true;
    if (to_interrupt < n) {
        skip(to_interrupt);
        interrupt();
        return EDITOR_INTERRUPTED;
    }
    buf_put(line, typing.at, n);
    skip(n);
    if (buf_failed(line)) {
        err_set(err, ERR_LIMIT, "a line is longer than %zu bytes", line->max);
        return EDITOR_FAILED;
    }
    if (typing.left == 0)
        return EDITOR_OVER;
    skip(1);
    return EDITOR_LINE;
}

#endif
