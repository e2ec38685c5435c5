/* written.c - see written.h. */
#include "chat/written.h"

#include "api/json_load.h"
#include "api/json_whole.h"
#include "base/buf.h"
#include "base/str.h"
#include "chat/json_scan.h"

json_t *written_value(const char *text, size_t n, bool *lost)
{
    unsigned n_failed = json_guard_n_failed();
    struct json_scan scan = {.lax = true};
    char spelled[JSON_SCAN_ESCAPED_MAX];
    json_t *value = NULL;
    struct buf all;
    size_t i;

    buf_init(&all, JSON_SCAN_ESCAPED_MAX * n);
    for (i = 0; i < n; i++) {
        buf_put(&all, spelled, json_scan_spell(scan.state, text[i], spelled));
        if (!json_scan_put(&scan, text[i]))
            break;
    }
    if (i == n && !buf_failed(&all))
        value = json_load_bounded(buf_str(&all), all.len, JSON_DECODE_ANY, NULL);
    *lost |= buf_failed(&all) || json_guard_n_failed() != n_failed;
    buf_done(&all);
    return value;
}

static bool is_nothing(const json_t *args)
{
    return json_is_null(args) || (json_is_string(args) && json_string_length(args) == 0);
}

/* What a call without arguments has. */
static char *no_args(bool *lost)
{
    char *text = str_dup("{}");

    *lost |= !text;
    return text;
}

char *written_args(const json_t *object, bool needed, bool *lost)
{
    const json_t *args = json_object_get(object, "arguments");
    json_t *inner = NULL;
    char *text = NULL;

    if (!args)
        args = json_object_get(object, "parameters");
    if (!args)
        return needed ? NULL : no_args(lost);
    if (is_nothing(args))
        return no_args(lost);
    if (json_is_string(args))
        args = inner = written_value(json_string_value(args), json_string_length(args), lost);
    if (json_is_object(args)) {
        text = json_write(args, JSON_COMPACT);
        *lost |= !text;
    }
    json_decref(inner);
    return text;
}
