/*
 * fuzz_tool_calls.c - an answer's text to its parts: a byte that chooses how calls are written, one
 * for the marks of thoughts (and 1 << 7: the prompt opened one), one that seeds the cuts, and the
 * text. Whole and cut into pieces it must give the same parts; what is said or thought was in the
 * text, in this order; arguments are JSON as far as they go.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "chat/json_scan.h"
#include "chat/split.h"

#define TEXT_MAX 16384 /* so that one run stays fast */
#define OUT_MAX  ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Texts of templates that stand for their formats; NULL is for no format at all. */
static const char *const templates[] = {
    "<tool_call> arguments",
    "<TOOLCALL>[",
    "<|START_ACTION|> tool_name",
    "[TOOL_CALLS] [ARGS]",
    "[TOOL_CALLS]",
    "<|tool_calls_section_begin|> <|tool_call_argument_begin|>",
    "<｜tool▁call▁begin｜> <｜tool▁sep｜> ```json",
    "<｜tool▁call▁begin｜> <｜tool▁sep｜>",
    "<|tool_call:begin|> <|tool_call:name|>",
    "<|tool_call|> JSON list of tools",
    "'function call' <|role_sep|> \"arguments\": ",
    "<|start_header_id|> {\"name\": \"parameters\": ",
    "",
    NULL,
    ">>>all >>>${recipient}",
};
static const char *const thoughts[] = {"",        "</think>",     "<|START_THINKING|>",
                                       "[THINK]", "<seed:think>", "<|think|>"};

/* What came out of one run. */
struct heard {
    struct buf parts; /* all of it: kinds, indexes, texts; neighbours of a kind are one */
    int kind;         /* of the last part, -1: none */
    const char *text; /* where in the input the next content or thought is to be looked for */
    const char *end;
    uint32_t n_calls;
    struct json_scan scan; /* of the call at hand */
    struct buf args;
};

static void hear_args(struct heard *h, const struct split_piece *p)
{
    BUG_ON(p->index + 1 != h->n_calls);
    BUG_ON(h->args.len == 0 && p->text[0] != '{');
    for (size_t i = 0; i < p->n; i++)
        BUG_ON(!json_scan_put(&h->scan, p->text[i]));
    buf_put(&h->args, p->text, p->n);
}

/* Arguments that are complete must be what JSON readers take, too. */
static void close_args(struct heard *h)
{
    json_error_t e = {0};
    json_t *args;

    if (h->args.len && json_scan_is_complete(&h->scan) && !strstr(buf_str(&h->args), "\\u")) {
        args = json_loadb(h->args.data, h->args.len, JSON_ALLOW_NUL, &e);
        BUG_ON(!args && json_error_code(&e) != json_error_numeric_overflow);
        json_decref(args);
    }
    h->scan = (struct json_scan){0};
    buf_clear(&h->args);
}

/* Content and thoughts are bytes of the input, in its order. */
static void find_in_text(struct heard *h, const struct split_piece *p)
{
    for (size_t i = 0; i < p->n; i++) {
        while (h->text < h->end && *h->text != p->text[i])
            h->text++;
        BUG_ON(h->text++ == h->end);
    }
}

static void hear(void *arg, const struct split_piece *p)
{
    struct heard *h = arg;

    BUG_ON(p->n == 0);
    if (p->kind == SPLIT_CALL) {
        BUG_ON(p->index != h->n_calls++ || memchr(p->text, '\0', p->n));
        close_args(h);
    } else if (p->kind == SPLIT_ARGS) {
        hear_args(h, p);
    } else {
        find_in_text(h, p);
    }
    if (p->kind == SPLIT_CALL || h->kind != (int)p->kind)
        buf_printf(&h->parts, "\n%d:", (int)p->kind);
    buf_put(&h->parts, p->text, p->n);
    h->kind = (int)p->kind;
}

/* Bytes up to the next cut, behind a whole character. */
static size_t piece_of(const char *text, size_t n, uint32_t *seed)
{
    size_t piece = n;

    *seed = *seed * 1664525 + 1013904223; /* Numerical Recipes' generator */
    if (piece > (*seed >> 29) + 1)
        piece = (*seed >> 29) + 1;
    while (piece < n && ((unsigned char)text[piece] & 0xc0) == 0x80)
        piece++;
    return piece;
}

static void run(const struct split_options *how, const char *text, size_t n, uint32_t seed,
                struct heard *h)
{
    struct split_options o = *how;
    struct split *s;

    *h = (struct heard){.kind = -1, .text = text, .end = text + n};
    buf_init(&h->parts, OUT_MAX);
    buf_init(&h->args, OUT_MAX);
    o.give = hear;
    o.arg = h;
    BUG_ON(split_create(&o, &s, NULL));
    while (n) {
        size_t piece = seed ? piece_of(text, n, &seed) : n;

        BUG_ON(split_put(s, text, piece));
        BUG_ON(split_n_calls(s) != h->n_calls);
        text += piece;
        n -= piece;
    }
    BUG_ON(split_end(s) || split_in_call(s));
    split_free(s);
    close_args(h);
    buf_done(&h->args);
    BUG_ON(buf_failed(&h->parts));
}

/* A copy in which all is UTF-8, as an answer's text is. */
static void put_text(struct buf *text, const char *bytes, size_t n)
{
    while (n) {
        int len = utf8_len(bytes, n);

        if (len > 0)
            buf_put(text, bytes, (size_t)len);
        else
            buf_putc(text, '?');
        bytes += len > 0 ? len : 1;
        n -= len > 0 ? (size_t)len : 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *tools;
    struct split_options how = {0};
    struct heard whole, pieces;
    const char *template;
    struct buf text;

    if (!tools)
        tools = json_pack("[{s:{s:s}}, {s:{s:s}}]", "function", "name", "f", "function", "name",
                          "get_weather");
    if (size < 3 || size > TEXT_MAX)
        return 0;
    template = templates[data[0] % (sizeof templates / sizeof templates[0])];
    how.format = template ? chat_format_of(template) : NULL;
    how.think = chat_think_of(thoughts[(data[1] & 63) % (sizeof thoughts / sizeof thoughts[0])]);
    how.thinking = data[1] >> 7;
    how.begun = data[1] >> 6 & 1;
    how.tools = tools;
    buf_init(&text, TEXT_MAX);
    put_text(&text, (const char *)data + 3, size - 3);
    run(&how, buf_str(&text), text.len, 0, &whole);
    run(&how, buf_str(&text), text.len, data[2] + 1u, &pieces);
    if (whole.parts.len != pieces.parts.len ||
        memcmp(buf_str(&whole.parts), buf_str(&pieces.parts), whole.parts.len) != 0)
        BUG("cut, it is\n%s\nand whole\n%s", buf_str(&pieces.parts), buf_str(&whole.parts));
    buf_done(&whole.parts);
    buf_done(&pieces.parts);
    buf_done(&text);
    return 0;
}
