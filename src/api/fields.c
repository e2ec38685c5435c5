/* fields.c - see fields.h. Source: RFC 8259 by way of jansson. No state of its own. */
#include "api/fields.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/json_load.h"
#include "base/str.h"
#include "base/utf8.h"

#define WHOLE_MAX      0x1p53 /* a double holds every whole number up to here */
#define NAME_SHOWN_MAX 64     /* bytes of a name from outside that an error repeats */

void fields_begin(struct fields *f, const char *body, size_t n)
{
    json_error_t why;

    *f = (struct fields){.n_lost = json_guard_n_failed(), .errors = json_array()};
    if (n == 0) {
        f->root = json_object();
        return;
    }
    f->root = json_load_bounded(body, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!f->root && json_is_no_memory(&why))
        return;
    if (!f->root && json_is_too_many(&why)) {
        snprintf(f->not_json, sizeof f->not_json, "the body cannot be taken: %s", why.text);
    } else if (!f->root) {
        snprintf(f->not_json, sizeof f->not_json,
                 "the body cannot be read as JSON: %s (line %d, column %d, byte %d)",
                 json_fault_text(&why), why.line, why.column, why.position);
    } else if (!json_is_object(f->root)) {
        str_copy(f->not_json, sizeof f->not_json, "the body is JSON, but not an object");
        json_decref(f->root);
        f->root = NULL;
    }
}

void fields_begin_object(struct fields *f, json_t *object)
{
    *f = (struct fields){.n_lost = json_guard_n_failed(), .errors = json_array()};
    f->root = object ? json_incref(object) : json_object();
}

void fields_fail(struct fields *f, const char *name, const char *constraint, const char *fmt, ...)
{
    char message[ERR_TEXT_MAX], field[NAME_SHOWN_MAX * 2];
    va_list ap;

    if (json_array_size(f->errors) >= FIELDS_ERRORS_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    str_copy(field, sizeof field, name);
    utf8_mend(field); /* what comes from outside may be cut within a character */
    utf8_mend(message);
    json_array_append_new(f->errors, json_pack("{s:s, s:s, s:s}", "field", field, "constraint",
                                               constraint, "message", message));
}

/* The field's value, or NULL when it is missing (noted as a failure if it must be there). */
static json_t *take(struct fields *f, const char *name, bool required)
{
    json_t *value = json_object_get(f->root, name);

    BUG_ON(f->n_taken == FIELDS_MAX);
    f->taken[f->n_taken++] = name;
    if (value && !json_is_null(value))
        return value;
    if (required && f->root)
        fields_fail(f, name, "required", "%s is missing.", name);
    return NULL;
}

bool fields_text(struct fields *f, const char *name, bool required, size_t max_bytes,
                 const char **out)
{
    const json_t *value = take(f, name, required);
    size_t n = json_string_length(value);

    if (!value)
        return false;
    if (!json_is_string(value) || n == 0 || n > max_bytes ||
        memchr(json_string_value(value), '\0', n)) {
        fields_fail(f, name, "string", "%s must be a string of 1 to %zu bytes without a NUL.", name,
                    max_bytes);
        return false;
    }
    *out = json_string_value(value);
    return true;
}

bool fields_whole(const json_t *value, int64_t *out)
{
    double v = json_real_value(value);

    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    if (!json_is_real(value) || !(v >= -WHOLE_MAX && v <= WHOLE_MAX) || v != (double)(int64_t)v)
        return false;
    *out = (int64_t)v;
    return true;
}

bool fields_token_id(const json_t *value, int32_t *out)
{
    int64_t id;

    if (!fields_whole(value, &id) || id < 0 || id > INT32_MAX)
        return false;
    *out = (int32_t)id;
    return true;
}

bool fields_int(struct fields *f, const char *name, bool required, int64_t min, int64_t max,
                int64_t *out)
{
    const json_t *value = take(f, name, required);
    int64_t n;

    if (!value)
        return false;
    if (!fields_whole(value, &n) || n < min || n > max) {
        fields_fail(f, name, "integer", "%s must be an integer from %lld to %lld.", name,
                    (long long)min, (long long)max);
        return false;
    }
    *out = n;
    return true;
}

bool fields_number(struct fields *f, const char *name, double min, double max, double *out)
{
    const json_t *value = take(f, name, false);

    if (!value)
        return false;
    if (!json_is_number(value) || !(json_number_value(value) >= min) ||
        !(json_number_value(value) <= max)) {
        fields_fail(f, name, "number", "%s must be a number from %.16g to %.16g.", name, min, max);
        return false;
    }
    *out = json_number_value(value);
    return true;
}

json_t *fields_any(struct fields *f, const char *name, bool required)
{
    return take(f, name, required);
}

bool fields_bool(struct fields *f, const char *name, bool *out)
{
    const json_t *value = take(f, name, false);

    if (!value)
        return false;
    if (!json_is_boolean(value)) {
        fields_fail(f, name, "boolean", "%s must be true or false.", name);
        return false;
    }
    *out = json_is_true(value);
    return true;
}

static bool fail_duration(struct fields *f, const char *name)
{
    fields_fail(f, name, "duration",
                "%s must be a duration such as \"30s\" or \"5m\", a number of seconds, or -1; at "
                "most " STR_DURATION_MAX_TEXT ".",
                name);
    return false;
}

/* "" where it is none, or has a NUL in it. */
static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);

    return text && strlen(text) == json_string_length(value) ? text : "";
}

