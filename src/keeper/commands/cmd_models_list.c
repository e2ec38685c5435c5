/* cmd_models_list.c - `models list`: what a node's catalog holds. */
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/commands/listing.h"

#define DAY_BYTES 17 /* "2026-01-31 12:00" and the NUL */

/* A time of the catalog, as text or seconds since 1970, for people. */
static const char *day(const json_t *value, char dst[DAY_BYTES])
{
    char iso[CLOCK_ISO_BYTES] = "";

    if (json_is_string(value))
        str_copy(iso, sizeof iso, json_string_value(value));
    else if (json_integer_value(value) > 0 && json_integer_value(value) <= CLOCK_ISO_MAX_MS / 1000)
        clock_iso8601(json_integer_value(value) * 1000, iso);
    if (strlen(iso) < DAY_BYTES - 1)
        return "-";
    memcpy(dst, iso, DAY_BYTES - 1);
    dst[DAY_BYTES - 1] = '\0';
    if (dst[10] == 'T')
        dst[10] = ' ';
    return dst;
}

static int add_model(struct table *t, const json_t *m)
{
    char size[16], used[DAY_BYTES];
    int64_t bytes = keeper_number(m, "size_bytes", -1);
    const char *const cells[] = {
        keeper_text(m, "model_ref", "?"),
        keeper_cell(m, "quantization"),
        bytes < 0 ? "-" : str_human_bytes((uint64_t)bytes, size, sizeof size),
        day(json_object_get(m, "last_used_at"), used),
        json_is_true(json_object_get(m, "verified")) ? "yes" : "-",
        keeper_cell(m, "source"),
    };

    return table_add(t, cells);
}

int cmd_models_list(const struct cli_command *self, int argc, char **argv)
{
    static const char *const heads[] = {"MODEL",           "TYPE",     "SIZE",
                                        "LAST USED (UTC)", "VERIFIED", "FROM"};
    static const struct listing listing = {
        .path = "/v1/models",
        .key = "models",
        .heads = heads,
        .n_columns = sizeof heads / sizeof heads[0],
        .empty = "No model is there yet; 'rbee-keeper models pull MODEL' gets one.",
        .add = add_model,
    };

    return listing_run(&listing, self, argc, argv);
}
