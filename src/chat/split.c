/*
 * split.c - see split.h. Works byte by byte, so that it cannot matter how the text came in pieces;
 * pieces of one kind are put together again on their way out.
 */
#include "chat/split_internal.h"

#include <stdlib.h>
#include <string.h>

int split_create(const struct split_options *o, struct split **out, struct err *err)
{
    struct split *s = calloc(1, sizeof *s);

    if (!s)
        return err_no_memory(err, sizeof *s, "an answer's parts");
    s->o = *o;
    buf_init(&s->held, SPLIT_HELD_MAX);
    buf_init(&s->raw, SPLIT_HELD_MAX);
    buf_init(&s->out, 2 * SPLIT_HELD_MAX);
    s->state = o->think && o->thinking ? AT_THOUGHT : AT_TEXT;
    s->thought = s->after = s->state == AT_THOUGHT;
    s->begun = o->begun && !s->thought;
    if (s->state == AT_TEXT && o->format && o->format->opened && !o->begun) {
        split_call_begin(s);
        s->state = AT_NAME;
    }
    *out = s;
    return 0;
}

void split_free(struct split *s)
{
    if (!s)
        return;
    buf_done(&s->held);
    buf_done(&s->raw);
    buf_done(&s->out);
    free(s);
}

/* ---- what is given ------------------------------------------------------- */

void split_flush(struct split *s)
{
    struct split_piece piece = {
        .kind = s->out_kind, .text = buf_str(&s->out), .n = s->out.len, .index = s->n_calls - 1};

    if (piece.n)
        s->o.give(s->o.arg, &piece);
    s->failed = s->failed || buf_failed(&s->out);
    buf_clear(&s->out);
}

void split_give(struct split *s, enum split_kind kind, const char *bytes, size_t n)
{
    if (kind != s->out_kind)
        split_flush(s);
    s->out_kind = kind;
    buf_put(&s->out, bytes, n);
}

/* Text of the state at hand. */
static void give_text(struct split *s, const char *bytes, size_t n)
{
    bool thought = s->state == AT_THOUGHT;

    split_give(s, thought ? SPLIT_REASONING : SPLIT_CONTENT, bytes, n);
    s->begun = s->begun || !thought;
    s->after = false;
}

/* ---- marks in running text ----------------------------------------------- */

enum match { MATCH_NONE, MATCH_PART, MATCH_WHOLE };

static enum match match(const char *mark, const char *text, size_t n)
{
    size_t len = mark ? strlen(mark) : 0;

    if (len == 0 || memcmp(mark, text, n < len ? n : len) != 0)
        return MATCH_NONE;
    return n >= len ? MATCH_WHOLE : MATCH_PART;
}

/* The marks that may come in the state at hand, NULL for those that may not. */
#define N_MARKS 6
enum mark_index { MARK_THINK, MARK_AGAIN, MARK_OPEN, MARK_ALSO_OPEN, MARK_CALL, MARK_CLOSE };

static void marks_of(const struct split *s, const char *marks[N_MARKS])
{
    const struct chat_format *f = s->o.format;

    memset(marks, 0, N_MARKS * sizeof *marks);
    if (s->state == AT_THOUGHT) {
        marks[MARK_THINK] = s->o.think->close;
        marks[MARK_AGAIN] = s->after ? s->o.think->open : NULL;
        return;
    }
    if (s->o.think && !s->begun && !s->thought && s->n_calls == 0)
        marks[MARK_THINK] = s->o.think->open;
    if (!f)
        return;
    marks[MARK_OPEN] = f->open;
    marks[MARK_ALSO_OPEN] = f->also_open;
    marks[MARK_CALL] = f->call_open;
    marks[MARK_CLOSE] = s->n_calls ? f->close : NULL;
}

/* Between calls without marks, commas and semicolons are as good as white space. */
static bool is_gap(const struct split *s, char c)
{
    bool bare = s->o.format && chat_format_is_bare(s->o.format);

    return split_is_space(c) ||
           (bare && s->n_calls && !s->begun && s->state == AT_TEXT && (c == ',' || c == ';'));
}

/* How much of it stands before what may become a mark. No byte is looked at twice. */
static size_t gap_before(struct split *s)
{
    while (s->gap < s->held.len && s->gap < SPLIT_GAP_MAX && is_gap(s, s->held.data[s->gap]))
        s->gap++;
    return s->gap;
}

/* The first n bytes wait no more. */
static void drop_held(struct split *s, size_t n)
{
    buf_drop(&s->held, n);
    s->gap = 0;
}

/* Without marks, a call can begin where the content would. */
static bool begins_bare_call(const struct split *s, char c)
{
    const struct chat_format *f = s->o.format;

    return f && chat_format_is_bare(f) && !s->begun && s->state == AT_TEXT &&
           (c == '{' || c == '[');
}

