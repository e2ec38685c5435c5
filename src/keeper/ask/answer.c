/* answer.c - see answer.h. */
#include "keeper/ask/answer.h"

#include <string.h>

void answer_init(struct answer *a, struct out *out, bool ascii)
{
    *a = (struct answer){.out = out, .dim = out && out->tty && !ascii};
    buf_init(&a->text, ANSWER_MAX);
    buf_init(&a->thoughts, ANSWER_MAX);
}

void answer_done(struct answer *a)
{
    buf_done(&a->text);
    buf_done(&a->thoughts);
}

static void show(struct answer *a, const char *text)
{
    if (a->out)
        out_put(a->out, text, strlen(text));
}

static bool is_hidden(const struct answer *a)
{
    return a->hush || !a->out;
}

static void open_thoughts(struct answer *a)
{
    if (a->thinking)
        return;
    a->thinking = true;
    if (is_hidden(a))
        return;
    if (a->dim)
        out_style(a->out, OUT_DIM);
    else
        show(a, "<think>\n");
}

static void close_thoughts(struct answer *a)
{
    if (!a->thinking)
        return;
    a->thinking = false;
    if (is_hidden(a))
        return;
    out_end_line(a->out);
    if (a->dim)
        out_style(a->out, OUT_PLAIN);
    else
        show(a, "</think>\n");
}

/* A kept text ends at no NUL: what is behind one would be lost to the next question. */
static void put_kept(struct buf *kept, const char *text, size_t n)
{
    static const char sign[] = "\uFFFD";

    for (size_t i = 0, part; i < n; i += part + 1) {
        part = strnlen(text + i, n - i);
        buf_put(kept, text + i, part);
        if (i + part < n)
            buf_puts(kept, sign);
    }
}

void answer_thought(struct answer *a, const char *text, size_t n)
{
    if (a->keep)
        put_kept(&a->thoughts, text, n);
    if (n == 0)
        return;
    open_thoughts(a);
    if (!is_hidden(a))
        out_put(a->out, text, n);
}

/* Behind thoughts models write blank lines, which say nothing once the two are set apart. */
static size_t skip_blank(const struct answer *a, const char *text, size_t n)
{
    size_t i = 0;

    if (!a->thinking)
        return 0;
    while (i < n && text[i] == '\n')
        i++;
    return i;
}

void answer_content(struct answer *a, const char *text, size_t n)
{
    size_t skipped = skip_blank(a, text, n);

    if (a->keep)
        put_kept(&a->text, text, n);
    if (!a->out || n == skipped)
        return;
    close_thoughts(a);
    out_put(a->out, text + skipped, n - skipped);
}

void answer_end(struct answer *a)
{
    close_thoughts(a);
    if (a->out)
        out_end_line(a->out);
}

void answer_break(struct answer *a)
{
    if (a->thinking && a->dim && !a->hush)
        out_style(a->out, OUT_PLAIN);
    a->thinking = false;
}

void answer_clear(struct answer *a)
{
    buf_clear(&a->text);
    buf_clear(&a->thoughts);
    a->thinking = false;
}
