/*
 * inference_chat.c - the fields of a request that belong to a conversation: messages, tools,
 * tool_choice, template_vars. Each fault is told with its place, such as
 * "messages[2].content[0].type". Shapes are those of OpenAI's chat completions; members that are
 * not named here are the template's business and are left as they came. Any thread; no state.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/inference_checks.h"
#include "base/str.h"

#define PLACE_MAX 160

/* Where in the request; built up while going down. */
struct place {
    char text[PLACE_MAX];
};

static struct place place_at(const struct place *in, size_t k)
{
    struct place at;

    snprintf(at.text, sizeof at.text, "%.120s[%zu]", in->text, k);
    return at;
}

static struct place place_of(const struct place *in, const char *member)
{
    struct place at;

    snprintf(at.text, sizeof at.text, "%.120s.%.30s", in->text, member);
    return at;
}

static void fail_at(struct checks *c, const struct place *at, const char *must_be)
{
    checks_fail(c, at->text, must_be, "%s must be %s.", at->text, must_be);
}

static bool is_text(const json_t *v)
{
    return json_is_string(v) && !memchr(json_string_value(v), '\0', json_string_length(v));
}

/* A member that is absent, null, or a text. */
static void check_text(struct checks *c, const struct place *in, const json_t *object,
                       const char *name)
{
    const json_t *v = json_object_get(object, name);
    struct place at = place_of(in, name);

    if (v && !json_is_null(v) && !is_text(v))
        fail_at(c, &at, "a string without a NUL");
}

/* ---- messages -------------------------------------------------------------------------------- */

/* What the parts are called that hold something else than text; NULL for an unknown one. */
static const char *medium_of(const char *type)
{
    static const char *const media[][2] = {
        {"image_url", "an image"}, {"image", "an image"}, {"input_image", "an image"},
        {"input_audio", "audio"},  {"audio", "audio"},    {"audio_url", "audio"},
        {"video_url", "a video"},  {"video", "a video"},  {"file", "a file"},
        {"input_file", "a file"},
    };

    for (size_t i = 0; i < sizeof media / sizeof media[0]; i++)
        if (str_eq(type, media[i][0]))
            return media[i][1];
    return NULL;
}

static void check_part(struct checks *c, const struct place *at, const json_t *part)
{
    const json_t *type = json_object_get(part, "type");
    struct place type_at = place_of(at, "type"), text_at = place_of(at, "text");

    if (!json_is_object(part))
        fail_at(c, at, "an object");
    else if (!json_is_string(type))
        fail_at(c, &type_at, "a string, \"text\"");
    else if (medium_of(json_string_value(type)))
        checks_fail(c, type_at.text, "text", "%s is %s; this worker's models take text alone.",
                    at->text, medium_of(json_string_value(type)));
    else if (!str_eq(json_string_value(type), "text"))
        fail_at(c, &type_at, "\"text\"");
    else if (!is_text(json_object_get(part, "text")))
        fail_at(c, &text_at, "a string without a NUL");
}

static void check_content(struct checks *c, const struct place *in, const json_t *message,
                          bool needed)
{
    const json_t *content = json_object_get(message, "content");
    struct place at = place_of(in, "content");
    json_t *part;
    size_t i;

    if (!content || json_is_null(content)) {
        if (needed)
            fail_at(c, &at, "a string or an array of parts");
        return;
    }
    if (!json_is_array(content)) {
        if (!is_text(content))
            fail_at(c, &at, "a string without a NUL, or an array of parts");
        return;
    }
    json_array_foreach(content, i, part)
    {
        struct place part_at = place_at(&at, i);

        check_part(c, &part_at, part);
    }
}

