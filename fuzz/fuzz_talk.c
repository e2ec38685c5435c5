/*
 * fuzz_talk.c - a conversation with a model whose chat template is anybody's: the template, a form
 * feed, the body of POST /v1/inference, a form feed, and bytes that choose among the tokens that
 * the answer may have.
 *
 * Any template and any conversation end in a prompt that is UTF-8, twice the same, or in an error
 * with a sentence. Where the answer must have a form, the masks are walked as the bytes say, and
 * what comes is read as a worker reads it: nothing but calls of tools that there are where there
 * must be calls, JSON where a schema asks for it.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api/inference.h"
#include "base/str.h"
#include "chat/constrain.h"
#include "chat/split.h"
#include "chat/template_internal.h"

#include "grammar_tokens.h"

#define FORM_FEED  '\f'
#define INPUT_MAX  8192   /* so that one run stays fast */
#define STEPS_MAX  50000u /* of a render */
#define PROMPT_MAX ((size_t)1 << 20)
#define TOKENS_MAX 600 /* of an answer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const longer[N_LONGER] = {"\": ", "\", \"", "true", "\"}", "</", "\n  "};
static struct grammar_token tokens[N_TOKENS];
static struct grammar_vocab *vocab;

/* ---- the prompt ---- */

static struct chat_conversation conversation_of(const struct inference_request *r)
{
    return (struct chat_conversation){.messages = r->messages,
                                      .tools = r->tool_choice == TOOLS_NONE ? NULL : r->tools,
                                      .vars = r->template_vars,
                                      .no_generation_prompt = !r->add_generation_prompt,
                                      .continues = r->continue_final_message};
}

static int render(const struct chat_template *t, const struct inference_request *r, struct buf *out,
                  bool *thinking)
{
    struct chat_conversation c = conversation_of(r);
    struct err err = {0};
    int rc;

    rc = chat_template_run(t, &c, STEPS_MAX, out, &err);
    buf_clear(out);
    if (rc == 0)
        rc = chat_template_render(t, &c, out, thinking, &err);
    BUG_ON((rc != 0) != (err.text[0] != '\0'));
    BUG_ON(rc && rc != ERR_INVALID && rc != ERR_UNSUPPORTED && rc != ERR_LIMIT);
    BUG_ON(!rc && !str_is_utf8(buf_str(out), out->len));
    return rc;
}

static int render_twice(const struct chat_template *t, const struct inference_request *r,
                        bool *thinking)
{
    struct buf one, two;
    bool again = false;
    int rc;

    buf_init(&one, CHAT_MAX_PROMPT_BYTES);
    buf_init(&two, CHAT_MAX_PROMPT_BYTES);
    rc = render(t, r, &one, thinking);
    BUG_ON(render(t, r, &two, &again) != rc);
    if (rc == 0)
        BUG_ON(*thinking != again || one.len != two.len ||
               memcmp(buf_str(&one), buf_str(&two), one.len) != 0);
    buf_done(&one);
    buf_done(&two);
    return rc;
}

/* ---- the answer, as worker/jobs/speech.c reads it ---- */

struct heard {
    const json_t *tools;
    struct buf said, args;
    uint32_t n_calls;
};

static bool is_tool(const json_t *tools, const char *name, size_t n)
{
    for (size_t i = 0; i < json_array_size(tools); i++)
        if (strlen(inference_tool_name(tools, i)) == n &&
            memcmp(inference_tool_name(tools, i), name, n) == 0)
            return true;
    return false;
}

static void end_args(const struct heard *h)
{
    json_t *args;

    if (h->n_calls == 0)
        return;
    args = json_loadb(buf_str(&h->args), h->args.len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(args) && !strstr(buf_str(&h->args), "\\u0000"))
        BUG("the arguments are no object: %s", buf_str(&h->args));
    json_decref(args);
}

static void hear(void *arg, const struct split_piece *p)
{
    struct heard *h = arg;

    if (p->kind == SPLIT_CALL) {
        end_args(h);
        buf_clear(&h->args);
        h->n_calls++;
        if (!is_tool(h->tools, p->text, p->n))
            BUG("a call of '%.*s', which there is not", (int)p->n, p->text);
    } else if (p->kind == SPLIT_ARGS) {
        buf_put(&h->args, p->text, p->n);
    } else if (p->kind == SPLIT_CONTENT) {
        buf_put(&h->said, p->text, p->n);
    }
}

static struct split *begin_split(const struct inference_request *r, const struct chat_template *t,
                                 bool thinking, struct heard *h)
{
    bool calls = r->tools && r->tool_choice != TOOLS_NONE;
    struct split_options o = {.tools = r->tools,
                              .thinking = thinking,
                              .begun = r->continue_final_message,
                              .give = hear,
                              .arg = h};
    struct split *s = NULL;

    o.format = chat_template_format(t);
    if (!calls && (!o.format->opened || r->json_schema))
        o.format = NULL;
    o.think = chat_template_think(t);
    BUG_ON(split_create(&o, &s, NULL));
    return s;
}

/* What closes things, when there are no choices any more. */
static uint32_t likely(const uint64_t *mask)
{
    static const char want[] = "\"}]>)<|/0a:, \n{[t";

    for (const char *c = want; *c; c++)
        if (mask[(unsigned char)*c / 64] >> ((unsigned char)*c % 64) & 1)
            return (unsigned char)*c;
    for (uint32_t i = 0; i < N_TOKENS; i++)
        if (mask[i / 64] >> i % 64 & 1)
            return i;
    return N_TOKENS;
}

