/* content.c - see content.h. */
#include "chat/content.h"

#include "api/json_text.h"
#include "base/str.h"

bool content_has_role(const json_t *message, const char *role)
{
    return str_eq(json_text(message, "role"), role);
}

json_t *content_take(struct buf *text)
{
    json_t *taken = buf_failed(text) ? NULL : json_stringn(buf_str(text), text->len);

    buf_done(text);
    return taken;
}

json_t *content_text(const json_t *message)
{
    json_t *content = json_object_get(message, "content"), *part;
    struct buf text;
    size_t i;

    if (json_is_string(content))
        return json_incref(content);
    buf_init(&text, CONTENT_MAX);
    json_array_foreach(content, i, part)
    {
        const json_t *t = json_object_get(part, "text");

        if (text.len)
            buf_put(&text, "\n", 1);
        buf_put(&text, json_string_value(t), json_string_length(t));
    }
    return content_take(&text);
}

int content_to_parts(json_t *message)
{
    json_t *text = json_object_get(message, "content");

    if (!json_is_string(text))
        return 0;
    return json_object_set_new(message, "content",
                               json_pack("[{s:s, s:O}]", "type", "text", "text", text));
}

int content_append(json_t *message, const char *text)
{
    json_t *content = json_object_get(message, "content");
    json_t *holder = message, *said = content;
    const char *member = "content";
    struct buf all;

    if (json_is_array(content)) {
        holder = json_array_get(content, json_array_size(content) - 1);
        member = "text";
        said = json_object_get(holder, member);
    }
    buf_init(&all, CONTENT_MAX);
    buf_put(&all, json_string_value(said), json_string_length(said));
    buf_puts(&all, text);
    return json_object_set_new(holder, member, content_take(&all));
}
