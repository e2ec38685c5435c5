/* constrain.c - see constrain.h. */
#include "chat/constrain.h"

#include <stdlib.h>

#include "base/buf.h"
#include "chat/constrain_grammars.h"
#include "chat/constrain_text.h"

enum stretch { IN_THOUGHT, IN_TEXT, IN_HEAD, IN_ARGS, IN_TAIL };

struct chat_constraint {
    struct grammar_vocab *vocab;
    struct constrain_grammars g;
    enum stretch at;
    struct grammar_matcher *matcher; /* of the stretch at hand */
    struct grammar_matcher *rival;   /* of the text, while the head may be one; else NULL */
    uint64_t *mask;                  /* with a rival: what either allows */
    bool rival_asked;                /* for the mask asked for last; its matcher had one */
    struct buf lead;                 /* the text of the head or tail at hand */
};

bool chat_constraint_is_asked(const struct inference_request *r)
{
    return r->json_schema || r->grammar || r->tool_choice == TOOLS_REQUIRED ||
           r->tool_choice == TOOLS_NAMED;
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

/*
 * A call or a text: both are followed from their beginning, by a matcher each, until what comes is
 * only one of them. With a mask for both.
 */
static int enter_either(struct chat_constraint *c, struct err *err)
{
    size_t n_bytes = grammar_vocab_words(c->vocab) * sizeof *c->mask;
    int rc = enter(c, IN_HEAD, c->g.head, err);

    if (rc == 0)
        rc = grammar_matcher_create(c->g.text, c->vocab, &c->rival, err);
    c->mask = malloc(n_bytes);
    if (rc == 0 && !c->mask)
        rc = err_no_memory(err, n_bytes, "a mask of tokens");
    return rc;
}

static int enter_body(struct chat_constraint *c, struct err *err)
{
    if (c->g.head && c->g.text)
        return enter_either(c, err);
    return c->g.head ? enter(c, IN_HEAD, c->g.head, err) : enter(c, IN_TEXT, c->g.text, err);
}

/* A head, or a tail that led to another call: on to the arguments of the tool it names. */
static int enter_args(struct chat_constraint *c, struct err *err)
{
    int k = constrain_find_tool(c->g.format, c->g.tools, buf_str(&c->lead));

    if (k < 0)
        return c->at == IN_TAIL ? 0 : err_set(err, ERR_INVALID, "a tool call names no tool");
    return enter(c, IN_ARGS, c->g.args[k], err);
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
        return enter(c, IN_TAIL, c->g.tail, err);
    }
    return 0;
}

/* Bytes of one stretch. */
static int put(struct chat_constraint *c, const char *bytes, size_t n, struct err *err)
{
    int rc = grammar_matcher_put(c->matcher, bytes, n, err);

    if (rc)
        return rc;
    if (c->at == IN_HEAD || c->at == IN_TAIL)
        buf_put(&c->lead, bytes, n);
    return grammar_matcher_must_end(c->matcher) ? go_on(c, err) : 0;
}

/* A head may be whole, and have a blank behind it. */
static int put_byte(struct chat_constraint *c, char byte, struct err *err)
{
    int rc = put(c, &byte, 1, err);

    if (rc != ERR_INVALID || c->at != IN_HEAD || !grammar_matcher_may_end(c->matcher))
        return rc;
    rc = go_on(c, err);
    return rc ? rc : put(c, &byte, 1, err);
}

/* What the text allows may go from a call's head into its arguments, and further. */
static int put_across(struct chat_constraint *c, const char *bytes, size_t n, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = put_byte(c, bytes[i], err);
    return rc;
}

static void drop_rival(struct chat_constraint *c)
{
    grammar_matcher_free(c->rival);
    c->rival = NULL;
}

/* It is no call. */
static void take_rival(struct chat_constraint *c)
{
    grammar_matcher_free(c->matcher);
    c->matcher = c->rival;
    c->rival = NULL;
    c->at = IN_TEXT;
}

