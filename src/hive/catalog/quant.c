/*
 * quant.c - see quant.h.
 *
 * The bits are those of whole files, in which some tensors are kept in larger types: what the
 * quantise tool's own table gives for an 8-billion-parameter llama; plain types are counted from
 * their block sizes, with the larger output tensor of that model. _K_XL are makers' own mixes, a
 * little larger than the type's largest one: of files of 8 billion parameters, rounded. A name that
 * tells no more than whole bits ("q4", "int4") is given half a bit for the scales.
 */
#include "hive/catalog/quant.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "base/str.h"

static const struct {
    const char *name;
    double bits;
} known[] = {
    {"Q2_K", 3.16},   {"Q2_K_S", 2.97}, {"Q2_K_L", 3.3},  {"Q3_K_S", 3.64}, {"Q3_K_M", 4.0},
    {"Q3_K_L", 4.3},  {"Q3_K", 4.0},    {"IQ4_XS", 4.46}, {"Q4_0", 4.65},   {"Q4_K_S", 4.67},
    {"IQ4_NL", 4.68}, {"Q4_K_M", 4.89}, {"Q4_K", 4.89},   {"Q4_K_L", 5.0},  {"Q4_K_XL", 5.0},
    {"Q4_1", 5.12},   {"Q5_0", 5.57},   {"Q5_K_S", 5.57}, {"Q5_K_M", 5.7},  {"Q5_K", 5.7},
    {"Q5_K_L", 5.8},  {"Q5_1", 6.05},   {"Q6_K", 6.56},   {"Q6_K_L", 6.7},  {"Q8_0", 8.5},
    {"F16", 16},      {"FP16", 16},     {"BF16", 16},     {"F32", 32},      {"FP32", 32},
    {"Q2_K_XL", 3.4}, {"Q3_K_XL", 4.4}, {"Q5_K_XL", 5.8}, {"Q6_K_XL", 7.3}, {"Q8_K_XL", 10.5},
};

#define SPLIT_TAIL_LEN 15 /* "-00001-of-00002" */
#define GGUF_TAIL_LEN  5  /* ".gguf" */
#define SPLIT_DIGITS   5
#define SCALE_BITS     0.5
#define UNSLOTH_PREFIX "UD-" /* a maker's own mix of types, told apart by name */

/* "Q4", "INT8": 4, 8; 0 for what is none. */
static unsigned whole_bits(const char *s, size_t n)
{
    size_t letters = n > 3 && strncasecmp(s, "INT", 3) == 0  ? 3
                     : n > 1 && (s[0] == 'Q' || s[0] == 'q') ? 1
                                                             : 0;

    if (letters == 0 || n != letters + 1 || s[letters] < '2' || s[letters] > '8')
        return 0;
    return (unsigned)(s[letters] - '0');
}

double quant_bits(const char *quant)
{
    if (str_starts(quant, UNSLOTH_PREFIX))
        quant += strlen(UNSLOTH_PREFIX);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(known[i].name, quant) == 0)
            return known[i].bits;
    return whole_bits(quant, strlen(quant)) ? whole_bits(quant, strlen(quant)) + SCALE_BITS : 0;
}

/* Q<digit>..., IQ<digit>..., TQ<digit>..., INT<digit>, MXFP4, F16, BF16, FP16, F32, FP32. */
static bool looks_like_quant(const char *s, size_t n)
{
    static const char *const floats[] = {"F16", "BF16", "FP16", "F32", "FP32", "MXFP4"};
    size_t letters = 0;

    for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++)
        if (strlen(floats[i]) == n && strncasecmp(floats[i], s, n) == 0)
            return true;
    if (whole_bits(s, n))
        return true;
    if (n > 2 && (strncasecmp(s, "IQ", 2) == 0 || strncasecmp(s, "TQ", 2) == 0))
        letters = 2;
    else if (n > 1 && (s[0] == 'Q' || s[0] == 'q'))
        letters = 1;
    return letters > 0 && n < QUANT_NAME_BYTES && n > letters + 1 &&
           isdigit((unsigned char)s[letters]) && s[letters + 1] == '_';
}

