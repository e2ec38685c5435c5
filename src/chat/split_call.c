/*
 * split_call.c - reads one tool call, or a list of them, byte by byte; see split.h.
 *
 * What was read of a call waits in `raw` until its name and the beginning of its arguments are
 * known. From then on arguments are given as they come; `raw` then holds what came behind them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "chat/split_internal.h"
#include "chat/written.h"

/* One more byte of what is being read: without a place for it the text is not whole. */
static void keep(struct split *s, char c)
{
    if (buf_putc(&s->raw, c))
        s->failed = true;
}

static void begin_object(struct split *s)
{
    s->object = (struct split_object){.begin = s->raw.len, .scan.lax = true};
    s->told = false;
}

void split_call_begin(struct split *s)
{
    s->in_list = false;
    begin_object(s);
}

/* It is no call, or no more of one: what waits is content. */
static bool give_up(struct split *s)
{
    s->state = AT_TEXT;
    if (s->raw.len) {
        split_give(s, SPLIT_CONTENT, s->raw.data, s->raw.len);
        s->begun = true;
        s->after = false;
    }
    buf_clear(&s->raw);
    return false;
}

static void tell_call(struct split *s, const char *name)
{
    split_flush(s);
    s->n_calls++;
    split_give(s, SPLIT_CALL, name, strlen(name));
    split_flush(s);
    s->told = true;
    s->begun = false;
    s->after = true;
    buf_clear(&s->raw);
}

static bool has_tool(const struct split *s, const char *name)
{
    json_t *tool;
    size_t i;

    json_array_foreach(s->o.tools, i, tool)
    {
        const json_t *function = json_object_get(tool, "function");

        if (str_eq(json_string_value(json_object_get(function, "name")), name))
            return true;
    }
    return false;
}

/* Where marks say that this is a call, any name will do; those of content, too, say no such thing.
 */
static bool is_name(const struct split *s, const char *name)
{
    return name[0] &&
           ((!chat_format_is_bare(s->o.format) && !s->o.format->opened) || has_tool(s, name));
}

/* A call is complete. */
static void close_call(struct split *s)
{
    s->state = s->in_list ? AT_NEXT : AT_CLOSE;
    s->n_closed = 0;
    if (s->told)
        buf_clear(&s->raw);
}

/* ---- JSON objects with a name in them ------------------------------------ */

/* The JSON value that is raw[from..to). */
static json_t *value_of(struct split *s, size_t from, size_t to)
{
    return written_value(s->raw.data + from, to - from, &s->failed);
}

static bool key_is(const struct split *s, const char *name)
{
    const struct split_object *o = &s->object;
    size_t n = strlen(name);

    return o->key_end - o->key == n + 2 && memcmp(s->raw.data + o->key + 1, name, n) == 0;
}

static bool is_name_key(const struct split *s)
{
    return key_is(s, s->o.format->name_key) || key_is(s, "name");
}

static bool is_args_key(const struct split *s)
{
    return key_is(s, "arguments") || key_is(s, "parameters");
}

/* Objects that are no call are known by their first key, so that they need not wait. */
static bool may_be_key(const struct split *s)
{
    return is_name_key(s) || is_args_key(s) || key_is(s, "type") || key_is(s, "function") ||
           key_is(s, "id") || key_is(s, "tool_call_id");
}

/* The name's value has ended: false when it is none. */
static bool take_name(struct split *s)
{
    struct split_object *o = &s->object;
    json_t *v = value_of(s, o->value, s->raw.len);
    bool fits = json_is_string(v) && json_string_length(v) <= SPLIT_NAME_MAX &&
                !memchr(json_string_value(v), '\0', json_string_length(v));

    if (fits)
        str_copy(o->name, sizeof o->name, json_string_value(v));
    json_decref(v);
    return fits && is_name(s, o->name);
}

/* The object is complete, and its arguments were not given on the way. */
static bool take_whole(struct split *s)
{
    json_t *object = value_of(s, s->object.begin, s->raw.len);
    char *args = object ? written_args(object, chat_format_is_bare(s->o.format), &s->failed) : NULL;

    if (args && s->object.name[0]) {
        tell_call(s, s->object.name);
        split_give(s, SPLIT_ARGS, args, strlen(args));
        split_flush(s);
    }
    free(args);
    json_decref(object);
    return s->told;
}

/* A member's value begins with c, which is not in `raw` yet. */
static void begin_member(struct split *s, char c)
{
    struct split_object *o = &s->object;

    o->value = s->raw.len;
    if (c == '{' && o->name[0] && !o->streamed && is_args_key(s)) {
        tell_call(s, o->name);
        o->streaming = o->streamed = true;
    }
}

