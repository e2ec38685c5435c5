/*
 * edit.c - changes one line of [nodes] in a config file and leaves every other byte alone.
 *
 * Works on text that config_parse_text has accepted. Lines are told apart as inih does: blanks
 * around, ';' and '#' begin comments, behind a value a blank and ';' do, "[x]" a section, '=' or
 * ':' ends a key.
 */
#include "config/internal.h"

#include <ctype.h>
#include <ini.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"

struct line {
    const char *start; /* first byte that is not blank */
    size_t n;          /* from `start` to the line's end, without '\n' */
    const char *next;  /* the byte behind the line, its '\n' included */
};

static struct line line_at(const char *p)
{
    const char *end = p + strcspn(p, "\n");
    struct line l = {.start = p, .next = *end ? end + 1 : end};

    while (l.start < end && isspace((unsigned char)*l.start))
        l.start++;
    l.n = (size_t)(end - l.start);
    return l;
}

static bool is_section(const struct line *l, bool *is_nodes)
{
    static const char nodes[] = "[nodes]";

    if (l->n == 0 || l->start[0] != '[')
        return false;
    *is_nodes = l->n >= sizeof nodes - 1 && strncmp(l->start, nodes, sizeof nodes - 1) == 0;
    return true;
}

static bool is_key(const struct line *l, const char *name)
{
    size_t n = strlen(name), i = n;

    if (l->n <= n || strncasecmp(l->start, name, n) != 0)
        return false;
    while (i < l->n && isspace((unsigned char)l->start[i]))
        i++;
    return i < l->n && (l->start[i] == '=' || l->start[i] == ':');
}

/*
 * Where the change goes: the line of the node itself (*from..*to), else the place behind the last
 * line of [nodes] that says something (*from == *to); false when there is no such section.
 */
static bool find_place(const char *text, const char *name, size_t *from, size_t *to)
{
    bool in_nodes = false, found = false;
    const char *first = str_starts(text, "\xef\xbb\xbf") ? text + 3 : text; /* a byte order mark */

    for (const char *p = first; *p;) {
        struct line l = line_at(p);
        bool section = is_section(&l, &in_nodes);

        if (in_nodes && !section && is_key(&l, name)) {
            *from = (size_t)(p - text);
            *to = (size_t)(l.next - text);
            return true;
        }
        if (in_nodes && l.n > 0) {
            *from = *to = (size_t)(l.next - text);
            found = true;
        }
        p = l.next;
    }
    return found;
}

/* Of a line of a node's: the comment behind its value with the blanks before it; "" = none. */
static struct line comment_of(const char *line)
{
    const char *end = line + strcspn(line, "\n");
    struct line l = {.start = end, .next = end};

    for (const char *p = line + 1; p < end && l.n == 0; p++) {
        if (*p != ';' || !isspace((unsigned char)p[-1]))
            continue;
        while (p > line && isspace((unsigned char)p[-1]))
            p--;
        l.start = p;
        l.n = (size_t)(end - p);
    }
    return l;
}

/* "name = value", and behind it, or above it, the old line's comment. */
static void put_node(struct buf *out, const char *name, const char *value,
                     const struct line *comment)
{
    bool fits = strlen(name) + strlen(" = ") + strlen(value) + comment->n <= CONFIG_LINE_MAX;

    if (!fits) {
        buf_put(out, comment->start, comment->n);
        buf_putc(out, '\n');
    }
    buf_printf(out, "%s = %s", name, value);
    if (fits)
        buf_put(out, comment->start, comment->n);
    buf_putc(out, '\n');
}

char *config_edit_node(const char *text, const char *name, const char *value)
{
    size_t n = strlen(text), from = n, to = n;
    bool have_section = find_place(text, name, &from, &to);
    struct line comment = comment_of(from < to ? text + from : "");
    struct buf out;

    buf_init(&out, 2 * (size_t)CONFIG_FILE_MAX);
    buf_put(&out, text, from);
    if (value && out.len && out.data[out.len - 1] != '\n')
        buf_putc(&out, '\n');
    if (value && !have_section)
        buf_puts(&out, out.len ? "\n[nodes]\n" : "[nodes]\n");
    if (value)
        put_node(&out, name, value, &comment);
    buf_put(&out, text + to, n - to);
    if (out.len == 0 && !out.failed) {
        buf_done(&out);
        return str_dup("");
    }
    return buf_take(&out);
}
