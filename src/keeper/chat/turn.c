/* turn.c - see turn.h. */
#include "keeper/chat/turn.h"

#include <string.h>

#include "base/str.h"
#include "keeper/ask/prompt.h"

#define N_QUOTES (sizeof TURN_QUOTES - 1)

void turn_init(struct turn *t)
{
    *t = (struct turn){.state = TURN_FRESH};
    buf_init(&t->text, PROMPT_MAX);
}

void turn_done(struct turn *t)
{
    buf_done(&t->text);
}

void turn_clear(struct turn *t)
{
    buf_clear(&t->text);
    t->state = TURN_FRESH;
    t->literal = t->spoiled = false;
}

void turn_spoil(struct turn *t)
{
    if (t->state == TURN_QUOTED)
        t->spoiled = true;
    else
        turn_clear(t);
}

static bool begins_quoted(const char *line, size_t n)
{
    return n >= N_QUOTES && memcmp(line, TURN_QUOTES, N_QUOTES) == 0;
}

static bool ends_quoted(const char *line, size_t n)
{
    return n >= N_QUOTES && memcmp(line + n - N_QUOTES, TURN_QUOTES, N_QUOTES) == 0;
}

static bool is_blank(const struct turn *t)
{
    return strspn(buf_str(&t->text), " \t\r\n") == t->text.len;
}

static enum turn_step ready(struct turn *t)
{
    if (!is_blank(t))
        return TURN_READY;
    turn_clear(t);
    return TURN_BLANK;
}

static enum turn_step take_quoted(struct turn *t, const char *line, size_t n)
{
    bool over = ends_quoted(line, n);

    buf_put(&t->text, line, over ? n - N_QUOTES : n);
    if (over)
        return ready(t);
    buf_putc(&t->text, '\n');
    return TURN_MORE;
}

/* Behind the opening quotes; nothing there is no line. */
static enum turn_step open_quoted(struct turn *t, const char *line, size_t n)
{
    t->state = TURN_QUOTED;
    t->literal = true;
    return n ? take_quoted(t, line, n) : TURN_MORE;
}

static enum turn_step take_plain(struct turn *t, const char *line, size_t n)
{
    bool goes_on = n > 0 && line[n - 1] == '\\';

    buf_put(&t->text, line, goes_on ? n - 1 : n);
    if (!goes_on)
        return ready(t);
    buf_putc(&t->text, '\n');
    t->state = TURN_CONTINUED;
    return TURN_MORE;
}

static enum turn_step take_line(struct turn *t, const char *line, size_t n)
{
    if (t->state == TURN_QUOTED)
        return take_quoted(t, line, n);
    if (t->state == TURN_FRESH && begins_quoted(line, n))
        return open_quoted(t, line + N_QUOTES, n - N_QUOTES);
    return take_plain(t, line, n);
}

/* What was pasted behind the closing quotes belongs to the turn, on a line of its own; also when
 * between the quotes was nothing, which has been forgotten. */
static enum turn_step take_rest(struct turn *t, const char *text, size_t n)
{
    if (t->text.len && t->text.data[t->text.len - 1] != '\n')
        buf_putc(&t->text, '\n');
    buf_put(&t->text, text, n);
    t->literal = true;
    return ready(t);
}

/* A pasted text with quotes around it is read as if it had been typed. */
static enum turn_step take_lines(struct turn *t, const char *text, size_t n)
{
    enum turn_step step = TURN_MORE;

    while (n && step == TURN_MORE) {
        const char *end = memchr(text, '\n', n);
        size_t len = end ? (size_t)(end - text) : n;

        step = take_line(t, text, len);
        text += len + (end ? 1 : 0);
        n -= len + (end ? 1 : 0);
    }
    return n ? take_rest(t, text, n) : step;
}

static enum turn_step take(struct turn *t, const char *text, size_t n)
{
    bool several = memchr(text, '\n', n) != NULL;

    if (!several)
        return take_line(t, text, n);
    if (t->state == TURN_QUOTED || (t->state == TURN_FRESH && begins_quoted(text, n)))
        return take_lines(t, text, n);
    t->literal = true;
    return take_plain(t, text, n);
}

enum turn_step turn_line(struct turn *t, const char *line, size_t n, struct err *err)
{
    enum turn_step step = TURN_BAD;

    if (memchr(line, '\0', n))
        err_set(err, ERR_INVALID, "the line (%zu bytes) holds a NUL byte", n);
    else if (!str_is_utf8(line, n))
        err_set(err, ERR_INVALID, "the line (%zu bytes) is not UTF-8 text", n);
    else
        step = take(t, line, n);
    if (buf_failed(&t->text)) {
        err_set(err, ERR_LIMIT, "the text is longer than %u bytes", PROMPT_MAX);
        step = TURN_BAD;
    } else if (step == TURN_READY && t->spoiled) {
        err_set(err, ERR_LIMIT, "of the text one line was too long: none of it was sent");
        step = TURN_BAD;
    }
    if (step == TURN_BAD)
        turn_clear(t);
    return step;
}

enum turn_step turn_over(struct turn *t, struct err *err)
{
    if (t->state == TURN_QUOTED) {
        err_set(err, ERR_INVALID, "the input ended within a text that " TURN_QUOTES " began");
        turn_clear(t);
        return TURN_BAD;
    }
    return ready(t);
}
