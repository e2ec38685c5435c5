/* lines.h - for targets whose input is lines: one after the other. */
#ifndef RBEE_FUZZ_LINES_H
#define RBEE_FUZZ_LINES_H

#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

/* The text up to a line feed, in memory of its own; free(). */
static char *take_line(const uint8_t **at, size_t *left)
{
    const uint8_t *end = memchr(*at, '\n', *left);
    size_t n = end ? (size_t)(end - *at) : *left;
    char *line = str_ndup((const char *)*at, n);

    BUG_ON(!line);
    *at += end ? n + 1 : n;
    *left -= end ? n + 1 : n;
    return line;
}

#endif