/* {"id", "type":"function", "function":{"name","arguments"}}; arguments a text, or an object. */
static void check_call(struct checks *c, const struct place *at, const json_t *call)
{
    const json_t *function = json_object_get(call, "function");
    const json_t *arguments = json_object_get(function, "arguments");
    struct place function_at = place_of(at, "function");
    struct place name_at = place_of(&function_at, "name");
    struct place arguments_at = place_of(&function_at, "arguments");

    if (!json_is_object(call)) {
        fail_at(c, at, "an object");
        return;
    }
    check_text(c, at, call, "id");
    if (!json_is_object(function)) {
        fail_at(c, &function_at, "an object");
        return;
    }
    if (!is_text(json_object_get(function, "name")))
        fail_at(c, &name_at, "a string without a NUL");
    if (arguments && !json_is_object(arguments) && !is_text(arguments))
        fail_at(c, &arguments_at, "a JSON object as a string");
}

static void check_calls(struct checks *c, const struct place *in, const json_t *message)
{
    const json_t *calls = json_object_get(message, "tool_calls");
    struct place at = place_of(in, "tool_calls");
    json_t *call;
    size_t i;

    if (!calls || json_is_null(calls))
        return;
    if (!json_is_array(calls))
        fail_at(c, &at, "an array");
    json_array_foreach(calls, i, call)
    {
        struct place call_at = place_at(&at, i);

        check_call(c, &call_at, call);
    }
}

static bool is_role(const json_t *v)
{
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};

    for (size_t i = 0; json_is_string(v) && i < sizeof roles / sizeof roles[0]; i++)
        if (str_eq(json_string_value(v), roles[i]))
            return true;
    return false;
}

static void check_message(struct checks *c, const struct place *at, const json_t *message)
{
    const json_t *role = json_object_get(message, "role");
    struct place role_at = place_of(at, "role");

    if (!json_is_object(message)) {
        fail_at(c, at, "an object");
        return;
    }
    if (!is_role(role))
        fail_at(c, &role_at, "\"system\", \"developer\", \"user\", \"assistant\" or \"tool\"");
    check_content(c, at, message, !str_eq(json_string_value(role), "assistant"));
    check_text(c, at, message, "name");
    check_text(c, at, message, "tool_call_id");
    check_text(c, at, message, "reasoning_content");
    check_calls(c, at, message);
}

void checks_messages(struct checks *c, const struct field *f, const json_t *value)
{
    struct place at = {.text = "messages"};
    json_t *message;
    size_t i;

    if (!json_is_array(value) || json_array_size(value) == 0) {
        checks_fail(c, f->name, "array of messages",
                    "messages must be an array with at least one message.");
        return;
    }
    json_array_foreach(value, i, message)
    {
        struct place message_at = place_at(&at, i);

        check_message(c, &message_at, message);
    }
    c->r->messages = json_incref((json_t *)(uintptr_t)value);
}

static bool has_text(const json_t *content)
{
    const json_t *part;
    size_t i;

    json_array_foreach(content, i,
                       part) if (json_string_length(json_object_get(part, "text"))) return true;
    return json_string_length(content) > 0;
}

bool inference_last_text(const json_t *messages)
{
    const json_t *last = json_array_get(messages, json_array_size(messages) - 1);

    return str_eq(json_string_value(json_object_get(last, "role")), "assistant") &&
           has_text(json_object_get(last, "content")) &&
           json_array_size(json_object_get(last, "tool_calls")) == 0;
}

/* ---- tools ----------------------------------------------------------------------------------- */

static bool is_tool_name(const json_t *v)
{
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);

    if (!json_is_string(v) || n == 0 || n > INFERENCE_TOOL_NAME_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
              (s[i] >= '0' && s[i] <= '9') || s[i] == '_' || s[i] == '-' || s[i] == '.' ||
              s[i] == ':' || s[i] == '/'))
            return false;
    return true;
}

const char *inference_tool_name(const json_t *tools, size_t k)
{
    const json_t *tool = json_array_get(tools, k);

    return json_string_value(json_object_get(json_object_get(tool, "function"), "name"));
}

static bool has_tool(const json_t *tools, const char *name, size_t before)
{
    for (size_t i = 0; i < before; i++)
        if (str_eq(inference_tool_name(tools, i), name))
            return true;
    return false;
}

