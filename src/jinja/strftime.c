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

/* A number in two or more digits; none of them a leading zero if `bare`. */
static int put_digits(struct run *r, int v, int width, bool bare)
{
    char text[16];

    return run_put(r, text, (size_t)snprintf(text, sizeof text, "%0*d", bare ? 1 : width, v));
}

static int put_blank_padded(struct run *r, int v)
{
    char text[16];

    return run_put(r, text, (size_t)snprintf(text, sizeof text, "%2d", v));
}

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

static int put_week(struct run *r, char c, bool bare)
{
    int year, week = iso_week(&r->options->now, &year);

    return c == 'V'   ? put_digits(r, week, 2, bare)
           : c == 'G' ? put_digits(r, year, 1, bare)
                      : put_digits(r, year % 100, 2, bare);
}

static int put_directive(struct run *r, char c, bool bare);

static int put_directives(struct run *r, const char *several)
{
    int rc = 0;

    for (; !rc && *several; several++)
        rc = *several >= 'A' ? put_directive(r, *several, false) : run_put(r, several, 1);
    return rc;
}

static int put_directive(struct run *r, char c, bool bare)
{
    const struct tm *t = &r->options->now;
    int hour = t->tm_hour % 12 ? t->tm_hour % 12 : 12;

    switch (c) {
    case 'd':
        return put_digits(r, t->tm_mday, 2, bare);
    case 'e':
        return bare ? put_digits(r, t->tm_mday, 1, bare) : put_blank_padded(r, t->tm_mday);
    case 'm':
        return put_digits(r, t->tm_mon + 1, 2, bare);
    case 'Y':
        return put_digits(r, t->tm_year + 1900, 1, bare);
    case 'y':
        return put_digits(r, t->tm_year % 100, 2, bare);
    case 'H':
        return put_digits(r, t->tm_hour, 2, bare);
    case 'I':
        return put_digits(r, hour, 2, bare);
    case 'M':
        return put_digits(r, t->tm_min, 2, bare);
    case 'S':
        return put_digits(r, t->tm_sec, 2, bare);
    case 'j':
        return put_digits(r, t->tm_yday + 1, 3, bare);
    case 'f':
        return run_puts(r, "000000");
    case 'w':
        return put_digits(r, t->tm_wday, 1, bare);
    case 'u':
        return put_digits(r, t->tm_wday ? t->tm_wday : 7, 1, bare);
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
    case 'C':
        return put_digits(r, (t->tm_year + 1900) / 100, 2, bare);
    case 'k':
        return bare ? put_digits(r, t->tm_hour, 1, bare) : put_blank_padded(r, t->tm_hour);
    case 'l':
        return bare ? put_digits(r, hour, 1, bare) : put_blank_padded(r, hour);
    case 'U':
        return put_digits(r, weeks(t, 0), 2, bare);
    case 'W':
        return put_digits(r, weeks(t, 1), 2, bare);
    case 'V':
    case 'G':
    case 'g':
        return put_week(r, c, bare);
    case 'n':
        return run_puts(r, "\n");
    case 't':
        return run_puts(r, "\t");
    case 'F':
        return put_directives(r, "Y-m-d");
    case 'r':
        return put_directives(r, "I:M:S p");
    case 'T':
    case 'X':
        return put_directives(r, "H:M:S");
    case 'R':
        return put_directives(r, "H:M");
    case 'D':
    case 'x':
        return put_directives(r, "m/d/y");
    case 'c':
        return put_directives(r, "a b e H:M:S Y");
    case 'Z':
    case 'z':
        return 0; /* a time without a zone */
    case '%':
        return run_puts(r, "%");
    default: /* what is none stays as it is */
        return run_puts(r, bare ? "%-" : "%") || run_put(r, &c, 1) ? ERR_LIMIT : 0;
    }
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
