/* constrain.c - see constrain.h. */
#include "chat/constrain.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_whole.h"
#include "base/buf.h"
#include "base/str.h"
#include "chat/constrain_text.h"

enum stretch { IN_THOUGHT, IN_TEXT, IN_HEAD, IN_ARGS, IN_TAIL };

/* Where grammars come from. */
struct source {
    struct grammar_store *store;
    const struct grammar_stop *stop;
};

struct chat_constraint {
    struct grammar_vocab *vocab;
    const struct chat_format *format; /* with tools */
    json_t *tools;                    /* owned; NULL without calls */
    struct grammar *thought;          /* NULL where none was opened */
    struct grammar *text;             /* without tools */
    struct grammar *head, *tail;      /* with tools */
    struct grammar **args;            /* one a tool; NULL for those that cannot be called */
    size_t n_args;
    enum stretch at;
    struct grammar_matcher *matcher; /* of the stretch at hand */
    struct buf lead;                 /* the text of the head or tail at hand */
};

bool chat_constraint_is_asked(const struct inference_request *r)
{
    return r->json_schema || r->grammar || r->tool_choice == TOOLS_REQUIRED ||
           r->tool_choice == TOOLS_NAMED;
}

/* ---- grammars ------------------------------------------------------------ */

static int from_text(const struct source *from, struct buf *text, struct grammar **out,
                     struct err *err)
{
    int rc = buf_failed(text)
                 ? err_no_memory(err, text->len, "a tool call's grammar")
                 : grammar_store_gbnf(from->store, buf_str(text), text->len, from->stop, out, err);

    buf_done(text);
    return rc;
}

static int make_thought(struct chat_constraint *c, const struct source *from,
                        const struct chat_think *think, struct err *err)
{
    struct buf text;

    if (!think)
        return 0;
    buf_init(&text, GRAMMAR_MAX_BYTES);
    constrain_put_thought(&text, think->close);
    return from_text(from, &text, &c->thought, err);
}

/* The schema of a tool's arguments (the caller's reference): an object in any case. */
static json_t *schema_of(const json_t *tool, bool any)
{
    const json_t *parameters = json_object_get(json_object_get(tool, "function"), "parameters");
    json_t *schema = json_is_object(parameters) && !any ? json_copy_all(parameters) : json_object();

    if (schema && !json_object_get(schema, "type"))
        json_object_set_new(schema, "type", json_string("object"));
    return schema;
}

static bool is_strict(const json_t *tool)
{
    return json_is_true(json_object_get(json_object_get(tool, "function"), "strict"));
}

/* A schema with what no grammar can hold to is held to as an object, unless it is to be strict. */
static int make_args(const struct source *from, const json_t *tool, struct grammar **out,
                     struct err *err)
{
    json_t *schema = schema_of(tool, false);
    int rc = schema ? grammar_store_schema(from->store, schema, from->stop, out, err)
                    : err_no_memory(err, 0, "a tool's schema");

    json_decref(schema);
    if (rc == ERR_UNSUPPORTED && !is_strict(tool)) {
        schema = schema_of(tool, true);
        rc = schema ? grammar_store_schema(from->store, schema, from->stop, out, err)
                    : err_no_memory(err, 0, "a tool's schema");
        json_decref(schema);
    }
    if (rc == ERR_LIMIT && !*from->stop->steps_left)
        return err_set(
            err, ERR_LIMIT,
            "the parameters of the tools take more than %llu steps to read together; make "
            "them smaller",
            (unsigned long long)CHAT_CONSTRAINT_MAX_STEPS);
    if (rc)
        err_prefix(err, "the parameters of the tool '%.100s'",
                   json_string_value(json_object_get(json_object_get(tool, "function"), "name")));
    return rc;
}

/* Does argument grammar i stand among those before it? Then it takes no more memory. */
static bool is_again(const struct chat_constraint *c, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (c->args[k] == c->args[i])
            return true;
    }
    return false;
}

static int check_bytes(const struct chat_constraint *c, size_t n_tools, size_t bytes,
                       struct err *err)
{
    if (bytes <= CHAT_CONSTRAINT_MAX_BYTES)
        return 0;
    return err_set(err, ERR_LIMIT,
                   "the parameters of the first %zu of %zu tools make grammars of %zu bytes "
                   "together; the most is %zu",
                   n_tools, c->n_args, bytes, CHAT_CONSTRAINT_MAX_BYTES);
}

static int make_all_args(struct chat_constraint *c, const struct source *from, const char *name,
                         bool more, struct err *err)
{
    size_t bytes = 0;
    int rc = 0;

    c->n_args = json_array_size(c->tools);
    c->args = calloc(c->n_args, sizeof(struct grammar *));
    if (!c->args)
        return err_no_memory(err, c->n_args * sizeof(struct grammar *), "the tools' grammars");
    for (size_t i = 0; i < c->n_args && rc == 0; i++) {
        if (!more && name && !str_eq(inference_tool_name(c->tools, i), name))
            continue;
        rc = make_args(from, json_array_get(c->tools, i), &c->args[i], err);
        if (rc == 0 && !is_again(c, i))
            bytes += grammar_bytes(c->args[i]);
        if (rc == 0)
            rc = check_bytes(c, i + 1, bytes, err);
    }
    return rc;
}

static int make_calls(struct chat_constraint *c, const struct source *from,
                      const struct inference_request *r, struct err *err)
{
    const char *name = r->tool_choice == TOOLS_NAMED ? r->tool_name : NULL;
    bool more = r->parallel_tool_calls && !name;
    struct buf text;
    int rc;

    c->tools = json_incref(r->tools);
    buf_init(&text, GRAMMAR_MAX_BYTES);
    constrain_put_head(&text, c->format, c->tools, name);
    rc = from_text(from, &text, &c->head, err);
    if (rc)
        return rc;
    constrain_put_tail(&text, c->format, c->tools, more);
    rc = from_text(from, &text, &c->tail, err);
    return rc ? rc : make_all_args(c, from, name, more, err);
}

