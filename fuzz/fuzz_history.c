/*
 * fuzz_history.c - the file of what was typed at the prompt, as any bytes: every line that is a
 * JSON string is remembered, whatever the others are; one that is added stands behind them, and the
 * next to open the file finds the same.
 */
#include <stddef.h>
#include <string.h>

#include <jansson.h>

#include "keeper/chat/history.h"
#include "scratch.h"

#define TYPED "what is typed now"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many lines tell of something, counted without the keeper's reader. */
static size_t count_lines(const uint8_t *data, size_t size)
{
    size_t n = 0;

    while (size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t len = end ? (size_t)(end - data) : size;
        json_t *item = json_loadb((const char *)data, len, JSON_DECODE_ANY, NULL);

        n += json_string_length(item) > 0;
        json_decref(item);
        data += len + (end ? 1 : 0);
        size -= len + (end ? 1 : 0);
    }
    return n;
}

static void check_same(const struct history *a, const struct history *b)
{
    BUG_ON(a->n != b->n);
    for (size_t i = 0; i < a->n; i++)
        BUG_ON(!str_eq(a->items[i], b->items[i]) || !a->items[i][0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct history h, again;
    char path[SCRATCH_PATH_MAX];
    struct err err = {0};
    size_t n = count_lines(data, size);

    scratch_path(path, "history");
    BUG_ON(path_write_file(path, (const char *)data, size, 0600, &err));
    BUG_ON(history_open(path, &h, &err));
    BUG_ON(h.n != (n > HISTORY_MAX ? HISTORY_MAX : n));
    BUG_ON(history_open(path, &again, &err));
    check_same(&h, &again);
    history_close(&again);
    BUG_ON(history_add(&h, TYPED, &err) || !str_eq(h.items[h.n - 1], TYPED));
    BUG_ON(history_open(path, &again, &err));
    if (h.n <= HISTORY_MAX)
        check_same(&h, &again);
    BUG_ON(!str_eq(again.items[again.n - 1], TYPED));
    history_close(&again);
    history_close(&h);
    return 0;
}
