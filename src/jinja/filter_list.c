/* filter_list.c - filters that take lists apart or put them together. Source: as filter_text.c. */
#include "jinja/builtins.h"
#include "jinja/text.h"

static int end_item(struct run *r, struct call *c, bool last, struct value *out)
{
    struct list *items = NULL;
    int rc = value_items(r, c->self, &items);

    if (rc)
        return rc;
    if (items->n == 0)
        *out = last ? value_nothing("the last item of nothing")
                    : value_nothing("the first item of nothing");
    else
        *out = items->items[last ? items->n - 1 : 0];
    return 0;
}

static int filter_first(struct run *r, struct call *c, struct value *out)
{
    return end_item(r, c, false, out);
}

static int filter_last(struct run *r, struct call *c, struct value *out)
{
    return end_item(r, c, true, out);
}

static int filter_join(struct run *r, struct call *c, struct value *out)
{
    size_t mark = run_mark(r);
    struct list *items = NULL;
    struct value separator, v;
    int rc = value_items(r, c->self, &items);

    if (!rc && c->args[0].kind == VALUE_MISSING)
        c->args[0] = value_text("", 0);
    if (!rc)
        rc = show_text(r, c->args[0], &separator);
    for (size_t i = 0; !rc && i < items->n; i++) {
        v = items->items[i];
        if (arg_given(c, 1))
            rc = access_path(r, v, c->args[1], &v);
        if (!rc && i)
            rc = run_put(r, separator.u.s, separator.len);
        if (!rc)
            rc = show_put(r, v);
        if (!rc)
            rc = run_steps(r, 1);
    }
    return rc ? rc : run_take(r, mark, out);
}

static int filter_reverse(struct run *r, struct call *c, struct value *out)
{
    const struct value backwards[3] = {{0}, {0}, value_int(-1)};
    struct list *items = NULL;
    int rc;

    if (c->self.kind == VALUE_TEXT)
        return access_slice(r, c->self, backwards, out);
    rc = arg_self_items(r, c, &items);
    if (rc)
        return rc;
    for (size_t i = 0, j = items->n; i + 1 < j; i++) {
        struct value v = items->items[i];

        items->items[i] = items->items[--j];
        items->items[j] = v;
    }
    *out = value_list(items);
    return 0;
}

/* A new list behind the others of `lists`. */
static int new_row(struct run *r, struct list *lists, struct list **row)
{
    int rc = list_create(r, 0, row);

    return rc ? rc : list_append(r, lists, value_list(*row));
}

static int filter_batch(struct run *r, struct call *c, struct value *out)
{
    struct list *items = NULL, *rows = NULL, *row = NULL;
    int64_t size;
    int rc = arg_int(r, c, 0, 0, &size);

    if (!rc && size < 1)
        rc = run_fail(r, ERR_INVALID, "'batch' needs rows of at least one item");
    if (!rc)
        rc = value_items(r, c->self, &items);
    if (!rc)
        rc = list_create(r, 0, &rows);
    for (size_t i = 0; !rc && i < items->n; i++) {
        if (i % (size_t)size == 0)
            rc = new_row(r, rows, &row);
        if (!rc)
            rc = list_append(r, row, items->items[i]);
    }
    while (!rc && row && arg_given(c, 1) && row->n < (size_t)size)
        rc = list_append(r, row, c->args[1]);
    *out = value_list(rows);
    return rc;
}

/* Columns of as equal a height as can be, the higher ones first. */
static int filter_slice(struct run *r, struct call *c, struct value *out)
{
    struct list *items = NULL, *rows = NULL, *row = NULL;
    int64_t n;
    size_t at = 0;
    int rc = arg_int(r, c, 0, 0, &n);

    if (!rc && n < 1)
        rc = run_fail(r, ERR_INVALID, "'slice' needs at least one column");
    if (!rc)
        rc = value_items(r, c->self, &items);
    if (!rc)
        rc = list_create(r, 0, &rows);
    for (size_t k = 0; !rc && k < (size_t)n; k++) {
        size_t extra = items->n % (size_t)n, size = items->n / (size_t)n + (k < extra);

        rc = new_row(r, rows, &row);
        for (size_t i = 0; !rc && i < size; i++)
            rc = list_append(r, row, items->items[at++]);
        if (!rc && arg_given(c, 1) && k >= extra)
            rc = list_append(r, row, c->args[1]);
    }
    *out = value_list(rows);
    return rc;
}

static int filter_sum(struct run *r, struct call *c, struct value *out)
{
    struct value total = c->args[1].kind == VALUE_MISSING ? value_int(0) : c->args[1], v;
    struct list *items = NULL;
    int rc = value_items(r, c->self, &items);

    for (size_t i = 0; !rc && i < items->n; i++) {
        v = items->items[i];
        if (arg_given(c, 0))
            rc = access_path(r, v, c->args[0], &v);
        if (!rc)
            rc = ops_binary(r, OP_ADD, total, v, &total);
        if (!rc)
            rc = run_steps(r, 1);
    }
    *out = total;
    return rc;
}

const struct builtin builtins_filter_list[] = {
    {"first", "", filter_first},
    {"last", "", filter_last},
    {"join", "d? attribute?", filter_join},
    {"reverse", "", filter_reverse},
    {"batch", "linecount fill_with?", filter_batch},
    {"slice", "slices fill_with?", filter_slice},
    {"sum", "attribute? start?", filter_sum},
    {0},
};
