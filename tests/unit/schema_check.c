/* schema_check.c - see schema_check.h. Patterns go to the C library's regular expressions. */
#include "schema_check.h"

#include <arpa/inet.h>
#include <math.h>
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool has_type(const char *type, const json_t *v)
{
    if (strcmp(type, "null") == 0)
        return json_is_null(v);
    if (strcmp(type, "boolean") == 0)
        return json_is_boolean(v);
    if (strcmp(type, "object") == 0)
        return json_is_object(v);
    if (strcmp(type, "array") == 0)
        return json_is_array(v);
    if (strcmp(type, "string") == 0)
        return json_is_string(v);
    if (strcmp(type, "number") == 0)
        return json_is_number(v);
    return json_is_integer(v) ||
           (json_is_real(v) && floor(json_real_value(v)) == json_real_value(v));
}

static bool type_good(const json_t *type, const json_t *v)
{
    size_t i;
    json_t *one;

    if (!type)
        return true;
    if (json_is_string(type))
        return has_type(json_string_value(type), v);
    json_array_foreach(type, i, one)
    {
        if (has_type(json_string_value(one), v))
            return true;
    }
    return false;
}

static size_t characters(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += (*s & 0xC0) != 0x80;
    return n;
}

static bool matches(const char *pattern, const char *text)
{
    regex_t re;
    bool good;

    if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
        abort();
    good = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return good;
}

/* A day that the calendar gives back as it is. */
static bool is_date(const char *s)
{
    struct tm t = {0}, back;
    time_t seconds;
    int y, m, d;

    if (!matches("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", s) || sscanf(s, "%d-%d-%d", &y, &m, &d) != 3)
        return false;
    t.tm_year = y - 1900;
    t.tm_mon = m - 1;
    t.tm_mday = d;
    seconds = timegm(&t);
    return gmtime_r(&seconds, &back) && back.tm_year == y - 1900 && back.tm_mon == m - 1 &&
           back.tm_mday == d;
}

static bool format_good(const char *format, const char *s)
{
    unsigned char address[16];

    if (strcmp(format, "date") == 0)
        return is_date(s);
    if (strcmp(format, "ipv4") == 0)
        return inet_pton(AF_INET, s, address) == 1;
    if (strcmp(format, "ipv6") == 0)
        return inet_pton(AF_INET6, s, address) == 1;
    if (strcmp(format, "uuid") == 0)
        return strlen(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
               strspn(s, "0123456789abcdefABCDEF-") == 36;
    return true;
}

static bool count_good(const json_t *schema, const char *min_key, const char *max_key, size_t n)
{
    const json_t *min = json_object_get(schema, min_key), *max = json_object_get(schema, max_key);

    return (!min || (double)n >= json_number_value(min)) &&
           (!max || (double)n <= json_number_value(max));
}

static bool string_good(const json_t *schema, const json_t *v)
{
    const char *pattern = json_string_value(json_object_get(schema, "pattern"));
    const char *format = json_string_value(json_object_get(schema, "format"));
    const char *s = json_string_value(v);

    return count_good(schema, "minLength", "maxLength", characters(s)) &&
           (!pattern || matches(pattern, s)) && (!format || format_good(format, s));
}

static int order(const json_t *a, const json_t *b)
{
    double x = json_number_value(a), y = json_number_value(b);

    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t m = json_integer_value(a), n = json_integer_value(b);

        return m < n ? -1 : m > n;
    }
    return x < y ? -1 : x > y;
}

static bool number_good(const json_t *schema, const json_t *v)
{
    const json_t *least = json_object_get(schema, "minimum"),
                 *most = json_object_get(schema, "maximum");
    const json_t *above = json_object_get(schema, "exclusiveMinimum");
    const json_t *below = json_object_get(schema, "exclusiveMaximum");

    return (!least || order(v, least) >= 0) && (!most || order(v, most) <= 0) &&
           (!above || order(v, above) > 0) && (!below || order(v, below) < 0);
}

static bool array_good(const json_t *root, const json_t *schema, const json_t *v)
{
    const json_t *prefix = json_object_get(schema, "prefixItems");
    const json_t *items = json_object_get(schema, "items");
    size_t i;
    json_t *one;

    json_array_foreach(v, i, one)
    {
        const json_t *own = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;

        if (own && !check_valid(root, own, one))
            return false;
    }
    return count_good(schema, "minItems", "maxItems", json_array_size(v));
}

static bool object_good(const json_t *root, const json_t *schema, const json_t *v)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *others = json_object_get(schema, "additionalProperties");
    const char *key;
    size_t i;
    json_t *one;

    json_object_foreach((json_t *)(uintptr_t)v, key, one)
    {
        const json_t *own = json_object_get(properties, key);

        own = own ? own : others;
        if (own && !check_valid(root, own, one))
            return false;
    }
    json_array_foreach(json_object_get(schema, "required"), i, one)
    {
        if (!json_object_get(v, json_string_value(one)))
            return false;
    }
    return count_good(schema, "minProperties", "maxProperties", json_object_size(v));
}

static size_t count_valid(const json_t *root, const json_t *list, const json_t *v)
{
    size_t i, n = 0;
    json_t *one;

    json_array_foreach(list, i, one) n += check_valid(root, one, v);
    return n;
}

static bool choice_good(const json_t *schema, const json_t *v)
{
    const json_t *list = json_object_get(schema, "enum"), *only = json_object_get(schema, "const");
    bool found = !list;
    size_t i;
    json_t *one;

    json_array_foreach(list, i, one) found |= json_equal(one, v);
    return found && (!only || json_equal(only, v));
}

/* References of the form "#" and "#/$defs/NAME". */
static const json_t *target(const json_t *root, const char *ref)
{
    return strcmp(ref, "#") == 0 ? root : json_object_get(json_object_get(root, "$defs"), ref + 8);
}

static bool applied_good(const json_t *root, const json_t *schema, const json_t *v)
{
    const json_t *all = json_object_get(schema, "allOf"), *any = json_object_get(schema, "anyOf");
    const json_t *one = json_object_get(schema, "oneOf");
    const char *ref = json_string_value(json_object_get(schema, "$ref"));

    return (!all || count_valid(root, all, v) == json_array_size(all)) &&
           (!any || count_valid(root, any, v) > 0) && (!one || count_valid(root, one, v) == 1) &&
           (!ref || check_valid(root, target(root, ref), v));
}

bool check_valid(const json_t *root, const json_t *schema, const json_t *v)
{
    if (json_is_boolean(schema))
        return json_is_true(schema);
    if (!type_good(json_object_get(schema, "type"), v) || !choice_good(schema, v) ||
        !applied_good(root, schema, v))
        return false;
    if (json_is_string(v))
        return string_good(schema, v);
    if (json_is_number(v))
        return number_good(schema, v);
    if (json_is_array(v))
        return array_good(root, schema, v);
    return !json_is_object(v) || object_good(root, schema, v);
}
