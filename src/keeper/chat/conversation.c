/* conversation.c - see conversation.h. */
#include "keeper/chat/conversation.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/json_whole.h"
#include "base/path.h"
#include "base/str.h"
#include "base/sweep.h"
#include "keeper/ask/settings.h"

#define FILE_MODE 0600

int conversation_init(struct conversation *c, struct err *err)
{
    *c = (struct conversation){.settings = json_object(), .messages = json_array()};
    if (c->settings && c->messages)
        return 0;
    conversation_done(c);
    return err_no_memory(err, sizeof *c, "a conversation");
}

void conversation_done(struct conversation *c)
{
    free(c->model);
    free(c->system_text);
    json_decref(c->settings);
    json_decref(c->messages);
    *c = (struct conversation){.model = NULL};
}

/* ---- messages ---- */
static int append(struct conversation *c, json_t *message, size_t n, struct err *err)
{
    return json_array_append_new(c->messages, message) ? err_no_memory(err, n, "a message") : 0;
}

int conversation_add_user(struct conversation *c, const char *text, size_t n, struct err *err)
{
    return append(c, json_pack("{s:s, s:s%}", "role", "user", "content", text, n), n, err);
}

int conversation_add_answer(struct conversation *c, const char *text, const char *thoughts,
                            bool cut, struct err *err)
{
    json_t *message = json_pack("{s:s, s:s}", "role", "assistant", "content", text);

    if (message && thoughts && thoughts[0])
        json_object_set_new(message, "reasoning_content", json_string(thoughts));
    if (message && cut)
        json_object_set_new(message, "cut", json_true());
    return append(c, message, strlen(text), err);
}

void conversation_drop(struct conversation *c)
{
    size_t n = json_array_size(c->messages);

    if (n)
        json_array_remove(c->messages, n - 1);
}

void conversation_clear(struct conversation *c)
{
    json_array_clear(c->messages);
}

size_t conversation_count(const struct conversation *c)
{
    return json_array_size(c->messages);
}

int conversation_set_system(struct conversation *c, const char *text, struct err *err)
{
    char *copy = text ? str_dup(text) : NULL;

    if (text && !copy)
        return err_no_memory(err, strlen(text), "the system's text");
    free(c->system_text);
    c->system_text = copy;
    return 0;
}

json_t *conversation_messages(const struct conversation *c)
{
    json_t *list = json_array(), *message;
    int rc = 0;
    size_t i;

    if (c->system_text)
        rc |= json_array_append_new(
            list, json_pack("{s:s, s:s}", "role", "system", "content", c->system_text));
    json_array_foreach(c->messages, i, message)
    {
        json_t *copy = json_copy(message);

        json_object_del(copy, "cut");
        rc |= json_array_append_new(list, copy);
    }
    if (rc == 0)
        return list;
    json_decref(list);
    return NULL;
}

/* ---- files ---- */
static char *to_text(const struct conversation *c)
{
    json_t *root = json_pack("{s:i, s:s*, s:s*, s:O, s:O}", "rbee_chat", CONVERSATION_VERSION,
                             "model", c->model, "system", c->system_text, "settings", c->settings,
                             "messages", c->messages);
    char *text = root ? json_write(root, JSON_INDENT(2)) : NULL;

    json_decref(root);
    return text;
}

/* Nothing is there, or a conversation: a pipe or a device would be replaced as a file is. */
static int check_place(const char *path, struct err *err)
{
    struct conversation there;
    struct stat st;

    if (path_is_dir(path))
        return err_set(err, ERR_CONFLICT, "%.200s is a folder; name a file", path);
    if (!path_is_file(path))
        return stat(path, &st) != 0
                   ? 0
                   : err_set(err, ERR_CONFLICT,
                             "%.200s is there already and is no file; choose another name", path);
    if (conversation_load(path, &there, NULL))
        return err_set(err, ERR_CONFLICT,
                       "%.200s is there already and holds no conversation; choose another name",
                       path);
    conversation_done(&there);
    return 0;
}

