/* progress.c - see progress.h. */
#include "keeper/shell/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/utf8.h"
#include "keeper/shell/count.h"

#define BAR_MIN        8    /* columns; a shorter bar says nothing */
#define BAR_MAX        30   /* columns */
#define NAME_MIN       8    /* columns a name is not cut below */
#define NAME_LEAST     4    /* of a name cut shorter nobody knows what it is */
#define RATE_WINDOW_MS 3000 /* a sample this old counts 1/e */
#define RATE_SAMPLE_MS 200  /* the least time between two samples */
#define DAY_S          86400

static size_t columns(const char *s)
{
    return utf8_columns(s, strlen(s));
}

char *progress_time(int64_t seconds, char *dst, size_t dst_size)
{
    int s = (int)(seconds % 60), m = (int)(seconds / 60 % 60), h = (int)(seconds / 3600);

    if (h)
        snprintf(dst, dst_size, "%d:%02d:%02d", h, m, s);
    else
        snprintf(dst, dst_size, "%d:%02d", m, s);
    return dst;
}

double progress_rate_add(struct progress_rate *r, int64_t now_ms, uint64_t bytes)
{
    int64_t passed = now_ms - r->at_ms;
    double now, keep;

    if (r->at_ms == 0 || bytes < r->bytes) { /* the first, or begun anew */
        *r = (struct progress_rate){.at_ms = now_ms, .bytes = bytes};
        return 0;
    }
    if (passed < RATE_SAMPLE_MS)
        return r->per_sec;
    now = (double)(bytes - r->bytes) * 1000 / (double)passed;
    keep = r->per_sec > 0 ? exp(-(double)passed / RATE_WINDOW_MS) : 0;
    r->per_sec = keep * r->per_sec + (1 - keep) * now;
    r->at_ms = now_ms;
    r->bytes = bytes;
    return r->per_sec;
}

/* The parts of a line, each with the two blanks before it, "" when it says nothing. */
struct parts {
    char percent[16], bytes[48], speed[24], left[24];
};

static void make_parts(const struct progress *p, struct parts *out)
{
    char a[16], b[16], t[16];

    *out = (struct parts){0};
    str_human_bytes(p->done, a, sizeof a);
    if (p->total) {
        uint64_t done = p->done < p->total ? p->done : p->total;

        snprintf(out->percent, sizeof out->percent, "  %3d%%",
                 (int)((double)done * 100 / (double)p->total));
        snprintf(out->bytes, sizeof out->bytes, "  %s of %s", a,
                 str_human_bytes(p->total, b, sizeof b));
    } else {
        snprintf(out->bytes, sizeof out->bytes, "  %s", a);
    }
    if (p->per_sec < 1)
        return;
    snprintf(out->speed, sizeof out->speed, "  %s/s",
             str_human_bytes(count_whole(p->per_sec), a, sizeof a));
    if (p->total > p->done && (double)(p->total - p->done) / p->per_sec < DAY_S)
        snprintf(
            out->left, sizeof out->left, "  %s left",
            progress_time((int64_t)ceil((double)(p->total - p->done) / p->per_sec), t, sizeof t));
}

static void put_bar(const struct progress *p, size_t width, bool ascii, char *dst, size_t dst_size)
{
    const char *full = ascii ? "#" : "\xe2\x96\x88", *empty = ascii ? "." : "\xe2\x96\x91";
    uint64_t done = p->done < p->total ? p->done : p->total;
    size_t n = (size_t)((double)width * (double)done / (double)p->total);

    snprintf(dst, dst_size, "  ");
    for (size_t i = 0; i < width; i++) {
        size_t len = strlen(dst);

        snprintf(dst + len, dst_size - len, "%s", i < n ? full : empty);
    }
}

char *progress_line(const struct progress *p, unsigned width, bool ascii, char *dst,
                    size_t dst_size)
{
    struct parts parts;
    char bar[BAR_MAX * 3 + 3] = "";
    size_t name = columns(p->name), verb = columns(p->verb) + 1, fixed, spare;

    make_parts(p, &parts);
    if (columns(p->verb) + strlen(parts.percent) + strlen(parts.bytes) > width) /* cut, it lied */
        parts.bytes[0] = '\0';
    if (columns(p->verb) + strlen(parts.percent) > width)
        parts.percent[0] = '\0';
    fixed = verb + strlen(parts.percent) + strlen(parts.bytes);
    if (fixed + strlen(parts.speed) + strlen(parts.left) + NAME_MIN > width)
        parts.left[0] = '\0';
    if (fixed + strlen(parts.speed) + strlen(parts.left) + NAME_MIN > width)
        parts.speed[0] = '\0';
    fixed += strlen(parts.speed) + strlen(parts.left);
    spare = width > fixed ? width - fixed : 0;
    if (name > spare)
        name = spare < NAME_LEAST ? 0 : spare;
    spare -= name;
    if (p->total && spare >= BAR_MIN + 2)
        put_bar(p, spare - 2 < BAR_MAX ? spare - 2 : BAR_MAX, ascii, bar, sizeof bar);
    snprintf(dst, dst_size, "%s%s%.*s%s%s%s%s%s", p->verb, name ? " " : "",
             (int)utf8_column_bytes(p->name, strlen(p->name), name), p->name, bar, parts.percent,
             parts.bytes, parts.speed, parts.left);
    dst[utf8_column_bytes(dst, strlen(dst), width)] = '\0';
    return dst;
}
