/* constrain_text.c - see constrain_text.h. The notation is llama.cpp's GBNF. */
#include "chat/constrain_text.h"

#include <stdlib.h>
#include <string.h>

#include "api/inference.h"
#include "base/str.h"
#include "grammar/schema.h"

/* Characters that stand for themselves in strings and classes but for these. */
static void put_char(struct buf *out, char c)
{
    if (c == '\n')
        buf_puts(out, "\\n");
    else if (strchr("\"\\[]^-", c))
        buf_printf(out, "\\x%02x", (unsigned char)c);
    else
        buf_putc(out, c);
}

/* A string literal with a blank behind it; nothing for NULL. */
static void put_literal(struct buf *out, const char *text)
{
    if (!text || !*text)
        return;
    buf_putc(out, '"');
    for (; *text; text++)
        put_char(out, *text);
    buf_puts(out, "\" ");
}

/* ---- thoughts ------------------------------------------------------------ */

/* How much of the mark a text ends with that ended with n bytes of it, one byte c later. */
static size_t next_state(const char *mark, size_t n, char c)
{
    for (size_t k = n + 1; k > 0; k--)
        if (mark[k - 1] == c && memcmp(mark, mark + n + 1 - k, k - 1) == 0)
            return k;
    return 0;
}

static bool came_before(const char *mark, size_t i)
{
    return memchr(mark, mark[i], i) != NULL;
}

/* The rule of the state in which n bytes of the mark have come. */
static void put_state(struct buf *out, const char *mark, size_t n)
{
    size_t len = strlen(mark);

    buf_printf(out, "s%zu ::= [^", n);
    for (size_t i = 0; i < len; i++)
        if (!came_before(mark, i))
            put_char(out, mark[i]);
    buf_puts(out, "] s0");
    for (size_t i = 0; i < len; i++) {
        if (came_before(mark, i))
            continue;
        buf_puts(out, " | [");
        put_char(out, mark[i]);
        if (next_state(mark, n, mark[i]) == len)
            buf_puts(out, "]");
        else
            buf_printf(out, "] s%zu", next_state(mark, n, mark[i]));
    }
    buf_putc(out, '\n');
}

void constrain_put_thought(struct buf *out, const char *mark)
{
    buf_puts(out, "root ::= s0\n");
    for (size_t n = 0; n < strlen(mark); n++)
        put_state(out, mark, n);
}

/* ---- calls --------------------------------------------------------------- */

/* The names that may come, as alternatives. */
static void put_names(struct buf *out, const json_t *tools, const char *name)
{
    size_t n = json_array_size(tools);

    buf_puts(out, "( ");
    for (size_t i = 0; i < n; i++) {
        const char *tool = inference_tool_name(tools, i);

        if (name && !str_eq(tool, name))
            continue;
        buf_puts(out, i && !name ? "| " : "");
        put_literal(out, tool);
    }
    buf_puts(out, ") ");
}

/* As between the parts of a schema's objects (grammar/schema.h): nothing, a blank, or a line feed
 * and an indent. */
static void put_blanks(struct buf *out)
{
    buf_printf(out, "( \" \" | \"\\n\" [ \t]{0,%d} )? ", SCHEMA_MAX_INDENT);
}

static void put_json_head(struct buf *out, const struct chat_format *f, const json_t *tools,
                          const char *name, bool free_blanks)
{
    const char *blank = free_blanks ? "\" \"? " : "\" \" ";

    put_literal(out, "{");
    if (free_blanks)
        put_blanks(out);
    put_literal(out, "\"");
    put_literal(out, f->name_key);
    put_literal(out, "\":");
    buf_puts(out, blank);
    put_literal(out, "\"");
    put_names(out, tools, name);
    put_literal(out, "\",");
    if (free_blanks)
        put_blanks(out);
    else
        buf_puts(out, blank);
    put_literal(out, "\"");
    put_literal(out, f->args_key);
    put_literal(out, "\":");
    buf_puts(out, blank);
}

static void put_named_head(struct buf *out, const struct chat_format *f, const json_t *tools,
                           const char *name)
{
    if (f->id_end) {
        buf_puts(out, "[a-z0-9]{10} ");
        put_literal(out, f->id_end);
    }
    put_literal(out, f->name_begin);
    put_names(out, tools, name);
    if (f->numbered) { /* Kimi's names end with the number of the call */
        put_literal(out, f->id_sign);
        buf_puts(out, "[0-9] ");
    }
    put_literal(out, f->name_end);
}

/* From the beginning of one call, or behind call_open, to its arguments. */
static void put_call_head(struct buf *out, const struct chat_format *f, const json_t *tools,
                          const char *name, bool free_blanks)
{
    if (f->each) {
        put_literal(out, f->open);
        put_literal(out, f->gap);
    }
    if (f->shape == CALL_JSON)
        put_json_head(out, f, tools, name, free_blanks);
    else
        put_named_head(out, f, tools, name);
}

static void put_call_tail(struct buf *out, const struct chat_format *f)
{
    if (f->shape == CALL_JSON)
        put_literal(out, "}");
    put_literal(out, f->call_close);
    if (f->each) {
        put_literal(out, f->gap);
        put_literal(out, f->close);
    }
}

void constrain_put_head(struct buf *out, const struct chat_format *f, const json_t *tools,
                        const char *name, bool beside_text)
{
    buf_puts(out, "root ::= ");
    if (!f->each)
        put_literal(out, f->open);
    if (f->list)
        put_literal(out, "[");
    put_literal(out, f->opened ? NULL : f->call_open);
    put_call_head(out, f, tools, name, beside_text && chat_format_is_bare(f));
    buf_putc(out, '\n');
}

void constrain_put_tail(struct buf *out, const struct chat_format *f, const json_t *tools,
                        bool more)
{
    bool spaced = f->each || chat_format_is_bare(f);

    buf_puts(out, "root ::= ");
    put_call_tail(out, f);
    buf_puts(out, "( ");
    if (f->list)
        put_literal(out, "]");
    if (!f->each)
        put_literal(out, f->close);
    if (!f->list && (f->each || !f->close))
        buf_puts(out, "\"\" "); /* nothing more */
    if (more) {
        buf_puts(out, "| ");
        put_literal(out, f->list ? ", " : spaced ? "\n" : NULL);
        put_literal(out, f->call_open);
        put_call_head(out, f, tools, NULL, false);
    }
    buf_puts(out, ")\n");
}

/* Does the text hold before, name and after, one behind the other? */
static bool holds(const char *text, const char *before, const char *name, const char *after)
{
    char *all = str_printf("%s%s%s", before ? before : "", name, after ? after : "");
    bool found = all && strstr(text, all);

    free(all);
    return found;
}

int constrain_find_tool(const struct chat_format *f, const json_t *tools, const char *text)
{
    bool json = f->shape == CALL_JSON;
    const char *before = json            ? "\""
                         : f->opened     ? NULL
                         : f->id_end     ? f->id_end
                         : f->name_begin ? f->name_begin
                                         : f->call_open;
    const char *after = json ? "\"," : f->numbered ? f->id_sign : f->name_end;
    int found = -1;
    size_t longest = 0;

    for (size_t i = 0; i < json_array_size(tools); i++) {
        const char *name = inference_tool_name(tools, i);

        if (strlen(name) > longest && holds(text, before, name, after)) {
            found = (int)i;
            longest = strlen(name);
        }
    }
    return found;
}
