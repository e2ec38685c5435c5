/* editor.c - see editor.h. What a terminal with libedit can do is in editline.c. */
#include "keeper/chat/editor.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "keeper/ask/prompt.h"
#include "keeper/chat/editline.h"
#include "keeper/shell/interrupt.h"

#define PIECE_BYTES 65536
#define EDITOR_LOOK_MS                                                                             \
    500 /* an interrupt ends a wait at once, but for one that came just before it */

struct editor {
    struct editline *editline; /* owned; NULL: plain reading */
    bool interactive;
    bool prompts; /* somebody sees stderr */
    bool begun;   /* a line was read */
    size_t at, n; /* of `piece`, what is not read yet */
    char piece[PIECE_BYTES];
};

int editor_open(const struct history *history, struct editor **out, struct err *err)
{
    struct editor *e = calloc(1, sizeof *e);
    const char *term = getenv("TERM");

    if (!e)
        return err_no_memory(err, sizeof *e, "the line editor");
    e->interactive = isatty(STDIN_FILENO);
    e->prompts = e->interactive && isatty(STDERR_FILENO);
    if (e->prompts && term && term[0] && !str_eq(term, "dumb"))
        e->editline = editline_open(history);
    *out = e;
    return 0;
}

void editor_close(struct editor *e)
{
    if (!e)
        return;
    editline_close(e->editline);
    free(e);
}

bool editor_is_interactive(const struct editor *e)
{
    return e->interactive;
}

void editor_remember(struct editor *e, const char *text)
{
    if (e->editline)
        editline_remember(e->editline, text);
}

/* More bytes of stdin: 1, 0 at the end, -1 after an interrupt or with *err. */
static int refill(struct editor *e, struct err *err)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    ssize_t n;

    for (;;) {
        if (interrupt_seen())
            return -1;
        if (poll(&p, 1, EDITOR_LOOK_MS) <= 0)
            continue;
        n = read(STDIN_FILENO, e->piece, sizeof e->piece);
        if (n >= 0)
            break;
        if (errno != EINTR && errno != EAGAIN) {
            err_errno(err, ERR_IO, errno, "cannot read standard input");
            return -1;
        }
    }
    e->at = 0;
    e->n = (size_t)n;
    return n > 0;
}

static enum editor_end finish(struct editor *e, struct buf *line, enum editor_end end,
                              struct err *err)
{
    bool first = !e->begun;

    e->begun = true;
    if (buf_failed(line)) {
        err_set(err, ERR_LIMIT, "a line is longer than %zu bytes", line->max);
        return EDITOR_FAILED;
    }
    if (line->len && line->data[line->len - 1] == '\r')
        line->data[--line->len] = '\0';
    if (first && str_starts(buf_str(line), PROMPT_BOM))
        buf_drop(line, strlen(PROMPT_BOM));
    return end;
}

static enum editor_end read_plain(struct editor *e, struct buf *line, struct err *err)
{
    for (;;) {
        const char *from = e->piece + e->at, *end = memchr(from, '\n', e->n - e->at);
        size_t len = end ? (size_t)(end - from) : e->n - e->at;
        int more;

        buf_put(line, from, len);
        e->at += len + (end ? 1 : 0);
        if (end)
            return finish(e, line, EDITOR_LINE, err);
        more = refill(e, err);
        if (more < 0)
            return interrupt_seen() ? EDITOR_INTERRUPTED : EDITOR_FAILED;
        if (more == 0)
            return finish(e, line, EDITOR_OVER, err);
    }
}

enum editor_end editor_read(struct editor *e, const char *prompt, struct buf *line, struct err *err)
{
    if (e->editline)
        return editline_read(e->editline, prompt, line, err);
    if (e->prompts && write(STDERR_FILENO, prompt, strlen(prompt)) < 0)
        return EDITOR_OVER;
    return read_plain(e, line, err);
}
