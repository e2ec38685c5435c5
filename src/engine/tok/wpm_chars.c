/* wpm_chars.c - see wpm_chars.h. Looks characters up in the sorted tables of wpm_tables.h. */
#include "engine/tok/wpm_chars.h"

#include <stddef.h>

#include "engine/tok/wpm_tables.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Syllables of Hangul, of which 28 share their first two letters (Unicode 15, section 3.12). */
#define HANGUL_FIRST 0xAC00u
#define HANGUL_COUNT 11172u
#define HANGUL_L     0x1100u
#define HANGUL_V     0x1161u
#define HANGUL_T     0x11A7u
#define HANGUL_NV    21u
#define HANGUL_NT    28u

/* The first of n rows, `stride` bytes apart and rising, whose key at `last` is no less; n for none.
 */
static size_t find(const uint32_t *last, size_t n, size_t stride, uint32_t code)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (*(const uint32_t *)(const void *)((const char *)last + mid * stride) < code)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}
#define FIND(table, key, code) find(&(table)[0].key, COUNT(table), sizeof((table)[0]), code)

enum wpm_class wpm_class_of(uint32_t code)
{
    const size_t low = FIND(wpm_ranges, last, code);

    return low < COUNT(wpm_ranges) && wpm_ranges[low].first <= code ? wpm_ranges[low].kind
                                                                    : WPM_LETTER;
}

static int split_hangul(uint32_t syllable, uint32_t parts[WPM_PARTS])
{
    uint32_t tail = syllable % HANGUL_NT;

    parts[0] = HANGUL_L + syllable / (HANGUL_NV * HANGUL_NT);
    parts[1] = HANGUL_V + syllable / HANGUL_NT % HANGUL_NV;
    parts[2] = HANGUL_T + tail;
    return tail ? 3 : 2;
}

/* The canonical decomposition less its marks. */
static int split(uint32_t code, uint32_t parts[WPM_PARTS])
{
    size_t low;
    int n = 0;

    if (code - HANGUL_FIRST < HANGUL_COUNT)
        return split_hangul(code - HANGUL_FIRST, parts);
    low = FIND(wpm_bases, code, code);
    parts[0] = code;
    if (low == COUNT(wpm_bases) || wpm_bases[low].code != code)
        return wpm_class_of(code) == WPM_MARK ? 0 : 1;
    while (n < WPM_PARTS && wpm_bases[low].parts[n]) {
        parts[n] = wpm_bases[low].parts[n];
        n++;
    }
    return n;
}

static uint32_t lower(uint32_t code)
{
    const size_t low = FIND(wpm_lowers, last, code);

    if (low == COUNT(wpm_lowers) || code < wpm_lowers[low].first ||
        (code - wpm_lowers[low].first) % wpm_lowers[low].step != 0)
        return code;
    return (uint32_t)((int32_t)code + wpm_lowers[low].delta);
}

int wpm_change(const struct wpm_rules *rules, uint32_t code, uint32_t parts[WPM_PARTS])
{
    int n = 1;

    parts[0] = code;
    if (rules->strip_accents && code >= 0x80)
        n = split(code, parts);
    for (int i = 0; i < n && rules->lower; i++)
        parts[i] = lower(parts[i]);
    return n;
}