bool quant_is_gguf(const char *file_name)
{
    const char *base = path_base(file_name);
    size_t n = strlen(base);

    return n > GGUF_TAIL_LEN && strcasecmp(base + n - GGUF_TAIL_LEN, ".gguf") == 0;
}

/* Length of the name without ".gguf" and without "-00001-of-00002". */
static size_t bare_length(const char *name)
{
    size_t n = strlen(name);

    if (n >= 5 && strcasecmp(name + n - 5, ".gguf") == 0)
        n -= 5;
    if (n > 15 && name[n - 15] == '-' && strncmp(name + n - 9, "-of-", 4) == 0)
        n -= 15;
    return n;
}

/* Copies the word in upper case, with the maker's prefix when it stands before it. */
static void take_word(const char *name, size_t start, size_t end, char dst[QUANT_NAME_BYTES])
{
    size_t prefix = strlen(UNSLOTH_PREFIX);

    if (start >= prefix && strncasecmp(name + start - prefix, UNSLOTH_PREFIX, prefix) == 0 &&
        end - start + prefix < QUANT_NAME_BYTES)
        start -= prefix;
    for (size_t i = start; i < end; i++)
        dst[i - start] = (char)toupper((unsigned char)name[i]);
    dst[end - start] = '\0';
}

static bool is_known(const char *s, size_t n)
{
    char word[QUANT_NAME_BYTES];

    if (n == 0 || n >= sizeof word || !strchr("QqIiFfBb", s[0]))
        return false;
    snprintf(word, sizeof word, "%.*s", (int)n, s);
    return quant_bits(word) > 0;
}

/* Where the name begins in a word that is one, or ends in a known one behind '_': "tale_Q4_K_M".
 * The word's end: there is none. */
static size_t find_in_word(const char *name, size_t start, size_t end)
{
    if (looks_like_quant(name + start, end - start))
        return start;
    for (size_t i = start; i < end; i++)
        if (name[i] == '_' && is_known(name + i + 1, end - i - 1))
            return i + 1;
    return end;
}

/* The last word between '.', '-' and '/' that looks like one counts. */
bool quant_of_name(const char *file_name, char dst[QUANT_NAME_BYTES])
{
    size_t n = bare_length(file_name), start = 0;
    bool found = false;

    for (size_t i = 0; i <= n; i++) {
        if (i < n && !strchr(".-/", file_name[i]))
            continue;
        start = find_in_word(file_name, start, i);
        if (start < i) {
            take_word(file_name, start, i, dst);
            found = true;
        }
        start = i + 1;
    }
    return found;
}

bool quant_split_of_name(const char *file_name, unsigned *number, unsigned *count, size_t *stem)
{
    size_t n = strlen(file_name);
    const char *tail;
    int used = 0;

    if (n < SPLIT_TAIL_LEN + GGUF_TAIL_LEN + 1)
        return false;
    tail = file_name + n - SPLIT_TAIL_LEN - GGUF_TAIL_LEN;
    for (int i = 0; i < SPLIT_DIGITS; i++)
        if (!isdigit((unsigned char)tail[1 + i]) || !isdigit((unsigned char)tail[10 + i]))
            return false;
    if (sscanf(tail, "-%5u-of-%5u%n", number, count, &used) != 2 || used != SPLIT_TAIL_LEN)
        return false;
    *stem = n - SPLIT_TAIL_LEN - GGUF_TAIL_LEN;
    return true;
}

bool quant_is_beside(const char *file_name)
{
    const char *base = strrchr(file_name, '/');

    base = base ? base + 1 : file_name;
    return strcasestr(base, "mmproj") || strcasestr(base, "imatrix");
}