/* Who can be both goes on as both; once a head is whole, it is a call's. */
static int put_either(struct chat_constraint *c, const char *bytes, size_t n, struct err *err)
{
    int text = grammar_matcher_put(c->rival, bytes, n, err), call;

    if (text && text != ERR_INVALID)
        return text;
    call = put_across(c, bytes, n, err);
    if (call && call != ERR_INVALID)
        return call;
    if (call && text)
        return call;
    if (call)
        take_rival(c);
    else if (text || c->at != IN_HEAD)
        drop_rival(c);
    return 0;
}

int chat_constraint_put(struct chat_constraint *c, const char *bytes, size_t n, struct err *err)
{
    return c->rival ? put_either(c, bytes, n, err) : put(c, bytes, n, err);
}

/* ---- life ---------------------------------------------------------------- */

int chat_constraint_create(const struct inference_request *r, const struct chat_format *format,
                           const struct chat_think *think, struct grammar_vocab *vocab,
                           struct grammar_store *store, const struct grammar_stop *stop,
                           struct chat_constraint **out, struct err *err)
{
    struct chat_constraint *c = calloc(1, sizeof *c);
    int rc;

    if (!c)
        return err_no_memory(err, sizeof *c, "an answer's constraint");
    c->vocab = vocab;
    c->g.format = format;
    buf_init(&c->lead, GRAMMAR_MAX_BYTES);
    rc = constrain_grammars_make(&c->g, r, think, store, stop, err);
    if (rc == 0)
        rc = c->g.thought ? enter(c, IN_THOUGHT, c->g.thought, err) : enter_body(c, err);
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
    grammar_matcher_free(c->rival);
    constrain_grammars_done(&c->g);
    free(c->mask);
    buf_done(&c->lead);
    free(c);
}

size_t chat_constraint_bytes(const struct chat_constraint *c)
{
    return constrain_grammars_bytes(&c->g);
}

/* ---- what may come next -------------------------------------------------- */

const uint64_t *chat_constraint_mask(struct chat_constraint *c)
{
    const uint64_t *own = grammar_matcher_mask(c->matcher), *other;

    c->rival_asked = c->rival && own;
    if (!c->rival_asked)
        return own;
    other = grammar_matcher_mask(c->rival);
    if (!other)
        return NULL;
    for (size_t i = 0; i < grammar_vocab_words(c->vocab); i++)
        c->mask[i] = own[i] | other[i];
    return c->mask;
}

/* Whose mask is none, if one is. */
static struct grammar_matcher *asked_last(const struct chat_constraint *c)
{
    return c->rival_asked ? c->rival : c->matcher;
}

bool chat_constraint_goes_on(const struct chat_constraint *c)
{
    return grammar_matcher_goes_on(asked_last(c));
}

int chat_constraint_why(struct chat_constraint *c, struct err *err)
{
    return grammar_matcher_why(asked_last(c), err);
}

/* A text that might be a call without marks may have their spelling in it, and none of them. */
bool chat_constraint_takes_marks(const struct chat_constraint *c)
{
    if (c->rival && chat_format_is_bare(c->g.format))
        return false;
    return c->at == IN_THOUGHT || c->at == IN_HEAD || c->at == IN_TAIL;
}

bool chat_constraint_forgoes_calls(const struct chat_constraint *c)
{
    return c->g.head && c->at == IN_TEXT;
}

/* Before a body there is always more to come. */
bool chat_constraint_may_end(const struct chat_constraint *c)
{
    if (c->rival)
        return grammar_matcher_may_end(c->rival);
    return (c->at == IN_TEXT || c->at == IN_TAIL) && grammar_matcher_may_end(c->matcher);
}

bool chat_constraint_must_end(const struct chat_constraint *c)
{
    return (c->at == IN_TEXT || c->at == IN_TAIL) && grammar_matcher_must_end(c->matcher);
}