static uint32_t pick(const uint64_t *mask, uint32_t r)
{
    uint32_t n = 0, k = 0;

    for (uint32_t i = 0; i < N_TOKENS; i++)
        n += mask[i / 64] >> i % 64 & 1;
    for (uint32_t i = 0; i < N_TOKENS && n; i++)
        if ((mask[i / 64] >> i % 64 & 1) && k++ == r % n)
            return i;
    return N_TOKENS;
}

/* Puts tokens until it must end, or may and there are no choices left. True: it is whole. */
static bool walk(struct chat_constraint *c, struct split *s, const uint8_t *choices, size_t n,
                 struct buf *text)
{
    struct err err = {0};

    for (size_t i = 0; i < TOKENS_MAX && !chat_constraint_must_end(c); i++) {
        const uint64_t *mask = chat_constraint_mask(c);
        uint32_t token;

        if (i >= n && chat_constraint_may_end(c))
            return true;
        if (!mask) {
            BUG_ON(!chat_constraint_goes_on(c) && chat_constraint_why(c, &err) == 0);
            return false;
        }
        token = i < n ? pick(mask, choices[i]) : likely(mask);
        if (token == N_TOKENS) {
            BUG_ON(!chat_constraint_may_end(c) && chat_constraint_why(c, &err) == 0);
            return chat_constraint_may_end(c);
        }
        if (chat_constraint_put(c, tokens[token].bytes, tokens[token].n, &err)) {
            BUG_ON(err.code != ERR_LIMIT);
            return false;
        }
        buf_put(text, tokens[token].bytes, tokens[token].n);
        if (s && chat_constraint_forgoes_calls(c))
            split_forgo_calls(s);
    }
    return chat_constraint_must_end(c);
}

static void check_whole(const struct inference_request *r, const struct heard *h, bool thinking,
                        const char *text)
{
    bool forced = r->tool_choice == TOOLS_REQUIRED || r->tool_choice == TOOLS_NAMED;
    json_error_t e;
    json_t *value;

    if (forced && h->n_calls == 0)
        BUG("there must be a call, and there is none: %s", text);
    if (forced && h->said.len && strspn(buf_str(&h->said), " \n\t") != h->said.len)
        BUG("beside calls it says '%s': %s", buf_str(&h->said), text);
    end_args(h);
    if (!r->json_schema || h->n_calls)
        return;
    value = json_loadb(buf_str(&h->said), h->said.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (!value && json_error_code(&e) != json_error_numeric_overflow &&
        json_error_code(&e) != json_error_null_byte_in_key)
        BUG("by a schema it says '%s' of '%s' (thought %d)", buf_str(&h->said), text, thinking);
    json_decref(value);
}

/* Characters are split whole: bytes of one that is not whole yet wait. */
static void put_text(struct split *s, const struct buf *text)
{
    BUG_ON(str_is_utf8(buf_str(text), text->len) && split_put(s, buf_str(text), text->len));
}

static void answer(const struct inference_request *r, const struct chat_template *t, bool thinking,
                   const uint8_t *choices, size_t n)
{
    struct heard h = {.tools = r->tools};
    struct chat_constraint *c = NULL;
    struct grammar_store *store;
    struct split *s;
    struct err err = {0};
    struct buf text;
    bool whole;

    BUG_ON(grammar_store_create(&store, NULL));
    buf_init(&text, PROMPT_MAX);
    buf_init(&h.said, PROMPT_MAX);
    buf_init(&h.args, PROMPT_MAX);
    if (chat_constraint_create(r, chat_template_format(t), thinking ? chat_template_think(t) : NULL,
                               vocab, store, NULL, &c, &err)) {
        BUG_ON(!err.text[0]);
    } else {
        s = begin_split(r, t, thinking, &h);
        whole = walk(c, s, choices, n, &text);
        put_text(s, &text);
        BUG_ON(split_end(s));
        if (whole && str_is_utf8(buf_str(&text), text.len))
            check_whole(r, &h, thinking, buf_str(&text));
        split_free(s);
    }
    chat_constraint_free(c);
    grammar_store_free(store);
    buf_done(&h.said);
    buf_done(&h.args);
    buf_done(&text);
}

/* ---- all of it ---- */

static void talk(const char *template, size_t n, const struct inference_request *r,
                 const uint8_t *choices, size_t n_choices)
{
    struct chat_template *t = NULL;
    struct err err = {0};
    bool thinking = false;

    if (chat_template_create(template, n, "<s>", "</s>", &t, &err)) {
        BUG_ON(!err.text[0]);
        return;
    }
    if (render_twice(t, r, &thinking) == 0 && chat_constraint_is_asked(r))
        answer(r, t, thinking, choices, n_choices);
    chat_template_free(t);
}

/* The bytes up to the next form feed, which go. */
static const uint8_t *take_part(const uint8_t **at, size_t *left, size_t *n)
{
    const uint8_t *part = *at, *end = *left ? memchr(part, FORM_FEED, *left) : NULL;

    *n = end ? (size_t)(end - part) : *left;
    *at += *n + (end ? 1 : 0);
    *left -= *n + (end ? 1 : 0);
    return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inference_request r;
    struct api_error e = {0};
    const uint8_t *template, *body;
    size_t n_template, n_body;

    if (!vocab)
        vocab = make_vocab(longer, tokens);
    if (size > INPUT_MAX)
        return 0;
    template = take_part(&data, &size, &n_template);
    body = take_part(&data, &size, &n_body);
    inference_request_init(&r);
    if (inference_request_parse((const char *)body, n_body, &r, &e, "fuzz") == 0 && r.messages)
        talk((const char *)template, n_template, &r, data, size);
    api_error_done(&e);
    inference_request_done(&r);
    return 0;
}