bool fields_duration_ms(struct fields *f, const char *name, int64_t *out)
{
    const json_t *value = take(f, name, false);
    int64_t seconds;

    if (!value)
        return false;
    if (str_to_duration_ms(text_of(value), out) == 0)
        return true;
    if (fields_whole(value, &seconds) && seconds >= -1 && seconds <= STR_DURATION_MAX_MS / 1000) {
        *out = seconds < 0 ? -1 : seconds * 1000;
        return true;
    }
    return fail_duration(f, name);
}

bool fields_go_duration_ms(struct fields *f, const char *name, int64_t *out)
{
    const json_t *value = take(f, name, false);
    double seconds = json_number_value(value);

    if (!value)
        return false;
    if (str_to_duration_ms(text_of(value), out) == 0 ||
        str_to_go_duration_ms(text_of(value), out) == 0)
        return true;
    if (json_is_number(value) && seconds <= (double)(STR_DURATION_MAX_MS / 1000)) {
        double ms = seconds * 1000;

        *out = ms < 0 ? -1 : (int64_t)(ms < 0.5 ? ms > 0 : ms + 0.5);
        return true;
    }
    return fail_duration(f, name);
}

static bool is_taken(const struct fields *f, const char *name)
{
    for (size_t i = 0; i < f->n_taken; i++)
        if (str_eq(f->taken[i], name))
            return true;
    return false;
}

static void find_unknown(struct fields *f)
{
    const char *name;
    json_t *value;

    json_object_foreach(f->root, name, value)
    {
        char shown[NAME_SHOWN_MAX + 1];

        if (is_taken(f, name) || json_is_null(value))
            continue;
        snprintf(shown, sizeof shown, "%.*s", (int)str_utf8_whole(name, strnlen(name, 64)), name);
        fields_fail(f, shown, "known field", "There is no field named '%s' here.", shown);
    }
}

void fields_lose(struct fields *f)
{
    f->no_memory = true;
}

int fields_end(struct fields *f, struct api_error *e, const char *src)
{
    size_t n;

    if (f->not_json[0]) {
        api_error_set(e, API_INVALID_REQUEST, src, "%s", f->not_json);
        return -1;
    }
    if (!f->root || !f->errors || f->no_memory || f->n_lost != json_guard_n_failed()) {
        api_error_set(e, API_INTERNAL, src, "there was no memory for the request");
        e->details = json_pack("{s:s}", "hint", JSON_NO_MEMORY_HINT);
        return -1;
    }
    find_unknown(f);
    n = json_array_size(f->errors);
    if (n == 0)
        return 0;
    api_error_set(e, API_INVALID_REQUEST, src, "the request has %zu bad field%s: %s", n,
                  n == 1 ? "" : "s",
                  json_string_value(json_object_get(json_array_get(f->errors, 0), "message")));
    e->details = json_pack("{s:O}", "errors", f->errors);
    return -1;
}

void fields_done(struct fields *f)
{
    json_decref(f->root);
    json_decref(f->errors);
    *f = (struct fields){0};
}