/* Between two bytes of the object, at its own depth: what has ended with c? False: no call. */
static bool note_end(struct split *s, enum json_scan_state before)
{
    struct split_object *o = &s->object;

    if (before == SCAN_STRING && o->scan.state == SCAN_COLON) {
        o->key_end = s->raw.len;
        return o->streamed || may_be_key(s);
    }
    if (before == SCAN_STRING && o->scan.state == SCAN_AFTER && !o->name[0] && is_name_key(s))
        return take_name(s);
    return true;
}

/* One byte of the arguments of a call that was told, which came `at` that place in them. */
static void give_args(struct split *s, enum json_scan_state at, char c)
{
    char spelled[JSON_SCAN_ESCAPED_MAX];

    split_give(s, SPLIT_ARGS, spelled, json_scan_spell(at, c, spelled));
}

static void stream_args(struct split *s, enum json_scan_state at, char c)
{
    give_args(s, at, c);
    if (s->object.scan.depth == 1)
        s->object.streaming = false;
}

static bool step_object(struct split *s, char c)
{
    struct split_object *o = &s->object;
    enum json_scan_state before = o->scan.state;
    uint16_t depth = o->scan.depth;

    if (!json_scan_put(&o->scan, c))
        return give_up(s);
    if (depth == 1 && before == SCAN_VALUE && o->scan.state != SCAN_VALUE)
        begin_member(s, c);
    if (o->streaming) {
        stream_args(s, before, c);
        return true;
    }
    if (depth == 1 && o->scan.state == SCAN_STRING && o->scan.is_key && before != SCAN_STRING &&
        before != SCAN_ESCAPE && before != SCAN_HEX)
        o->key = s->raw.len;
    keep(s, c);
    if (depth == 1 && !o->streamed && !note_end(s, before))
        return !give_up(s);
    if (json_scan_is_complete(&o->scan)) {
        if (!s->told && !take_whole(s))
            return !give_up(s);
        close_call(s);
    }
    return true;
}

/* NAMED: behind the mark around all calls, the one before a name must come. */
static bool step_call_mark(struct split *s, char c)
{
    const char *mark = s->o.format->call_open;
    size_t n = s->raw.len - s->object.begin;

    if (n == 0 && split_is_space(c)) {
        keep(s, c);
        s->object.begin++;
        return true;
    }
    if (c != mark[n])
        return give_up(s);
    keep(s, c);
    if (mark[n + 1] == '\0') {
        s->state = AT_NAME;
        begin_object(s);
    }
    return true;
}

/* JSON: behind an opening mark, or behind a comma in a list. */
static bool step_opened(struct split *s, char c)
{
    if (split_is_space(c) || (c == '[' && !s->in_list)) {
        s->in_list = s->in_list || c == '[';
        keep(s, c);
        return true;
    }
    if (c != '{')
        return give_up(s);
    begin_object(s);
    s->state = AT_OBJECT;
    return step_object(s, c);
}

/* Behind an object of a list. */
static bool step_next(struct split *s, char c)
{
    if (c != ',' && c != ']' && !split_is_space(c))
        return give_up(s);
    keep(s, c);
    if (c == ',')
        s->state = AT_OPENED;
    if (c == ']') {
        s->state = AT_CLOSE;
        s->n_closed = 0;
        buf_clear(&s->raw);
    }
    return true;
}

/* ---- names before their arguments ---------------------------------------- */

/* Where the mark stands in the text, or NULL; NULL for no mark. */
static char *find(char *text, const char *mark)
{
    return mark ? strstr(text, mark) : NULL;
}

/* The sign and the number that the text ends with, or NULL. */
static char *find_number(char *text, const char *sign)
{
    char *at = text + strlen(text), *end;

    while (at > text && split_is_space(at[-1]))
        at--;
    for (end = at; at > text && at[-1] >= '0' && at[-1] <= '9'; at--)
        ;
    if (at == end || (size_t)(at - text) < strlen(sign))
        return NULL;
    at -= strlen(sign);
    return str_starts(at, sign) ? at : NULL;
}

/* Less the white space around it, in place. */
static char *trim(char *text)
{
    size_t n = strlen(text);

    while (n && split_is_space(text[n - 1]))
        text[--n] = '\0';
    return text + strspn(text, " \t\n\r");
}

/* What stands between the marks, less ids and prefixes; `text` is cut in place. */
static const char *bare_name(const struct chat_format *f, char *text)
{
    char *at = find(text, f->id_end);

    if (at)
        text = at + strlen(f->id_end);
    at = f->numbered ? find_number(text, f->id_sign) : find(text, f->id_sign);
    if (at)
        *at = '\0';
    if (f->name_begin && str_starts(text, f->name_begin))
        text += strlen(f->name_begin);
    return trim(text);
}