static int make_grammars(struct chat_constraint *c, const struct source *from,
                         const struct inference_request *r, const struct chat_think *think,
                         struct err *err)
{
    int rc = make_thought(c, from, think, err);

    if (rc)
        return rc;
    if (r->json_schema)
        return grammar_store_schema(from->store, r->json_schema, from->stop, &c->text, err);
    if (r->grammar)
        return grammar_store_gbnf(from->store, r->grammar, strlen(r->grammar), from->stop, &c->text,
                                  err);
    return make_calls(c, from, r, err);
}

/* ---- from stretch to stretch --------------------------------------------- */

static int enter(struct chat_constraint *c, enum stretch at, const struct grammar *g,
                 struct err *err)
{
    struct grammar_matcher *m;
    int rc = grammar_matcher_create(g, c->vocab, &m, err);

    if (rc)
        return rc;
    grammar_matcher_free(c->matcher);
    c->matcher = m;
    c->at = at;
    buf_clear(&c->lead);
    return 0;
}

static int enter_body(struct chat_constraint *c, struct err *err)
{
    return c->tools ? enter(c, IN_HEAD, c->head, err) : enter(c, IN_TEXT, c->text, err);
}

/* A head, or a tail that led to another call: on to the arguments of the tool it names. */
static int enter_args(struct chat_constraint *c, struct err *err)
{
    int k = constrain_find_tool(c->format, c->tools, buf_str(&c->lead));

    if (k < 0)
        return c->at == IN_TAIL ? 0 : err_set(err, ERR_INVALID, "a tool call names no tool");
    return enter(c, IN_ARGS, c->args[k], err);
}

static int go_on(struct chat_constraint *c, struct err *err)
{
    switch (c->at) {
    case IN_THOUGHT:
        return enter_body(c, err);
    case IN_TEXT:
        return 0;
    case IN_HEAD:
    case IN_TAIL:
        return enter_args(c, err);
    case IN_ARGS:
        return enter(c, IN_TAIL, c->tail, err);
    }
    return 0;
}

int chat_constraint_put(struct chat_constraint *c, const char *bytes, size_t n, struct err *err)
{
    int rc = grammar_matcher_put(c->matcher, bytes, n, err);

    if (rc)
        return rc;
    if (c->at == IN_HEAD || c->at == IN_TAIL)
        buf_put(&c->lead, bytes, n);
    return grammar_matcher_must_end(c->matcher) ? go_on(c, err) : 0;
}

/* ---- life ---------------------------------------------------------------- */

int chat_constraint_create(const struct inference_request *r, const struct chat_format *format,
                           const struct chat_think *think, struct grammar_vocab *vocab,
                           struct grammar_store *store, const struct grammar_stop *stop,
                           struct chat_constraint **out, struct err *err)
{
    struct chat_constraint *c = calloc(1, sizeof *c);
    uint64_t steps_left = CHAT_CONSTRAINT_MAX_STEPS;
    struct grammar_stop counted = {stop ? stop->is_asked : NULL, stop ? stop->arg : NULL,
                                   &steps_left};
    struct source from = {store, &counted};
    int rc;

    if (!c)
        return err_no_memory(err, sizeof *c, "an answer's constraint");
    c->vocab = vocab;
    c->format = format;
    buf_init(&c->lead, GRAMMAR_MAX_BYTES);
    rc = make_grammars(c, &from, r, think, err);
    if (rc == 0)
        rc = c->thought ? enter(c, IN_THOUGHT, c->thought, err) : enter_body(c, err);
    if (rc)
        chat_constraint_free(c);
    else
        *out = c;
    return rc;
}

void chat_constraint_free(struct chat_constraint *c)
{
    if (!c)
        return;
    grammar_matcher_free(c->matcher);
    grammar_free(c->thought);
    grammar_free(c->text);
    grammar_free(c->head);
    grammar_free(c->tail);
    for (size_t i = 0; c->args && i < c->n_args; i++)
        grammar_free(c->args[i]);
    free(c->args);
    json_decref(c->tools);
    buf_done(&c->lead);
    free(c);
}

size_t chat_constraint_bytes(const struct chat_constraint *c)
{
    const struct grammar *const own[] = {c->thought, c->text, c->head, c->tail};
    size_t bytes = 0;

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        bytes += own[i] ? grammar_bytes(own[i]) : 0;
    for (size_t i = 0; i < c->n_args; i++)
        bytes += c->args[i] && !is_again(c, i) ? grammar_bytes(c->args[i]) : 0;
    return bytes;
}

const uint64_t *chat_constraint_mask(struct chat_constraint *c)
{
    return grammar_matcher_mask(c->matcher);
}

bool chat_constraint_goes_on(const struct chat_constraint *c)
{
    return grammar_matcher_goes_on(c->matcher);
}

int chat_constraint_why(struct chat_constraint *c, struct err *err)
{
    return grammar_matcher_why(c->matcher, err);
}

bool chat_constraint_takes_marks(const struct chat_constraint *c)
{
    return c->at == IN_THOUGHT || c->at == IN_HEAD || c->at == IN_TAIL;
}

/* Before a body there is always more to come. */
bool chat_constraint_may_end(const struct chat_constraint *c)
{
    return (c->at == IN_TEXT || c->at == IN_TAIL) && grammar_matcher_may_end(c->matcher);
}

bool chat_constraint_must_end(const struct chat_constraint *c)
{
    return (c->at == IN_TEXT || c->at == IN_TAIL) && grammar_matcher_must_end(c->matcher);
}
