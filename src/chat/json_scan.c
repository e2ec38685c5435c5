/* json_scan.c - see json_scan.h. */
#include "chat/json_scan.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool in_object(const struct json_scan *s)
{
    unsigned at = s->depth - 1u;

    return s->is_object[at / 8] >> (at % 8) & 1;
}

/* A value has ended. */
static void end_value(struct json_scan *s)
{
    s->state = s->depth ? SCAN_AFTER : SCAN_COMPLETE;
}

static bool open_container(struct json_scan *s, bool object)
{
    unsigned at = s->depth;
    uint8_t bit = (uint8_t)(1u << (at % 8));

    if (at == JSON_SCAN_DEPTH)
        return false;
    s->is_object[at / 8] =
        (uint8_t)(object ? s->is_object[at / 8] | bit : s->is_object[at / 8] & ~bit);
    s->depth++;
    s->state = object ? SCAN_FIRST_KEY : SCAN_FIRST_ITEM;
    return true;
}

static bool close_container(struct json_scan *s, char c)
{
    if (s->depth == 0 || c != (in_object(s) ? '}' : ']'))
        return false;
    s->depth--;
    end_value(s);
    return true;
}

static bool begin_word(struct json_scan *s, const char *rest)
{
    s->word = rest;
    s->state = SCAN_WORD;
    return true;
}

static bool begin_string(struct json_scan *s, bool key)
{
    s->is_key = key;
    s->state = SCAN_STRING;
    return true;
}

static bool begin_value(struct json_scan *s, char c)
{
    switch (c) {
    case '{':
        return open_container(s, true);
    case '[':
        return open_container(s, false);
    case '"':
        return begin_string(s, false);
    case 't':
        return begin_word(s, "rue");
    case 'f':
        return begin_word(s, "alse");
    case 'n':
        return begin_word(s, "ull");
    case '-':
        s->state = SCAN_MINUS;
        return true;
    default:
        s->state = c == '0' ? SCAN_ZERO : SCAN_INT;
        return is_digit(c);
    }
}

static bool take_after(struct json_scan *s, char c)
{
    if (c != ',')
        return close_container(s, c);
    s->state = in_object(s) ? SCAN_KEY : SCAN_VALUE;
    return true;
}

static bool take_string(struct json_scan *s, char c)
{
    if (c == '\\') {
        s->state = SCAN_ESCAPE;
    } else if (c == '"' && s->is_key) {
        s->state = SCAN_COLON;
    } else if (c == '"') {
        end_value(s);
    }
    return s->lax || (unsigned char)c >= 0x20;
}

static bool take_escape(struct json_scan *s, char c)
{
    static const char known[] = "\"\\/bfnrt";

    s->state = c == 'u' ? SCAN_HEX : SCAN_STRING;
    s->n_left = 4;
    for (const char *k = known; *k; k++)
        if (c == *k)
            return true;
    return c == 'u';
}

static bool take_hex(struct json_scan *s, char c)
{
    if (--s->n_left == 0)
        s->state = SCAN_STRING;
    return is_hex(c);
}

static bool take_word(struct json_scan *s, char c)
{
    if (c != *s->word++)
        return false;
    if (!*s->word)
        end_value(s);
    return true;
}

/* The state behind c within a number, or -1 when c is no part of it. */
static int number_state(enum json_scan_state at, char c)
{
    bool digit = is_digit(c), e = c == 'e' || c == 'E';

    switch (at) {
    case SCAN_MINUS:
        return c == '0' ? SCAN_ZERO : digit ? SCAN_INT : -1;
    case SCAN_ZERO:
        return c == '.' ? SCAN_POINT : e ? SCAN_EXP : -1;
    case SCAN_INT:
        return digit ? SCAN_INT : c == '.' ? SCAN_POINT : e ? SCAN_EXP : -1;
    case SCAN_POINT:
        return digit ? SCAN_FRACTION : -1;
    case SCAN_FRACTION:
        return digit ? SCAN_FRACTION : e ? SCAN_EXP : -1;
    case SCAN_EXP:
        return digit ? SCAN_EXP_DIGITS : c == '+' || c == '-' ? SCAN_EXP_SIGN : -1;
    case SCAN_EXP_SIGN:
    case SCAN_EXP_DIGITS:
        return digit ? SCAN_EXP_DIGITS : -1;
    default:
        return -1;
    }
}

static bool may_end_number(enum json_scan_state at)
{
    return at == SCAN_ZERO || at == SCAN_INT || at == SCAN_FRACTION || at == SCAN_EXP_DIGITS;
}

/* A number ends where something else begins. */
static bool take_number(struct json_scan *s, char c)
{
    int next = number_state(s->state, c);

    if (next >= 0) {
        s->state = (enum json_scan_state)next;
        return true;
    }
    if (!may_end_number(s->state))
        return false;
    end_value(s);
    return json_scan_put(s, c);
}

/* Between tokens, where white space may stand. */
static bool take_between(struct json_scan *s, char c)
{
    if (is_space(c))
        return true;
    switch (s->state) {
    case SCAN_FIRST_ITEM:
        return c == ']' ? close_container(s, c) : begin_value(s, c);
    case SCAN_FIRST_KEY:
        return c == '}' ? close_container(s, c) : c == '"' && begin_string(s, true);
    case SCAN_KEY:
        return c == '"' && begin_string(s, true);
    case SCAN_COLON:
        s->state = SCAN_VALUE;
        return c == ':';
    case SCAN_AFTER:
        return take_after(s, c);
    case SCAN_VALUE:
        return begin_value(s, c);
    default:
        return false;
    }
}

bool json_scan_put(struct json_scan *s, char c)
{
    switch (s->state) {
    case SCAN_STRING:
        return take_string(s, c);
    case SCAN_ESCAPE:
        return take_escape(s, c);
    case SCAN_HEX:
        return take_hex(s, c);
    case SCAN_WORD:
        return take_word(s, c);
    case SCAN_MINUS:
    case SCAN_ZERO:
    case SCAN_INT:
    case SCAN_POINT:
    case SCAN_FRACTION:
    case SCAN_EXP:
    case SCAN_EXP_SIGN:
    case SCAN_EXP_DIGITS:
        return take_number(s, c);
    default:
        return take_between(s, c);
    }
}

size_t json_scan_spell(enum json_scan_state at, char c, char out[JSON_SCAN_ESCAPED_MAX])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char byte = (unsigned char)c;

    if (at != SCAN_STRING || byte >= 0x20) {
        out[0] = c;
        return 1;
    }
    memcpy(out, "\\u00", 4);
    out[4] = digits[byte >> 4];
    out[5] = digits[byte & 15];
    if (c != '\n' && c != '\t' && c != '\r')
        return 6;
    out[1] = c == '\n' ? 'n' : c == '\t' ? 't' : 'r';
    return 2;
}