/* Takes the held gap, and n bytes of a mark behind it, over to a call's beginning. */
static void begin_call(struct split *s, size_t gap, size_t n, enum split_state state)
{
    size_t skip = s->after ? gap : 0;

    buf_clear(&s->raw);
    if (buf_put(&s->raw, s->held.data + skip, gap - skip + n))
        s->failed = true;
    drop_held(s, gap + n);
    split_call_begin(s);
    s->state = state;
}

static void take_think_mark(struct split *s, size_t n)
{
    drop_held(s, n);
    s->state = s->state == AT_THOUGHT ? AT_TEXT : AT_THOUGHT;
    s->thought = s->after = true;
}

/* A whole mark stands behind the gap. */
static void take_mark(struct split *s, enum mark_index which, size_t gap, size_t n)
{
    switch (which) {
    case MARK_THINK:
        take_think_mark(s, gap + n);
        break;
    case MARK_AGAIN:
    case MARK_CLOSE:
        drop_held(s, gap + n);
        s->after = true;
        break;
    case MARK_OPEN:
    case MARK_ALSO_OPEN:
        begin_call(s, gap, n, AT_OPENED);
        break;
    case MARK_CALL:
        begin_call(s, gap, n, AT_NAME);
        break;
    }
}

/* Gives the gap and the first byte behind it as text. */
static void give_first(struct split *s, size_t gap)
{
    size_t skip = s->after ? gap : 0;

    give_text(s, s->held.data + skip, gap + 1 - skip);
    drop_held(s, gap + 1);
}

/* White space that is too long to be a mark's is text. */
static void give_gap(struct split *s, size_t gap)
{
    if (!s->after)
        give_text(s, s->held.data, gap);
    drop_held(s, gap);
}

/* Looks at what is held of running text; false when it must wait for more. */
static bool settle(struct split *s)
{
    const char *marks[N_MARKS];
    size_t gap = gap_before(s), n = s->held.len - gap;
    enum match found = MATCH_NONE;

    if (gap == SPLIT_GAP_MAX) {
        give_gap(s, gap);
        return true;
    }
    if (n == 0)
        return false;
    marks_of(s, marks);
    for (int i = 0; i < N_MARKS && found != MATCH_WHOLE; i++) {
        enum match m = match(marks[i], s->held.data + gap, n);

        found = m == MATCH_NONE ? found : m;
        if (m == MATCH_WHOLE)
            take_mark(s, (enum mark_index)i, gap, strlen(marks[i]));
    }
    if (found == MATCH_PART)
        return false;
    if (found == MATCH_NONE && begins_bare_call(s, s->held.data[gap]))
        begin_call(s, gap, 0, AT_OPENED);
    else if (found == MATCH_NONE)
        give_first(s, gap);
    return true;
}

static bool in_text(const struct split *s)
{
    return s->state == AT_TEXT || s->state == AT_THOUGHT;
}

/* The first byte held goes to the call that is being read, if it is a part of it. */
static void feed_call(struct split *s)
{
    if (split_call_step(s, s->held.data[0]))
        drop_held(s, 1);
}

static void step(struct split *s, char c)
{
    if (buf_putc(&s->held, c))
        s->failed = true;
    while (s->held.len && !s->failed) {
        if (!in_text(s))
            feed_call(s);
        else if (!settle(s))
            break;
    }
}

/* Nothing can become anything else any more. */
static bool is_plain(const struct split *s)
{
    const char *marks[N_MARKS];

    if (s->state != AT_TEXT || s->held.len || s->after)
        return false;
    marks_of(s, marks);
    for (int i = 0; i < N_MARKS; i++)
        if (marks[i])
            return false;
    return s->begun || !s->o.format;
}

int split_put(struct split *s, const char *bytes, size_t n)
{
    size_t i = 0;

    while (i < n && !is_plain(s))
        step(s, bytes[i++]);
    if (i < n)
        give_text(s, bytes + i, n - i);
    split_flush(s);
    return s->failed ? -1 : 0;
}

void split_forgo_calls(struct split *s)
{
    if (s->o.format && !in_text(s))
        split_call_forgo(s);
    s->o.format = NULL;
}

int split_end(struct split *s)
{
    size_t gap;

    if (!in_text(s))
        split_call_end(s);
    gap = s->after ? gap_before(s) : 0;
    if (s->held.len > gap)
        give_text(s, s->held.data + gap, s->held.len - gap);
    buf_clear(&s->held);
    s->gap = 0;
    split_flush(s);
    return s->failed ? -1 : 0;
}

bool split_is_thinking(const struct split *s)
{
    return s->state == AT_THOUGHT;
}

uint32_t split_n_calls(const struct split *s)
{
    return s->n_calls;
}

bool split_in_call(const struct split *s)
{
    return s->state == AT_NAME || s->state == AT_ARGS || s->state == AT_OBJECT;
}
