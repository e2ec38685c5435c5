/*
 * format.h - how "%5d" and "{:>5}" lay out one value. Widths and precisions are bounded. Source:
 * the Python Library Reference, "Format Specification Mini-Language".
 */
#ifndef RBEE_JINJA_FORMAT_H
#define RBEE_JINJA_FORMAT_H

#include "jinja/run.h"
#include "jinja/unicode.h"

#define FORMAT_MAX_WIDTH 10000

struct format_spec {
    char fill[UNICODE_MAX_BYTES];
    size_t fill_len;
    char align; /* < > ^ = or 0 */
    char sign;  /* + - blank or 0 */
    bool alternate, comma;
    int64_t width, precision; /* -1: not given */
    char type;                /* s d f ... or 0 */
};
#define FORMAT_PLAIN                                                                               \
    {                                                                                              \
        .fill = " ", .fill_len = 1, .width = -1, .precision = -1                                   \
    }

/* "a format cannot be followed: <why>"; ERR_INVALID. */
int format_fail(struct run *r, const char *why);
/* Digits at *s, which moves behind them; -1 for none. */
int format_read_number(struct run *r, const char **s, const char *end, int64_t *out);

/* `align` is for where the spec says nothing. */
int format_put_text(struct run *r, const struct format_spec *f, struct value v, char align);
int format_put_int(struct run *r, const struct format_spec *f, int64_t i);
int format_put_float(struct run *r, const struct format_spec *f, double v);

#endif