static void check_function(struct checks *c, const struct place *at, const json_t *function)
{
    const json_t *parameters = json_object_get(function, "parameters");
    struct place name_at = place_of(at, "name"), parameters_at = place_of(at, "parameters");

    if (!json_is_object(function)) {
        fail_at(c, at, "an object");
        return;
    }
    if (!is_tool_name(json_object_get(function, "name")))
        fail_at(c, &name_at, "1 to 128 of A-Z a-z 0-9 _ - . : /");
    check_text(c, at, function, "description");
    if (parameters && !json_is_null(parameters) && !json_is_object(parameters))
        fail_at(c, &parameters_at, "an object, a JSON Schema");
}

static void check_tool(struct checks *c, const struct place *at, const json_t *tool)
{
    const json_t *type = json_object_get(tool, "type");
    struct place type_at = place_of(at, "type"), function_at = place_of(at, "function");

    if (!json_is_object(tool)) {
        fail_at(c, at, "an object");
        return;
    }
    if (type && !str_eq(json_string_value(type), "function"))
        fail_at(c, &type_at, "\"function\"");
    check_function(c, &function_at, json_object_get(tool, "function"));
}

void checks_tools(struct checks *c, const struct field *f, const json_t *value)
{
    struct place at = {.text = "tools"};
    size_t n = json_array_size(value);

    if (!json_is_array(value)) {
        checks_fail(c, f->name, "array of tools", "tools must be an array of at most %d tools.",
                    INFERENCE_TOOLS_MAX);
        return;
    }
    if (n > INFERENCE_TOOLS_MAX) {
        checks_fail(c, f->name, "array of at most 512 tools",
                    "tools has %zu tools, the limit is %d.", n, INFERENCE_TOOLS_MAX);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct place tool_at = place_at(&at, i);
        const char *name = inference_tool_name(value, i);

        check_tool(c, &tool_at, json_array_get(value, i));
        if (name && has_tool(value, name, i)) {
            tool_at = place_of(&tool_at, "function.name");
            fail_at(c, &tool_at, "a name that no tool before it has");
        }
    }
    c->r->tools = n ? json_incref((json_t *)(uintptr_t)value) : NULL;
}

/* {"type":"function","function":{"name"}} */
static void take_named(struct checks *c, const struct field *f, const json_t *value)
{
    const json_t *v = json_object_get(json_object_get(value, "function"), "name");
    const char *name = json_string_value(v);

    if (!name || !has_tool(c->r->tools, name, json_array_size(c->r->tools))) {
        checks_fail(c, f->name, "one of the tools",
                    "tool_choice must be {\"type\":\"function\",\"function\":{\"name\":...}} with "
                    "the name of one of the tools.");
        return;
    }
    c->r->tool_choice = TOOLS_NAMED;
    str_copy(c->r->tool_name, sizeof c->r->tool_name, name);
}

void checks_tool_choice(struct checks *c, const struct field *f, const json_t *value)
{
    const char *word = json_string_value(value);

    if (json_is_object(value))
        take_named(c, f, value);
    else if (str_eq(word, "none"))
        c->r->tool_choice = TOOLS_NONE;
    else if (str_eq(word, "required") && c->r->tools)
        c->r->tool_choice = TOOLS_REQUIRED;
    else if (str_eq(word, "required"))
        checks_fail(c, f->name, "with tools", "tool_choice \"required\" needs tools.");
    else if (!str_eq(word, "auto"))
        checks_fail(c, f->name, "auto, none, required or a function",
                    "tool_choice must be \"auto\", \"none\", \"required\" or a function.");
}

void checks_template_vars(struct checks *c, const struct field *f, const json_t *value)
{
    if (json_is_object(value))
        c->r->template_vars = json_incref((json_t *)(uintptr_t)value);
    else
        checks_fail(c, f->name, "object", "template_vars must be an object.");
}
