/* fuzz_event.c - an event of a worker, as the hive's gateway reads it: any bytes. What it hands on
 * as the inside of a JSON string must be one. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/str.h"
#include "hive/gateway/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_raw(const char *raw, size_t n)
{
    char *text = malloc(n + 2);
    json_t *value;

    BUG_ON(!text);
    text[0] = text[n + 1] = '"';
    memcpy(text + 1, raw, n);
    value = json_loadb(text, n + 2, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    BUG_ON(!json_is_string(value));
    json_decref(value);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1); /* an event's text is closed by a NUL */
    struct buf scratch;
    struct event e;

    BUG_ON(!copy);
    memcpy(copy, data, size);
    copy[size] = '\0';
    buf_init(&scratch, 1 << 20);
    if (event_read(copy, size, &scratch, &e) == 0) {
        if (e.kind == EVENT_TEXT || e.kind == EVENT_REASONING || e.kind == EVENT_TOOL_ARGS)
            check_raw(e.raw, e.n);
        if (e.kind == EVENT_END)
            BUG_ON(e.end.cached_tokens > e.end.prompt_tokens || e.end.prefill_ms < 0 ||
                   e.end.prefill_ms > EVENT_MS_MAX);
        if (e.kind == EVENT_END && e.end.stop_sequence)
            check_raw(e.end.stop_sequence, strlen(e.end.stop_sequence));
    }
    event_done(&e);
    buf_done(&scratch);
    free(copy);
    return 0;
}
