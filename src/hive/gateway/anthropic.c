/* anthropic.c - see anthropic.h. */
#include "hive/gateway/anthropic.h"

#include "base/str.h"
#include "hive/gateway/relay.h"
#include "hive/gateway/request.h"
#include "hive/http/reply.h"
#include "net/http_server.h"

static void render_count(struct relay *r, json_t *answer)
{
    json_t *tokens = json_object_get(answer, "tokens");
    struct api_error e;

    if (json_is_integer(tokens) && json_integer_value(tokens) >= 0) {
        reply_json(r->x, 200, json_pack("{s:O}", "input_tokens", tokens));
        return;
    }
    api_error_set(&e, API_INTERNAL, REPLY_SRC, "the worker's answer holds no count of tokens");
    shape_answer(r->x, r->shape, &e, 0);
}

static void keep(json_t *to, const json_t *from, const char *name)
{
    json_t *value = json_object_get(from, name);

    if (value)
        json_object_set(to, name, value);
}

void anthropic_count(struct hive *h, struct http_exchange *x, const char *id)
{
    struct relay *r = relay_create(h, x, SHAPE_ANTHROPIC, "/v1/render");
    struct order o;
    struct fields f;
    const char *body;
    size_t n;

    (void)id;
    if (!r)
        return;
    body = http_body(x, &n);
    fields_begin(&f, body, n);
    order_init(&o);
    request_messages_prompt(&f, &o);
    request_settle(&request_messages, &o);
    keep(r->body, o.body, "messages");
    keep(r->body, o.body, "tools");
    keep(r->body, o.body, "tool_choice"); /* "none": they are not in the prompt */
    keep(r->body, o.body, "template_vars");
    keep(r->body, o.body, "continue_final_message");
    if (o.model && !(r->model = str_dup(o.model)))
        fields_lose(&f);
    r->render = render_count;
    order_done(&o);
    relay_go(r, &f);
}
