/* cmd_models_show.c - `models show`: a model's row, what its file says, what memory it needs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_whole.h"
#include "base/str.h"
#include "keeper/commands/commands.h"
#include "keeper/models/one_model.h"
#include "keeper/node/contact.h"
#include "keeper/shell/count.h"

#define SHOW_TIMEOUT_MS 30000              /* the hive reads the file's head in another process */
#define WHOLE_MAX       9007199254740992.0 /* 2^53: every whole number below it is exact */
#define CTX_MAX         16777216           /* positions of a slot, as the hive has it */
#define SLOTS_MAX       64

/* One value as text, free(): a number without a needless ".0", "-" for what is empty or null. */
static char *value_text(const json_t *value)
{
    double number = json_real_value(value);

    if (json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0))
        return str_dup("-");
    if (json_is_string(value))
        return str_dup(json_string_value(value));
    if (json_is_real(value) && number == floor(number) && fabs(number) < WHOLE_MAX)
        return str_printf("%.0f", number);
    return json_write(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

static bool is_bytes(const char *name)
{
    return str_ends(name, "_bytes") || str_ends(name, "_per_token");
}

/* "name: value" lines; an object's are indented, an array is shown as JSON. */
static void print_fields(struct keeper *k, json_t *object, int indent)
{
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        char *text, size[16];

        if (json_is_object(value) && indent == 0) {
            out_printf(&k->out, "%s:\n", name);
            print_fields(k, value, 2);
            continue;
        }
        text = value_text(value);
        out_printf(&k->out, "%*s%s: %s", indent, "", name, text ? text : "?");
        if (is_bytes(name) && json_number_value(value) >= 1000)
            out_printf(&k->out, " (%s)",
                       str_human_bytes(count_whole(json_number_value(value)), size, sizeof size));
        out_printf(&k->out, "\n");
        free(text);
    }
}

int cmd_models_show(const struct cli_command *self, int argc, char **argv)
{
    struct one_model o = {0};
    int64_t ctx = 0, slots = 0;
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(o.flags),
        KEEPER_OPT_JSON(o.flags),
        {"ctx", 0, CLI_INT, &ctx, 1, CTX_MAX, "N", "plan memory for so many positions a slot", 0},
        {"slots", 0, CLI_INT, &slots, 1, SLOTS_MAX, "N", "... and for so many requests at once", 0},
        {0}};
    struct client_ask ask = {.timeout_ms = SHOW_TIMEOUT_MS};
    char url[KEEPER_URL_MAX], more[64] = "";
    struct api_error e;
    json_t *answer = NULL;
    int rc = one_model_begin(&o, self, opts, argc, argv);

    ask.url = url;
    if (ctx)
        snprintf(more, sizeof more, "&ctx=%lld", (long long)ctx);
    if (slots)
        snprintf(more + strlen(more), sizeof more - strlen(more), "&slots=%lld", (long long)slots);
    if (rc == CLI_GO && (!one_model_url(&o, "/v1/models/show", more, url, &e) ||
                         contact_json(&o.k, &ask, &answer, &e) ||
                         !contact_has(&o.k, answer, "model_ref", JSON_STRING, &e)))
        rc = keeper_fail(&o.k, &e);
    if (rc == CLI_GO) {
        if (o.flags.json)
            keeper_print_json(&o.k, answer);
        else
            print_fields(&o.k, answer, 0);
        rc = CLI_DONE;
    }
    json_decref(answer);
    return one_model_end(&o, rc);
}
