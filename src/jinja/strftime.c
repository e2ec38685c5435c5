/*
 * strftime.c - strftime_now: a moment as C's strftime writes it in the C locale, which is what
 * Python's does on Linux. Nothing is asked of the system here: a worker reads no time zones.
 */
#include "jinja/builtins.h"

#include <stdio.h>
#include <string.h>

#include "jinja/run.h"

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

static int put_name(struct run *r, const char *const *names, int i, int n, size_t len)
{
    const char *name = i >= 0 && i < n ? names[i] : "?";

    return run_put(r, name, len < strlen(name) ? len : strlen(name));
}

/* Weeks of the year so far, from the first one that begins with the day `first` (0: Sunday). */
static int weeks(const struct tm *t, int first)
{
    return (t->tm_yday + 7 - (t->tm_wday + 7 - first) % 7) / 7;
}

static int days_of(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 366 : 365;
}

/* The week of ISO 8601 and its year: it has a Thursday of this year. */
static int iso_week(const struct tm *t, int *year)
{
    int thursday = t->tm_yday - (t->tm_wday + 6) % 7 + 3;

    *year = t->tm_year + 1900;
    if (thursday < 0)
        thursday += days_of(--*year);
    else if (thursday >= days_of(*year))
        thursday -= days_of((*year)++);
    return thursday / 7 + 1;
}

/* One number of a moment, in so many digits: zeros or blanks come before it. */
struct number {
    char directive;
    int value, width;
    bool blanks;
};

static bool find_number(const struct tm *t, char c, struct number *out)
{
    int year, week = iso_week(t, &year), hour = t->tm_hour % 12 ? t->tm_hour % 12 : 12;
    const struct number all[] = {
        {'d', t->tm_mday, 2},
        {'e', t->tm_mday, 2, true},
        {'m', t->tm_mon + 1, 2},
        {'Y', t->tm_year + 1900, 1},
        {'y', t->tm_year % 100, 2},
        {'C', (t->tm_year + 1900) / 100, 2},
        {'H', t->tm_hour, 2},
        {'k', t->tm_hour, 2, true},
        {'I', hour, 2},
        {'l', hour, 2, true},
        {'M', t->tm_min, 2},
        {'S', t->tm_sec, 2},
        {'j', t->tm_yday + 1, 3},
        {'w', t->tm_wday, 1},
        {'u', t->tm_wday ? t->tm_wday : 7, 1},
        {'U', weeks(t, 0), 2},
        {'W', weeks(t, 1), 2},
        {'V', week, 2},
        {'G', year, 1},
        {'g', year % 100, 2},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].directive == c) {
            *out = all[i];
            return true;
        }
    return false;
}

/* `bare`: nothing comes before it. */
static int put_number(struct run *r, const struct number *n, bool bare)
{
    char text[16];

    return run_put(r, text,
                   (size_t)snprintf(text, sizeof text, n->blanks ? "%*d" : "%0*d",
                                    bare ? 1 : n->width, n->value));
}

/* What is short for several; NULL for others. */
static const char *long_for(char c)
{
    static const struct {
        char directive;
        const char *several;
    } all[] = {{'F', "Y-m-d"}, {'r', "I:M:S p"}, {'T', "H:M:S"}, {'X', "H:M:S"},
               {'R', "H:M"},   {'D', "m/d/y"},   {'x', "m/d/y"}, {'c', "a b e H:M:S Y"}};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].directive == c)
            return all[i].several;
    return NULL;
}

static int put_text(struct run *r, char c, bool bare)
{
    const struct tm *t = &r->options->now;

    switch (c) {
    case 'B':
        return put_name(r, months, t->tm_mon, 12, SIZE_MAX);
    case 'b':
    case 'h':
        return put_name(r, months, t->tm_mon, 12, 3);
    case 'A':
        return put_name(r, days, t->tm_wday, 7, SIZE_MAX);
    case 'a':
        return put_name(r, days, t->tm_wday, 7, 3);
    case 'p':
        return run_puts(r, t->tm_hour < 12 ? "AM" : "PM");
    case 'P':
        return run_puts(r, t->tm_hour < 12 ? "am" : "pm");
    case 'f':
        return run_puts(r, "000000");
    case 'n':
        return run_puts(r, "\n");
    case 't':
        return run_puts(r, "\t");
    case 'Z':
    case 'z':
        return 0; /* a time without a zone */
    case '%':
        return run_puts(r, "%");
    default: /* what is none stays as it is */
        return run_puts(r, bare ? "%-" : "%") || run_put(r, &c, 1) ? ERR_LIMIT : 0;
    }
}

static int put_directive(struct run *r, char c, bool bare)
{
    const char *several = long_for(c);
    struct number n;
    int rc = 0;

    if (find_number(&r->options->now, c, &n))
        return put_number(r, &n, bare);
    if (!several)
        return put_text(r, c, bare);
    for (; !rc && *several; several++)
        rc = *several >= 'A' ? put_directive(r, *several, false) : run_put(r, several, 1);
    return rc;
}

int global_strftime(struct run *r, struct call *c, struct value *out)
{
    size_t mark = run_mark(r);
    struct value format;
    int rc = arg_text(r, c, 0, NULL, &format);

    if (!rc)
        rc = run_chars(r, format.len);
    for (uint32_t i = 0; !rc && i < format.len; i++) {
        bool bare = false;

        if (format.u.s[i] != '%' || i + 1 == format.len) {
            rc = run_put(r, format.u.s + i, 1);
            continue;
        }
        i++;
        if (format.u.s[i] == '-' && i + 1 < format.len)
            bare = format.u.s[i++];
        rc = put_directive(r, format.u.s[i], bare);
    }
    return rc ? rc : run_take(r, mark, out);
}
