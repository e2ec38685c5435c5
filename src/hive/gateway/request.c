/* request.c - see request.h. */
#include "hive/gateway/request.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/utf8.h"

static void check_choices(struct fields *f, const struct order *o)
{
    if (order_n_choices(o) <= ORDER_CHOICES_MAX)
        return;
    fields_fail(f, "n", "at most 32 answers",
                "n times the number of prompts is %u, the limit is %d.", order_n_choices(o),
                ORDER_CHOICES_MAX);
}

int request_read(const struct request_kind *kind, const char *body, size_t n, struct order *o,
                 struct api_error *e, const char *src)
{
    struct fields f;
    int rc;

    fields_begin(&f, body, n);
    kind->read(&f, o);
    check_choices(&f, o);
    rc = fields_end(&f, e, src);
    fields_done(&f);
    return rc;
}

/* What the API calls a field of the worker's; NULL when it calls it so, too. */
static const char *api_name_of(const struct request_kind *kind, const char *field)
{
    size_t n = field ? strcspn(field, ".[") : 0;

    for (const char *const(*name)[2] = kind->names; n && name && (*name)[0]; name++)
        if (strlen((*name)[0]) == n && strncmp(field, (*name)[0], n) == 0)
            return (*name)[1];
    return NULL;
}

void request_rename(const struct request_kind *kind, struct api_error *e)
{
    json_t *errors = json_object_get(e->details, "errors"), *one;
    char text[ERR_TEXT_MAX];
    size_t i;

    json_array_foreach(errors, i, one)
    {
        const char *name = api_name_of(kind, json_string_value(json_object_get(one, "field"))),
                   *message = json_string_value(json_object_get(one, "message"));

        if (!name || !message)
            continue;
        snprintf(text, sizeof text, "%s: %.*s", name, (int)(sizeof text - 64), message);
        utf8_mend(text); /* it may be cut within a character */
        json_object_set_new(one, "field", json_string(name));
        json_object_set_new(one, "message", json_string(text));
        if (json_array_size(errors) == 1)
            str_copy(e->message, sizeof e->message, text);
    }
}
