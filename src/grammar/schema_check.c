/* schema_check.c - the keywords that are known, and what their values must be. See schema.h. */
#include <math.h>
#include <string.h>

#include "grammar/grammar.h"
#include "grammar/schema_internal.h"

#define MEMBER_STEPS 4 /* to look at a type, a name, a value */

enum value_kind {
    V_SAID, /* anything: an annotation */
    V_TYPE, /* a type's name, or a list of them */
    V_BOOLEAN,
    V_NO,    /* false; true is not supported */
    V_COUNT, /* an integer from 0 on */
    V_NUMBER,
    V_TEXT,
    V_SCHEMA,
    V_ALL_NAMES,  /* a schema that every name is valid against; another is not supported */
    V_SCHEMAS,    /* a list of at least one schema */
    V_PROPERTIES, /* an object of schemas */
    V_NAMES,      /* a list of texts */
    V_LIST,       /* a list */
    V_ANY,        /* anything: const */
    V_TOP         /* anything, at the top only */
};

static const struct keyword {
    const char *name;
    enum value_kind kind;
    uint32_t types; /* 0: of all types */
    uint32_t done;  /* how parts note that it was seen to */
} keywords[] = {
    {"type", V_TYPE, 0, 0},
    {"nullable", V_BOOLEAN, 0, 0},
    {"enum", V_LIST, 0, 0},
    {"const", V_ANY, 0, 0},
    {"anyOf", V_SCHEMAS, 0, DONE_ANYOF},
    {"oneOf", V_SCHEMAS, 0, DONE_ONEOF},
    {"allOf", V_SCHEMAS, 0, DONE_ALLOF},
    {"$ref", V_TEXT, 0, DONE_REF},
    {"properties", V_PROPERTIES, TYPE_OBJECT, 0},
    {"required", V_NAMES, TYPE_OBJECT, 0},
    {"additionalProperties", V_SCHEMA, TYPE_OBJECT, 0},
    {"propertyNames", V_ALL_NAMES, TYPE_OBJECT, 0},
    {"minProperties", V_COUNT, TYPE_OBJECT, 0},
    {"maxProperties", V_COUNT, TYPE_OBJECT, 0},
    {"items", V_SCHEMA, TYPE_ARRAY, 0},
    {"prefixItems", V_SCHEMAS, TYPE_ARRAY, 0},
    {"minItems", V_COUNT, TYPE_ARRAY, 0},
    {"maxItems", V_COUNT, TYPE_ARRAY, 0},
    {"uniqueItems", V_NO, TYPE_ARRAY, 0},
    {"minLength", V_COUNT, TYPE_STRING, 0},
    {"maxLength", V_COUNT, TYPE_STRING, 0},
    {"pattern", V_TEXT, TYPE_STRING, 0},
    {"format", V_TEXT, TYPE_STRING, 0},
    {"minimum", V_NUMBER, TYPE_NUMBER, 0},
    {"maximum", V_NUMBER, TYPE_NUMBER, 0},
    {"exclusiveMinimum", V_NUMBER, TYPE_NUMBER, 0},
    {"exclusiveMaximum", V_NUMBER, TYPE_NUMBER, 0},
    {"title", V_SAID, 0, 0},
    {"description", V_SAID, 0, 0},
    {"default", V_SAID, 0, 0},
    {"examples", V_SAID, 0, 0},
    {"$schema", V_SAID, 0, 0},
    {"$comment", V_SAID, 0, 0},
    {"deprecated", V_SAID, 0, 0},
    {"readOnly", V_SAID, 0, 0},
    {"writeOnly", V_SAID, 0, 0},
    {"contentEncoding", V_SAID, 0, 0},
    {"contentMediaType", V_SAID, 0, 0},
    {"discriminator", V_SAID, 0, 0}, /* of OpenAPI 3: which branch of oneOf it is, for who reads */
    {"$defs", V_SAID, 0, 0},
    {"definitions", V_SAID, 0, 0},
    {"$id", V_TOP, 0, 0},
};

static const struct {
    const char *name;
    uint32_t types;
} type_names[] = {
    {"null", TYPE_NULL},       {"boolean", TYPE_BOOLEAN}, {"object", TYPE_OBJECT},
    {"array", TYPE_ARRAY},     {"string", TYPE_STRING},   {"number", TYPE_NUMBER},
    {"integer", TYPE_INTEGER},
};

static const struct keyword *find_keyword(const char *name)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (strcmp(keywords[i].name, name) == 0)
            return &keywords[i];
    }
    return NULL;
}

uint32_t schema_key_types(const char *key)
{
    const struct keyword *k = find_keyword(key);

    return k ? k->types : 0;
}

/* 0: no type's name. */
static uint32_t type_of(const json_t *name)
{
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        if (json_is_string(name) && strcmp(json_string_value(name), type_names[i].name) == 0)
            return type_names[i].types;
    }
    return 0;
}

uint32_t schema_types(const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type");
    uint32_t types = 0;
    size_t i;
    json_t *name;

    if (!type)
        return TYPE_ANY;
    types = type_of(type);
    json_array_foreach(type, i, name) types |= type_of(name);
    return json_is_true(json_object_get(schema, "nullable")) ? types | TYPE_NULL : types;
}

