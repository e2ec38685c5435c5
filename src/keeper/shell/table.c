/* table.c - see table.h. */
#include "keeper/shell/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/str.h"
#include "base/utf8.h"

#define CELL_MAX 4096 /* bytes */
#define MORE     "…"

struct row {
    char *cells[TABLE_COLUMNS_MAX]; /* owned */
};

struct table {
    size_t n_columns, n_rows, n_left_out, room;
    size_t width[TABLE_COLUMNS_MAX]; /* columns of the terminal */
    struct row *rows;                /* owned; the first is the heads */
};

struct table *table_create(const char *const *heads, size_t n_columns)
{
    struct table *t = calloc(1, sizeof *t);

    BUG_ON(n_columns > TABLE_COLUMNS_MAX);
    if (!t)
        return NULL;
    t->n_columns = n_columns;
    if (table_add(t, heads)) {
        table_free(t);
        return NULL;
    }
    return t;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    for (size_t r = 0; r < t->n_rows; r++)
        for (size_t c = 0; c < t->n_columns; c++)
            free(t->rows[r].cells[c]);
    free(t->rows);
    free(t);
}

static size_t columns(const char *s)
{
    return utf8_columns(s, strlen(s));
}

/* A cleaned copy, free(), of a text that is too long its beginning; NULL when out of memory. */
static char *cell(const char *text)
{
    size_t n = strlen(text);
    struct buf b;

    if (n == 0)
        return str_dup("");
    buf_init(&b, CELL_MAX);
    if (n <= CELL_MAX) {
        clean_put_line(&b, text, n);
    } else {
        clean_put_line(&b, text, str_utf8_whole(text, CELL_MAX - strlen(MORE)));
        buf_puts(&b, MORE);
    }
    return buf_take(&b);
}

/* Room for one more; -1 when there is none. */
static int make_room(struct table *t)
{
    size_t room = t->room ? 2 * t->room : 64;
    struct row *rows;

    if (t->n_rows == TABLE_ROWS_MAX)
        return -1;
    if (t->n_rows < t->room)
        return 0;
    rows = realloc(t->rows, room * sizeof *rows);
    if (!rows)
        return -1;
    t->rows = rows;
    t->room = room;
    return 0;
}

int table_add(struct table *t, const char *const *cells)
{
    struct row *row;

    if (make_room(t)) {
        t->n_left_out++;
        return -1;
    }
    row = &t->rows[t->n_rows++];
    *row = (struct row){0};
    for (size_t c = 0; c < t->n_columns; c++) {
        char *copy = cell(cells[c]);

        if (!copy)
            return -1;
        row->cells[c] = copy;
        if (columns(copy) > t->width[c])
            t->width[c] = columns(copy);
    }
    return 0;
}

static void print_row(const struct table *t, const struct row *row, struct out *out)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        const char *text = row->cells[c] ? row->cells[c] : "";
        size_t pad = c + 1 < t->n_columns ? t->width[c] - columns(text) + 2 : 0;

        out_printf(out, "%s%*s", text, (int)pad, "");
    }
    out_put(out, "\n", 1);
}

void table_print(const struct table *t, const char *empty, struct out *out)
{
    if (t->n_rows == 1) {
        out_printf(out, "%s\n", empty);
        return;
    }
    for (size_t r = 0; r < t->n_rows; r++)
        print_row(t, &t->rows[r], out);
    if (t->n_left_out)
        out_printf(out, "... and %zu more\n", t->n_left_out);
}