int conversation_save(const struct conversation *c, const char *path, struct err *err)
{
    char *text, *target;
    int rc = check_place(path, err);

    if (rc)
        return rc;
    text = to_text(c);
    target = path_behind_link(path);
    if (text && target)
        sweep_abandoned(target, NULL); /* by a keeper that was killed: it holds what was said */
    if (text && target)
        rc = path_write_file(target, text, strlen(text), FILE_MODE, err);
    else
        rc = err_no_memory(err, 1, "the conversation's text");
    free(target);
    free(text);
    return rc;
}

static bool is_text(const json_t *v)
{
    return json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v);
}

/* The member is absent, null, or a text without a NUL. */
static bool may_be_text(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);

    return !v || json_is_null(v) || is_text(v);
}

static int check_message(const json_t *m, size_t i, struct err *err)
{
    const char *role = json_string_value(json_object_get(m, "role"));
    const json_t *cut = json_object_get(m, "cut");

    if (!role || (!str_eq(role, "user") && !str_eq(role, "assistant")))
        return err_set(err, ERR_INVALID, "messages[%zu].role is neither \"user\" nor \"assistant\"",
                       i);
    if (!is_text(json_object_get(m, "content")))
        return err_set(err, ERR_INVALID, "messages[%zu].content is not a text", i);
    if (!may_be_text(m, "reasoning_content"))
        return err_set(err, ERR_INVALID, "messages[%zu].reasoning_content is not a text", i);
    if (cut && !json_is_boolean(cut))
        return err_set(err, ERR_INVALID, "messages[%zu].cut is neither true nor false", i);
    return 0;
}

static int check(const json_t *root, struct err *err)
{
    const json_t *messages = json_object_get(root, "messages");
    const json_t *settings = json_object_get(root, "settings");
    const json_t *version = json_object_get(root, "rbee_chat");
    size_t i;
    json_t *m;

    if (!json_is_integer(version))
        return err_set(err, ERR_INVALID, "it is no conversation of ours: \"rbee_chat\" is missing");
    if (json_integer_value(version) != CONVERSATION_VERSION)
        return err_set(err, ERR_INVALID, "it is of version %lld, and this program reads version %d",
                       (long long)json_integer_value(version), CONVERSATION_VERSION);
    if (!may_be_text(root, "model") || !may_be_text(root, "system"))
        return err_set(err, ERR_INVALID, "its model or system is not a text");
    if (!json_is_array(messages))
        return err_set(err, ERR_INVALID, "its messages are not an array");
    json_array_foreach(messages, i, m) if (check_message(m, i, err)) return ERR_INVALID;
    if (settings && !json_is_object(settings))
        return err_set(err, ERR_INVALID, "its settings are not an object");
    if (settings && settings_check(settings, err)) {
        err_prefix(err, "settings");
        return ERR_INVALID;
    }
    return 0;
}

/* Of a checked root; ERR_NO_MEMORY. */
static int take(const json_t *root, struct conversation *c, struct err *err)
{
    const char *model = json_string_value(json_object_get(root, "model"));
    const char *instructions = json_string_value(json_object_get(root, "system"));
    const json_t *settings = json_object_get(root, "settings");

    *c = (struct conversation){.messages = json_deep_copy(json_object_get(root, "messages"))};
    c->settings = settings ? json_deep_copy(settings) : json_object();
    c->model = model ? str_dup(model) : NULL;
    c->system_text = instructions ? str_dup(instructions) : NULL;
    if (c->messages && c->settings && !(model && !c->model) && !(instructions && !c->system_text))
        return 0;
    conversation_done(c);
    return err_no_memory(err, 1, "the conversation");
}

int conversation_parse(const char *text, size_t n, struct conversation *out, struct err *err)
{
    json_error_t at;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
    int rc;

    if (!root)
        return err_set(err, ERR_INVALID, "it is not JSON (line %d, column %d)", at.line, at.column);
    rc = check(root, err);
    if (rc == 0)
        rc = take(root, out, err);
    json_decref(root);
    return rc;
}

int conversation_load(const char *path, struct conversation *out, struct err *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc = path_read_file(path, CONVERSATION_FILE_MAX, &text, &n, err);

    if (rc)
        return rc;
    rc = conversation_parse(text, n, out, err);
    if (rc)
        err_prefix(err, "%.200s", path);
    free(text);
    return rc;
}