bool schema_says_nothing(const json_t *schema, uint32_t done)
{
    const char *key;
    json_t *value;

    if (json_is_boolean(schema))
        return json_is_true(schema);
    json_object_foreach((json_t *)(uintptr_t)schema, key, value)
    {
        const struct keyword *k = find_keyword(key);

        if (k && k->kind != V_SAID && k->kind != V_TOP && !(k->done & done))
            return false;
    }
    return true;
}

/* Is every text valid against it? What is seen of that: it says nothing but that it is one. */
static bool takes_all_texts(const json_t *schema)
{
    const char *key;
    json_t *value;

    if (json_is_boolean(schema))
        return json_is_true(schema);
    json_object_foreach((json_t *)(uintptr_t)schema, key, value)
    {
        const struct keyword *k = find_keyword(key);

        if (!k || (k->kind != V_SAID && k->kind != V_TYPE))
            return false;
    }
    return (schema_types(schema) & TYPE_STRING) != 0;
}

static bool is_schema(const json_t *value)
{
    return json_is_object(value) || json_is_boolean(value);
}

static bool all_schemas(const json_t *list)
{
    size_t i;
    json_t *value;

    json_array_foreach(list, i, value)
    {
        if (!is_schema(value))
            return false;
    }
    return json_array_size(list) > 0;
}

static bool all_properties(const json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (!is_schema(value))
            return false;
    }
    return json_is_object(object);
}

static bool all_texts(const json_t *list)
{
    size_t i;
    json_t *value;

    json_array_foreach(list, i, value)
    {
        if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
            return false;
    }
    return json_is_array(list);
}

static bool all_types(const json_t *type)
{
    size_t i;
    json_t *value;

    if (json_is_string(type))
        return type_of(type) != 0;
    json_array_foreach(type, i, value)
    {
        if (!type_of(value))
            return false;
    }
    return json_array_size(type) > 0;
}

/* What a value must be, when it is not; NULL when it is. */
static const char *lacks(enum value_kind kind, const json_t *value)
{
    switch (kind) {
    case V_TYPE:
        return all_types(value)
                   ? NULL
                   : "must be null, boolean, object, array, string, number or integer, or "
                     "a list of those";
    case V_BOOLEAN:
    case V_NO:
        return json_is_boolean(value) ? NULL : "must be true or false";
    case V_COUNT:
        return (json_is_integer(value) && json_integer_value(value) >= 0) ||
                       (json_is_real(value) && json_real_value(value) >= 0 &&
                        floor(json_real_value(value)) == json_real_value(value))
                   ? NULL
                   : "must be an integer from 0 on";
    case V_NUMBER:
        return json_is_number(value) ? NULL : "must be a number";
    case V_TEXT:
        return json_is_string(value) ? NULL : "must be a string";
    case V_SCHEMA:
    case V_ALL_NAMES:
        return is_schema(value) ? NULL : "must be a schema: an object, true or false";
    case V_SCHEMAS:
        return all_schemas(value) ? NULL : "must be a list of at least one schema";
    case V_PROPERTIES:
        return all_properties(value) ? NULL
                                     : "must be an object of schemas (and names without NUL)";
    case V_NAMES:
        return all_texts(value) ? NULL : "must be a list of strings (without NUL)";
    case V_LIST:
        return json_is_array(value) ? NULL : "must be a list";
    case V_SAID:
    case V_ANY:
    case V_TOP:
        break;
    }
    return NULL;
}

static bool check_keyword(struct schema *s, const json_t *schema, const char *key,
                          const json_t *value)
{
    const struct keyword *k = find_keyword(key);
    const char *must;

    if (!k || (k->kind == V_TOP && schema != s->root)) {
        schema_fail(s, ERR_UNSUPPORTED, schema, key, "the keyword '%.64s' is not supported%s", key,
                    k ? " but at the top" : "");
        return false;
    }
    must = lacks(k->kind, value);
    if (must)
        schema_fail(s, ERR_INVALID, schema, key, "'%s' %s", key, must);
    else if (k->kind == V_NO && json_is_true(value))
        schema_fail(s, ERR_UNSUPPORTED, schema, key, "'%s' is not supported", key);
    else if (k->kind == V_ALL_NAMES && !takes_all_texts(value))
        schema_fail(s, ERR_UNSUPPORTED, schema, key,
                    "'%s' is not supported but as {\"type\": \"string\"}, which allows all", key);
    return !rules_failed(s->r);
}

static uint64_t steps_of(const json_t *value)
{
    return MEMBER_STEPS * (1 + json_array_size(value) + json_object_size(value));
}

bool schema_check(struct schema *s, const json_t *schema)
{
    const char *key;
    json_t *value;

    if (json_is_boolean(schema))
        return true;
    json_object_foreach((json_t *)(uintptr_t)schema, key, value)
    {
        if (!rules_work(s->r, steps_of(value)) || !check_keyword(s, schema, key, value))
            return false;
    }
    return true;
}
