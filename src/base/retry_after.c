/* retry_after.c - see retry_after.h. */
#include "base/retry_after.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/str.h"

/* 'd' a digit, 'a' a letter, anything else itself. */
#define DATE_FORM "aaa, dd aaa dddd dd:dd:dd GMT"

static bool has_form(const char *text)
{
    size_t i;

    for (i = 0; DATE_FORM[i] && text[i]; i++) {
        char want = DATE_FORM[i], c = text[i];
        bool digit = c >= '0' && c <= '9',
             letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        if (want == 'd' ? !digit : want == 'a' ? !letter : c != want)
            return false;
    }
    return DATE_FORM[i] == '\0' && text[i] == '\0';
}

static int number(const char *at, int n_digits)
{
    int n = 0;

    for (int i = 0; i < n_digits; i++)
        n = n * 10 + (at[i] - '0');
    return n;
}

/* 0 to 11; -1 for what is none. */
static int month(const char *at)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++)
        if (strncmp(names + 3 * i, at, 3) == 0)
            return i;
    return -1;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool read_date(const char *text, int64_t *unix_s)
{
    struct tm tm = {0};

    if (!has_form(text))
        return false;
    tm.tm_mday = number(text + 5, 2);
    tm.tm_mon = month(text + 8);
    tm.tm_year = number(text + 12, 4) - 1900;
    tm.tm_hour = number(text + 17, 2);
    tm.tm_min = number(text + 20, 2);
    tm.tm_sec = number(text + 23, 2);
    if (tm.tm_mon < 0 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
        tm.tm_sec > 60)
        return false;
    *unix_s = timegm(&tm);
    return true;
}

int64_t retry_after_ms(const char *value, int64_t now_ms, int64_t max_ms)
{
    uint64_t seconds;
    int64_t date_s, ms;

    if (str_to_u64(value, &seconds) == 0)
        return seconds < (uint64_t)max_ms / 1000 ? (int64_t)seconds * 1000 : max_ms;
    if (!read_date(value, &date_s))
        return -1;
    ms = date_s * 1000 - now_ms;
    return ms < 0 ? 0 : ms < max_ms ? ms : max_ms;
}
