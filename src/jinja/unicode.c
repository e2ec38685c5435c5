/* unicode.c - see unicode.h. */
#include "jinja/unicode.h"

#include "base/utf8.h"

struct range {
    uint32_t first, last;
};

/* Letters in capital and small form: by a fixed distance, or side by side. */
struct case_range {
    uint32_t first, last; /* of the capitals (side by side: of all) */
    int32_t to_small;     /* 0 = side by side, the first of each pair being the capital */
};

static const struct case_range cases[] = {
    {'A', 'Z', 32},      {0xc0, 0xd6, 32},     {0xd8, 0xde, 32},     {0x100, 0x12f, 0},
    {0x132, 0x137, 0},   {0x139, 0x148, 0},    {0x14a, 0x177, 0},    {0x178, 0x178, -121},
    {0x179, 0x17e, 0},   {0x386, 0x386, 38},   {0x388, 0x38a, 37},   {0x38c, 0x38c, 64},
    {0x38e, 0x38f, 63},  {0x391, 0x3a1, 32},   {0x3a3, 0x3ab, 32},   {0x400, 0x40f, 80},
    {0x410, 0x42f, 32},  {0x460, 0x481, 0},    {0x48a, 0x4bf, 0},    {0x4c0, 0x4c0, 15},
    {0x4c1, 0x4ce, 0},   {0x4d0, 0x52f, 0},    {0x531, 0x556, 48},   {0x1e00, 0x1e95, 0},
    {0x1ea0, 0x1eff, 0}, {0x2c00, 0x2c2f, 48}, {0xff21, 0xff3a, 32}, {0x10400, 0x10427, 40},
};

static const struct range spaces[] = {
    {0x09, 0x0d},     {0x1c, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},     {0x1680, 0x1680},
    {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
};

/* Control, format, separator and private characters: what repr() spells as an escape. */
static const struct range hidden[] = {
    {0x00, 0x1f},     {0x7f, 0xa0},       {0xad, 0xad},        {0x600, 0x605},   {0x61c, 0x61c},
    {0x6dd, 0x6dd},   {0x1680, 0x1680},   {0x180e, 0x180e},    {0x2000, 0x200f}, {0x2028, 0x202f},
    {0x205f, 0x206f}, {0x3000, 0x3000},   {0xd800, 0xf8ff},    {0xfeff, 0xfeff}, {0xfff0, 0xfffb},
    {0xfffe, 0xffff}, {0xe0000, 0xe00ff}, {0xe01f0, 0x10ffff},
};

/* Signs of the planes that texts use most; beyond ASCII all else counts as a letter. */
static const struct range signs[] = {
    {0x80, 0xa9},     {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},     {0xd7, 0xd7},
    {0xf7, 0xf7},     {0x2000, 0x206f}, {0x20a0, 0x20ff}, {0x2190, 0x2bff}, {0x3000, 0x3004},
    {0x3008, 0x3020}, {0xd800, 0xf8ff}, {0xfe00, 0xfe0f}, {0xff00, 0xff20}, {0x1f000, 0x1faff},
};

#define IN(table, code) in_ranges(table, sizeof(table) / sizeof *(table), code)

static bool in_ranges(const struct range *table, size_t n, uint32_t code)
{
    for (size_t i = 0; i < n; i++)
        if (code >= table[i].first && code <= table[i].last)
            return true;
    return false;
}

uint32_t unicode_at(const char *s, size_t *n_bytes)
{
    const unsigned char first = (unsigned char)s[0];
    const int n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    *n_bytes = (size_t)n;
    return utf8_code(s, n);
}

size_t unicode_put(uint32_t code, char dst[UNICODE_MAX_BYTES])
{
    return (size_t)utf8_put(code, dst);
}

bool unicode_valid(uint32_t code)
{
    return code <= UNICODE_MAX && (code < 0xd800 || code > 0xdfff);
}

/* Every byte but a continuation begins a character. */
static bool begins(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

size_t unicode_count(const char *s, size_t n_bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < n_bytes; i++)
        n += begins(s[i]);
    return n;
}

size_t unicode_offset(const char *s, size_t n_bytes, size_t index)
{
    size_t n = 0;

    for (size_t i = 0; i < n_bytes; i++)
        if (begins(s[i]) && n++ == index)
            return i;
    return n_bytes;
}

bool unicode_space(uint32_t code)
{
    return IN(spaces, code);
}

bool unicode_printable(uint32_t code)
{
    return !IN(hidden, code);
}

bool unicode_digit(uint32_t code)
{
    return code >= '0' && code <= '9';
}

bool unicode_alpha(uint32_t code)
{
    if (code < 0x80)
        return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
    return !IN(signs, code);
}

uint32_t unicode_lower(uint32_t code)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct case_range *c = &cases[i];

        if (code < c->first || code > c->last)
            continue;
        if (c->to_small)
            return (uint32_t)((int32_t)code + c->to_small);
        return (code - c->first) % 2 == 0 ? code + 1 : code;
    }
    return code;
}

uint32_t unicode_upper(uint32_t code)
{
    if (code == 0xb5)
        return 0x39c;
    if (code == 0x3c2)
        return 0x3a3;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct case_range *c = &cases[i];
        uint32_t large = (uint32_t)((int32_t)code - c->to_small);

        if (large < c->first || large > c->last)
            continue;
        if (c->to_small)
            return large;
        return (code - c->first) % 2 == 1 ? code - 1 : code;
    }
    return code;
}

bool unicode_is_upper(uint32_t code)
{
    return unicode_lower(code) != code;
}

bool unicode_is_lower(uint32_t code)
{
    return unicode_upper(code) != code || code == 0xdf;
}

size_t unicode_leading_space(const char *s, size_t n_bytes)
{
    size_t at = 0, n;

    while (at < n_bytes && unicode_space(unicode_at(s + at, &n)))
        at += n;
    return at;
}

size_t unicode_trailing_space(const char *s, size_t n_bytes)
{
    size_t end = n_bytes, n;

    while (end > 0) {
        size_t at = end - 1;

        while (at > 0 && !begins(s[at]))
            at--;
        if (!unicode_space(unicode_at(s + at, &n)))
            break;
        end = at;
    }
    return n_bytes - end;
}
