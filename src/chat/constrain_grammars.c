/* constrain_grammars.c - see constrain_grammars.h. */
#include "chat/constrain_grammars.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_whole.h"
#include "base/buf.h"
#include "base/str.h"
#include "chat/constrain.h"
#include "chat/constrain_text.h"

/* Where grammars come from. */
struct source {
    struct grammar_store *store;
    const struct grammar_stop *stop;
};

static bool is_forced(const struct inference_request *r)
{
    return r->tool_choice == TOOLS_REQUIRED || r->tool_choice == TOOLS_NAMED;
}

static int from_text(const struct source *from, struct buf *text, struct grammar **out,
                     struct err *err)
{
    int rc = buf_failed(text)
                 ? err_no_memory(err, text->len, "a tool call's grammar")
                 : grammar_store_gbnf(from->store, buf_str(text), text->len, from->stop, out, err);

    buf_done(text);
    return rc;
}

static int make_thought(struct constrain_grammars *g, const struct source *from,
                        const struct chat_think *think, struct err *err)
{
    struct buf text;

    if (!think)
        return 0;
    buf_init(&text, GRAMMAR_MAX_BYTES);
    constrain_put_thought(&text, think->close);
    return from_text(from, &text, &g->thought, err);
}

/* ---- arguments ----------------------------------------------------------- */

/* The schema of a tool's arguments (the caller's reference): an object in any case, whatever else
 * it allows, for no call has other arguments. */
static json_t *schema_of(const json_t *tool)
{
    const json_t *parameters = json_object_get(json_object_get(tool, "function"), "parameters");
    json_t *schema = json_is_object(parameters) ? json_copy_all(parameters) : json_object();

    if (schema && !str_eq(json_string_value(json_object_get(schema, "type")), "object"))
        json_object_set_new(schema, "type", json_string("object"));
    return schema;
}

static bool is_strict(const json_t *tool)
{
    return json_is_true(json_object_get(json_object_get(tool, "function"), "strict"));
}

/* The grammar of a schema (taken). */
static int from_schema(const struct source *from, json_t *schema, struct grammar **out,
                       struct err *err)
{
    int rc = schema ? grammar_store_schema(from->store, schema, from->stop, out, err)
                    : err_no_memory(err, 0, "a tool's schema");

    json_decref(schema);
    return rc;
}

/* Any object: this costs next to nothing, so that it can be had when all steps are spent. */
static int make_any(const struct source *from, struct grammar **out, struct err *err)
{
    const struct grammar_stop stop = {from->stop->is_asked, from->stop->arg, NULL};
    const struct source uncounted = {from->store, &stop};

    return from_schema(&uncounted, json_pack("{s:s}", "type", "object"), out, err);
}

/*
 * A schema with what no grammar can hold to is held to as an object, unless it is to be strict.
 * Where a call is one of two ways to answer (`may`), so is any that makes no grammar: without a
 * schema of the text the call would be held to nothing.
 */
static bool may_be_any(const json_t *tool, bool may, int rc)
{
    if (may)
        return rc == ERR_UNSUPPORTED || rc == ERR_INVALID || rc == ERR_LIMIT;
    return rc == ERR_UNSUPPORTED && !is_strict(tool);
}

static int make_args(const struct source *from, const json_t *tool, bool may, struct grammar **out,
                     struct err *err)
{
    int rc = from_schema(from, schema_of(tool), out, err);

    if (may_be_any(tool, may, rc))
        rc = make_any(from, out, err);
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
static bool is_again(const struct constrain_grammars *g, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (g->args[k] == g->args[i])
            return true;
    }
    return false;
}

static int check_bytes(const struct constrain_grammars *g, size_t n_tools, size_t bytes,
                       struct err *err)
{
    if (bytes <= CHAT_CONSTRAINT_MAX_BYTES)
        return 0;
    return err_set(err, ERR_LIMIT,
                   "the parameters of the first %zu of %zu tools make grammars of %zu bytes "
                   "together; the most is %zu",
                   n_tools, g->n_args, bytes, CHAT_CONSTRAINT_MAX_BYTES);
}