/* Content follows: what led to it is a mark. */
static void take_content(struct split *s)
{
    buf_clear(&s->raw);
    s->state = AT_TEXT;
    s->after = true;
}

/* The name is what stands in raw between the opening marks and the one that ends it. */
static bool take_marked_name(struct split *s)
{
    const struct chat_format *f = s->o.format;
    size_t end = s->raw.len - strlen(f->name_end);
    char text[SPLIT_NAME_MAX + 1];
    const char *name;

    if (end - s->object.begin > SPLIT_NAME_MAX ||
        memchr(s->raw.data + s->object.begin, '\0', end - s->object.begin))
        return false;
    memcpy(text, s->raw.data + s->object.begin, end - s->object.begin);
    text[end - s->object.begin] = '\0';
    name = bare_name(f, text);
    if (f->content && str_eq(name, f->content)) {
        take_content(s);
        return true;
    }
    if (!is_name(s, name))
        return false;
    str_copy(s->object.name, sizeof s->object.name, name);
    s->state = AT_ARGS;
    return true;
}

static bool ends_with(const struct buf *b, size_t from, const char *mark)
{
    size_t n = strlen(mark);

    return b->len - from >= n && memcmp(b->data + b->len - n, mark, n) == 0;
}

static bool step_name(struct split *s, char c)
{
    const struct chat_format *f = s->o.format;

    if (s->raw.len - s->object.begin >= SPLIT_NAME_MAX + strlen(f->name_end))
        return give_up(s);
    keep(s, c);
    if (!ends_with(&s->raw, s->object.begin, f->name_end) || take_marked_name(s))
        return true;
    return !give_up(s);
}

static bool step_args(struct split *s, char c)
{
    struct split_object *o = &s->object;
    enum json_scan_state before = o->scan.state;

    if (o->scan.depth == 0 && split_is_space(c)) {
        keep(s, c);
        return true;
    }
    if (o->scan.depth == 0 && c != '{')
        return give_up(s);
    if (!json_scan_put(&o->scan, c))
        return give_up(s);
    if (!s->told)
        tell_call(s, o->name);
    give_args(s, before, c);
    if (json_scan_is_complete(&o->scan))
        close_call(s);
    return true;
}

/* ---- behind a call ------------------------------------------------------- */

static const char *closing_mark(const struct chat_format *f)
{
    return f->shape == CALL_NAMED ? f->call_close : f->close;
}

/* What came of a mark is not one: it is text, and may be, or begin, another. */
static bool put_back(struct split *s)
{
    struct buf came = s->raw;

    if (buf_put(&came, s->held.data, s->held.len))
        s->failed = true;
    s->raw = s->held;
    s->held = came;
    s->gap = 0;
    buf_clear(&s->raw);
    s->state = AT_TEXT;
    return false;
}

/* White space, and then the closing mark, in which there may be more or less of it than the format
 * has: models are not exact about it. Whatever else comes is text again. */
static bool step_close(struct split *s, char c)
{
    const char *mark = closing_mark(s->o.format);

    while (mark && split_is_space(mark[s->n_closed]))
        s->n_closed++;
    if (!mark || (!split_is_space(c) && c != mark[s->n_closed]))
        return put_back(s);
    if (s->raw.len || !split_is_space(c))
        keep(s, c);
    if (split_is_space(c) || mark[++s->n_closed])
        return true;
    buf_clear(&s->raw);
    s->state = AT_TEXT;
    return true;
}

bool split_call_step(struct split *s, char c)
{
    switch (s->state) {
    case AT_OPENED:
        return s->o.format->shape == CALL_NAMED ? step_call_mark(s, c) : step_opened(s, c);
    case AT_NAME:
        return step_name(s, c);
    case AT_ARGS:
        return step_args(s, c);
    case AT_OBJECT:
        return step_object(s, c);
    case AT_NEXT:
        return step_next(s, c);
    case AT_CLOSE:
        return step_close(s, c);
    case AT_TEXT:
    case AT_THOUGHT:
        break;
    }
    return false;
}

void split_call_forgo(struct split *s)
{
    give_up(s);
}

void split_call_end(struct split *s)
{
    split_flush(s);
    if (s->told || (s->state == AT_CLOSE && s->raw.len == 0)) {
        buf_clear(&s->raw);
        s->state = AT_TEXT;
    } else {
        give_up(s);
    }
}
