/* json_load.c - see json_load.h. No state. */
#include "api/json_load.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define INT64_DIGITS 19
/* In the place of jansson's "<buffer>". */
#define TOO_MANY "<too many values>"
#define MARKED   "<byte order mark>"

/* Bytes by jansson 2.14 and the allocator: what each mark makes or announces. */
enum {
    OBJECT_BYTES = 224, /* with the table of its keys */
    ARRAY_BYTES = 128,  /* with its first places */
    TEXT_BYTES = 48,
    KEY_BYTES = 32,  /* beside its text */
    NEXT_BYTES = 48, /* a number or a text's value, and its place */
};

/* Where the text that begins behind a quote ends: at its closing quote, or `end`. */
static const char *end_of_text(const char *p, const char *end)
{
    const char *quote = p;

    while ((quote = memchr(quote, '"', (size_t)(end - quote)))) {
        const char *back = quote;

        while (back > p && back[-1] == '\\')
            back--;
        if ((quote - back) % 2 == 0)
            return quote;
        quote++;
    }
    return end;
}

uint64_t json_tree_bytes(const char *text, size_t n)
{
    static const unsigned char takes[256] = {['{'] = OBJECT_BYTES,
                                             ['['] = ARRAY_BYTES,
                                             [':'] = KEY_BYTES,
                                             [','] = NEXT_BYTES,
                                             ['"'] = TEXT_BYTES};
    uint64_t sum = 0;

    for (const char *p = text, *end = text + n; p < end; p++) {
        sum += takes[(unsigned char)*p];
        if (*p == '"' && (p = end_of_text(p + 1, end)) == end)
            break;
    }
    return sum;
}

static void say_too_many(uint64_t bytes, json_error_t *why)
{
    char takes[32], most[32];

    *why = (json_error_t){.line = 1, .source = TOO_MANY};
    snprintf(why->text, sizeof why->text,
             "it has so many values that they would take %s of memory, and %s are allowed",
             str_human_bytes(bytes, takes, sizeof takes),
             str_human_bytes(JSON_TREE_MAX, most, sizeof most));
    why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
}

/* jansson passes over one behind a number or a word: {"n":1<NUL>} was an object. */
static void say_nul(const char *text, const char *nul, json_error_t *why)
{
    const char *line = text;

    *why = (json_error_t){.line = 1, .position = (int)(nul - text), .source = "<buffer>"};
    for (const char *p; (p = memchr(line, '\n', (size_t)(nul - line))); line = p + 1)
        why->line++;
    why->column = (int)(nul - line) + 1;
    snprintf(why->text, sizeof why->text, "a NUL byte, which JSON has nowhere");
    why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_null_character;
}

/* What Windows' editors put before a text; nobody sees it (RFC 8259, section 8.1). */
static bool has_mark(const char *text, size_t n)
{
    return n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
}

static void say_mark(json_error_t *why)
{
    *why = (json_error_t){.line = 1, .column = 1, .source = MARKED};
    str_copy(why->text, sizeof why->text, "it begins with a byte order mark");
    why->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_invalid_syntax;
}

/* ---- integers beyond 64 bits --------------------------------------------- */

/* Digits that jansson takes for an integer, and has no place for. */
static bool is_too_wide(const char *number, size_t n)
{
    bool minus = n && *number == '-';
    const char *digits = number + minus,
               *most = minus ? "9223372036854775808" : "9223372036854775807";
    size_t n_digits = n - minus;

    for (size_t i = 0; i < n_digits; i++)
        if (digits[i] < '0' || digits[i] > '9')
            return false;
    return n_digits > INT64_DIGITS ||
           (n_digits == INT64_DIGITS && memcmp(digits, most, INT64_DIGITS) > 0);
}

/* A text, a number, or one byte between those. */
static size_t token_len(const char *p, const char *end)
{
    const char *q = p + 1;

    if (*p == '"') {
        q = end_of_text(q, end);
        return (size_t)(q - p) + (q < end);
    }
    if (strchr("-0123456789", *p))
        while (q < end && strchr("0123456789-+.eE", *q))
            q++;
    return (size_t)(q - p);
}

/* The text with "e0" behind each such number, or in the place of its last two digits: so it is a
 * real. */
static void put_wide(struct buf *out, const char *text, size_t n, bool all_digits)
{
    const char *end = text + n, *from = text;
    size_t len;

    for (const char *p = text; p < end; p += len) {
        len = token_len(p, end);
        if (!is_too_wide(p, len))
            continue;
        buf_put(out, from, (size_t)(p - from) + len - (all_digits ? 0 : 2));
        buf_puts(out, "e0");
        from = p + len;
    }
    buf_put(out, from, (size_t)(end - from));
}

static json_t *load_put(struct buf *text, size_t flags, json_error_t *why)
{
    json_t *root = buf_failed(text) ? NULL : json_guard_load(text->data, text->len, flags, why);

    buf_done(text);
    return root;
}

/* A fault is told with its place in the text as it came: of one that has as many bytes. */
static json_t *load_wide(const char *text, size_t n, size_t flags, json_error_t *why)
{
    json_error_t other = *why;
    struct buf wide;
    json_t *root;

    buf_init(&wide, n + n / INT64_DIGITS * 2);
    put_wide(&wide, text, n, true);
    root = load_put(&wide, flags, why);
    if (root)
        return root;
    put_wide(&wide, text, n, false);
    root = load_put(&wide, flags, &other);
    if (!root)
        *why = other;
    json_decref(root);
    return NULL;
}

json_t *json_load_bounded(const char *text, size_t n, size_t flags, json_error_t *why)
{
    uint64_t bytes = json_tree_bytes(text, n);
    const char *nul = n ? memchr(text, '\0', n) : NULL;
    json_error_t unasked = {0};
    json_t *root;

    why = why ? why : &unasked;
    if (nul) {
        say_nul(text, nul, why);
        return NULL;
    }
    if (has_mark(text, n)) {
        say_mark(why);
        return NULL;
    }
    if (bytes > JSON_TREE_MAX) {
        say_too_many(bytes, why);
        return NULL;
    }
    root = json_guard_load(text, n, flags, why);
    if (!root && json_error_code(why) == json_error_numeric_overflow)
        root = load_wide(text, n, flags, why);
    return root;
}

bool json_is_too_many(const json_error_t *why)
{
    return str_eq(why->source, TOO_MANY);
}

const char *json_fault_text(const json_error_t *why)
{
    if (str_eq(why->source, MARKED))
        return "it begins with a byte order mark: save it as UTF-8 without one";
    switch (json_error_code(why)) {
    case json_error_premature_end_of_input:
        return "it ends too early";
    case json_error_invalid_utf8:
        return "it is not UTF-8";
    case json_error_numeric_overflow:
        return "a number is too large";
    case json_error_duplicate_key:
        return "a field is there twice";
    case json_error_null_byte_in_key:
    case json_error_null_character:
        return "it holds a NUL";
    case json_error_stack_overflow:
        return "it is nested too deeply";
    case json_error_end_of_input_expected:
        return "something follows the object";
    case json_error_out_of_memory:
        return "there is no memory for it";
    default:
        return "its syntax is wrong";
    }
}