/* Tool i's, with what all up to it take. */
static int add_args(struct constrain_grammars *g, const struct source *from, size_t i, bool may,
                    size_t *bytes, struct err *err)
{
    const json_t *tool = json_array_get(g->tools, i);
    int rc = make_args(from, tool, may, &g->args[i], err);
    size_t more = rc || is_again(g, i) ? 0 : grammar_bytes(g->args[i]);

    if (rc == 0 && may && *bytes + more > CHAT_CONSTRAINT_MAX_BYTES) {
        grammar_free(g->args[i]);
        g->args[i] = NULL;
        rc = make_any(from, &g->args[i], err);
        return rc;
    }
    *bytes += more;
    return rc ? rc : check_bytes(g, i + 1, *bytes, err);
}

/* `name`: of the only one that may be called, or NULL. */
static int make_all_args(struct constrain_grammars *g, const struct source *from, const char *name,
                         bool may, struct err *err)
{
    size_t bytes = 0;
    int rc = 0;

    g->n_args = json_array_size(g->tools);
    g->args = calloc(g->n_args, sizeof(struct grammar *));
    if (!g->args)
        return err_no_memory(err, g->n_args * sizeof(struct grammar *), "the tools' grammars");
    for (size_t i = 0; i < g->n_args && rc == 0; i++) {
        if (!name || str_eq(inference_tool_name(g->tools, i), name))
            rc = add_args(g, from, i, may, &bytes, err);
    }
    return rc;
}

/* ---- calls --------------------------------------------------------------- */

static int make_calls(struct constrain_grammars *g, const struct source *from,
                      const struct inference_request *r, struct err *err)
{
    const char *name = r->tool_choice == TOOLS_NAMED ? r->tool_name : NULL;
    bool may = !is_forced(r), more = r->parallel_tool_calls && !name;
    struct buf text;
    int rc;

    g->tools = json_incref(r->tools);
    buf_init(&text, GRAMMAR_MAX_BYTES);
    constrain_put_head(&text, g->format, g->tools, name, may);
    rc = from_text(from, &text, &g->head, err);
    if (rc)
        return rc;
    constrain_put_tail(&text, g->format, g->tools, more);
    rc = from_text(from, &text, &g->tail, err);
    return rc ? rc : make_all_args(g, from, name, may, err);
}

static int make(struct constrain_grammars *g, const struct source *from,
                const struct inference_request *r, const struct chat_think *think, struct err *err)
{
    int rc = make_thought(g, from, think, err);

    if (rc)
        return rc;
    if (r->grammar)
        return grammar_store_gbnf(from->store, r->grammar, strlen(r->grammar), from->stop, &g->text,
                                  err);
    if (r->json_schema && !is_forced(r))
        rc = grammar_store_schema(from->store, r->json_schema, from->stop, &g->text, err);
    if (rc || !r->tools || r->tool_choice == TOOLS_NONE)
        return rc;
    return make_calls(g, from, r, err);
}

int constrain_grammars_make(struct constrain_grammars *g, const struct inference_request *r,
                            const struct chat_think *think, struct grammar_store *store,
                            const struct grammar_stop *stop, struct err *err)
{
    uint64_t steps_left = CHAT_CONSTRAINT_MAX_STEPS;
    const struct grammar_stop counted = {stop ? stop->is_asked : NULL, stop ? stop->arg : NULL,
                                         &steps_left};
    const struct source from = {store, &counted};

    return make(g, &from, r, think, err);
}

void constrain_grammars_done(struct constrain_grammars *g)
{
    grammar_free(g->thought);
    grammar_free(g->text);
    grammar_free(g->head);
    grammar_free(g->tail);
    for (size_t i = 0; g->args && i < g->n_args; i++)
        grammar_free(g->args[i]);
    free(g->args);
    json_decref(g->tools);
}

size_t constrain_grammars_bytes(const struct constrain_grammars *g)
{
    const struct grammar *const own[] = {g->thought, g->text, g->head, g->tail};
    size_t bytes = 0;

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        bytes += own[i] ? grammar_bytes(own[i]) : 0;
    for (size_t i = 0; i < g->n_args; i++)
        bytes += g->args[i] && !is_again(g, i) ? grammar_bytes(g->args[i]) : 0;
    return bytes;
}
