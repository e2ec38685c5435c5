/* near.c - see near.h. Source: Levenshtein, Soviet Physics Doklady 10, 1966: fewest single edits.
 */
#include "hive/catalog/near.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define COMPARED_MAX 128 /* bytes of a name that are compared */

void near_add(struct near *near, const char *name)
{
    for (size_t i = 0; i < near->n; i++)
        if (str_eq(near->names[i], name))
            return;
    if (near->n < NEAR_NAMES_MAX && (near->names[near->n] = str_dup(name)))
        near->n++;
}

void near_done(struct near *near)
{
    for (size_t i = 0; i < near->n; i++)
        free(near->names[i]);
    near->n = 0;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;

    return ab < c ? ab : c;
}

static unsigned distance(const char *a, const char *b)
{
    size_t n = strnlen(a, COMPARED_MAX), m = strnlen(b, COMPARED_MAX);
    unsigned row[COMPARED_MAX + 1];

    for (unsigned j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            unsigned above = row[j];

            row[j] = least(above + 1, row[j - 1] + 1, diagonal + !same);
            diagonal = above;
        }
    }
    return row[m];
}

static unsigned distance_of_last(const char *wanted, const char *name)
{
    const char *slash = strrchr(name, '/');
    unsigned whole = distance(wanted, name), last = slash ? distance(wanted, slash + 1) : whole;

    return last < whole ? last : whole;
}

const char *near_best(const struct near *near, const char *wanted)
{
    /* A third of the letters may be wrong, of a short name half: past that a guess helps nobody. */
    unsigned n = (unsigned)strnlen(wanted, COMPARED_MAX);
    unsigned best_distance = (n / 2 < n / 3 + 1 ? n / 2 : n / 3 + 1) + 1;
    const char *best = NULL;

    for (size_t i = 0; i < near->n; i++) {
        unsigned d = distance_of_last(wanted, near->names[i]);

        if (d < best_distance) {
            best_distance = d;
            best = near->names[i];
        }
    }
    return best;
}

void near_text(const struct near *near, const char *wanted, char *dst, size_t dst_size)
{
    bool used[NEAR_NAMES_MAX] = {false};
    size_t at = 0;

    dst[0] = '\0';
    for (size_t k = 0; k < NEAR_SHOWN_MAX && k < near->n && at < dst_size; k++) {
        size_t best = near->n;
        unsigned best_distance = 0;

        for (size_t i = 0; i < near->n; i++) {
            unsigned d = used[i] ? 0 : distance(wanted, near->names[i]);

            if (!used[i] && (best == near->n || d < best_distance)) {
                best = i;
                best_distance = d;
            }
        }
        used[best] = true;
        at +=
            (size_t)snprintf(dst + at, dst_size - at, "%s%.200s", k ? ", " : "", near->names[best]);
    }
}
