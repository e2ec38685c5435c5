/* schema_string.c - strings by their lengths, pattern or format. See schema.h. */
#include <string.h>

#include "grammar/regex.h"
#include "grammar/schema_internal.h"

/* The first part that has a keyword. */
static const json_t *owner(const struct parts *p, const char *key)
{
    uint32_t i = 0;

    parts_next(p, key, &i);
    return p->items[i - 1].schema;
}

static uint32_t patterned(struct schema *s, const struct parts *p, const json_t *pattern,
                          uint32_t min, uint32_t max)
{
    const char *text = json_string_value(pattern);

    if (strlen(text) != json_string_length(pattern)) {
        schema_fail(s, ERR_UNSUPPORTED, owner(p, "pattern"), "pattern",
                    "a pattern with a NUL is not supported");
        return 0;
    }
    return regex_read(s, owner(p, "pattern"), "pattern", text, min, max);
}

static uint32_t formatted(struct schema *s, const struct parts *p, const char *format, uint32_t min,
                          uint32_t max)
{
    const char *pattern = schema_format(format);

    if (!pattern) {
        schema_fail(s, ERR_UNSUPPORTED, owner(p, "format"), "format",
                    "the format '%.64s' is not supported", format);
        return 0;
    }
    return regex_read(s, owner(p, "format"), "format", pattern, min, max);
}

static uint32_t content(struct schema *s, const struct parts *p)
{
    const json_t *pattern = parts_only(s, p, "pattern"), *format = parts_only(s, p, "format");
    uint32_t min, max;

    if (rules_failed(s->r) || !parts_counts(s, p, "minLength", "maxLength", &min, &max))
        return 0;
    if (pattern && format) {
        schema_fail(s, ERR_UNSUPPORTED, owner(p, "pattern"), "pattern",
                    "'pattern' beside 'format' is not supported");
        return 0;
    }
    if (max < min)
        return rules_alt(s->r);
    if (pattern)
        return patterned(s, p, pattern, min, max);
    if (format)
        return formatted(s, p, json_string_value(format), min, max);
    return rules_repeat(s->r, schema_shared(s, SHARED_CHAR), min, max);
}

uint32_t schema_string(struct schema *s, const struct parts *p)
{
    uint32_t node = content(s, p);

    return schema_seq(s, rules_texts(s->r, "\""), node, rules_texts(s->r, "\""), 0);
}
