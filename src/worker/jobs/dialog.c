/* dialog.c - see dialog.h. */
#include "worker/jobs/dialog.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/utf8.h"
#include "grammar/store.h"
#include "jinja/jinja.h"
#include "worker/sandbox/sources.h"

#define TOKEN_MAX_BYTES (1u << 16)

struct dialog {
    const struct engine_model *model;
    struct chat_template *template;
    struct chat_template *tool_template; /* NULL: `template` is for tools, too */
    char fault[ERR_TEXT_MAX];            /* why there is no template; "" when the model has none */
    int32_t *marks;                      /* rising ids */
    size_t n_marks;
    int32_t *ends; /* rising ids */
    size_t n_ends;
    uint32_t n_vocab;
    struct grammar_vocab *vocab; /* NULL until asked for */
    struct grammar_store *grammars;
    int32_t *lead; /* what stands before every text of this model: its BOS, or nothing */
    size_t n_lead;
};

/* A token as it is spelled (free()); "" for none. NULL: no memory. */
static char *spelling(const struct engine_model *m, int32_t id)
{
    struct buf text;
    char *copy = NULL;

    buf_init(&text, TOKEN_MAX_BYTES);
    if (id < 0 || engine_token_bytes(m, id, true, &text) == 0)
        copy = str_ndup(buf_str(&text), text.len);
    buf_done(&text);
    if (copy)
        utf8_mend(copy); /* any bytes may be a token; JSON takes text alone */
    return copy;
}

static int make_template(const struct dialog *d, const char *text, size_t n_bytes,
                         struct chat_template **out, struct err *err)
{
    char *bos = spelling(d->model, engine_token_bos(d->model));
    char *eos = spelling(d->model, engine_token_eos(d->model));
    int rc = bos && eos ? chat_template_create(text, n_bytes, bos, eos, out, err)
                        : err_no_memory(err, 0, "the chat template");

    free(bos);
    free(eos);
    return rc;
}

/* A model runs without its template, too; `fault` says why it does, if it is no good. */
static int own_template(const struct dialog *d, const char *text, struct chat_template **out,
                        char fault[ERR_TEXT_MAX], struct err *err)
{
    struct err why;
    int rc = text ? make_template(d, text, strlen(text), out, &why) : 0;

    if (rc == ERR_NO_MEMORY)
        return err_set(err, rc, "%s", why.text);
    if (rc)
        str_copy(fault, ERR_TEXT_MAX, why.text);
    return 0;
}

/* As llama.cpp has it: what is for tools is for all, where it is alone; what is for all is for
 * tools, where the other is no good. */
static int own_templates(struct dialog *d, struct err *err)
{
    struct engine_model_info info;
    char unsaid[ERR_TEXT_MAX];
    int rc;

    engine_model_info(d->model, &info);
    if (!info.chat_template)
        return own_template(d, info.tool_template, &d->template, d->fault, err);
    rc = own_template(d, info.chat_template, &d->template, d->fault, err);
    return rc ? rc : own_template(d, info.tool_template, &d->tool_template, unsaid, err);
}

/* The one that was given, else the model's own. */
static int find_template(struct dialog *d, struct sources *from, struct err *err)
{
    char *text;
    size_t n_bytes;
    int rc = sources_template(from, &text, &n_bytes, err);

    if (rc || !text)
        return rc ? rc : own_templates(d, err);
    rc = make_template(d, text, n_bytes, &d->template, err);
    if (rc)
        err_prefix(err, "the chat template '%.200s'", from->template_path);
    free(text);
    return rc;
}

static bool is_mark_text(const struct chat_template *t, const struct buf *text)
{
    const struct chat_think *think = t ? chat_template_think(t) : NULL;

    return t && text->len &&
           (chat_format_has_mark(chat_template_format(t), text->data, text->len) ||
            (think && chat_think_has_mark(think, text->data, text->len)));
}

static bool is_mark(const struct dialog *d, int32_t id, struct buf *text)
{
    buf_clear(text);
    return (d->template || d->tool_template) && engine_token_is_control(d->model, id) &&
           engine_token_bytes(d->model, id, true, text) == 0 &&
           (is_mark_text(d->template, text) || is_mark_text(d->tool_template, text));
}

/* Which tokens are marks, and which ends. */
static int sort_tokens(struct dialog *d, struct err *err)
{
    struct engine_model_info info;
    struct buf text;
    int rc;

    engine_model_info(d->model, &info);
    d->n_vocab = info.n_vocab;
    d->marks = malloc(info.n_vocab * sizeof *d->marks);
    d->ends = malloc(info.n_vocab * sizeof *d->ends);
    if (!d->marks || !d->ends)
        return err_no_memory(err, info.n_vocab * sizeof *d->marks, "the template's marks");
    buf_init(&text, TOKEN_MAX_BYTES);
    for (int32_t id = 0; id < (int32_t)info.n_vocab && !buf_failed(&text); id++) {
        if (engine_is_eog(d->model, id))
            d->ends[d->n_ends++] = id;
        else if (is_mark(d, id, &text))
            d->marks[d->n_marks++] = id;
    }
    rc = buf_failed(&text) ? err_no_memory(err, TOKEN_MAX_BYTES, "a token's text") : 0;
    buf_done(&text);
    return rc;
}

/* What a prompt without a text is. */
static int find_lead(struct dialog *d, struct err *err)
{
    return engine_tokenize(d->model, "", 0, ENGINE_ADD_BOS, NULL, &d->lead, &d->n_lead, err);
}

int dialog_create(const struct engine_model *m, struct sources *from, struct dialog **out,
                  struct err *err)
{
    struct dialog *d = calloc(1, sizeof *d);
    int rc;

    if (!d)
        return err_no_memory(err, sizeof *d, "the model's dialog");
    d->model = m;
    rc = find_template(d, from, err);
    if (!rc)
        rc = sort_tokens(d, err);
    if (!rc)
        rc = find_lead(d, err);
    if (!rc)
        rc = grammar_store_create(&d->grammars, err);
    if (rc)
        dialog_free(d);
    else
        *out = d;
    return rc;
}

void dialog_free(struct dialog *d)
{
    if (!d)
        return;
    chat_template_free(d->template);
    chat_template_free(d->tool_template);
    free(d->marks);
    free(d->ends);
    grammar_store_free(d->grammars);
    grammar_vocab_free(d->vocab);
    free(d->lead);
    free(d);
}

const struct chat_template *dialog_template(const struct dialog *d,
                                            const struct inference_request *r)
{
    bool tools = r && r->tools && r->tool_choice != TOOLS_NONE;

    return tools && d->tool_template ? d->tool_template : d->template;
}

/* Why there is no template, and what to do. */
static int no_template(const struct dialog *d, struct err *err)
{
    if (d->fault[0])
        return err_set(err, ERR_UNSUPPORTED,
                       "the model's chat template cannot be used (%.600s); start the worker with "
                       "--chat-template FILE, or send a prompt",
                       d->fault);
    return err_set(err, ERR_UNSUPPORTED,
                   "this model has no chat template; start the worker with --chat-template FILE, "
                   "or send a prompt");
}

int dialog_render(const struct dialog *d, const struct inference_request *r,
                  const struct jinja_stop *stop, struct buf *out, bool *thinking, struct err *err)
{
    const struct chat_template *t = dialog_template(d, r);
    struct chat_conversation c = {.messages = r->messages,
                                  .tools = r->tool_choice == TOOLS_NONE ? NULL : r->tools,
                                  .vars = r->template_vars,
                                  .no_generation_prompt = !r->add_generation_prompt,
                                  .continues = r->continue_final_message,
                                  .stop = stop};

    if (!t)
        return no_template(d, err);
    return chat_template_render(t, &c, out, thinking, err);
}

int dialog_tokenize(const struct dialog *d, const char *text, size_t n_bytes, size_t most,
                    const struct engine_text_stop *stop, int32_t **ids, size_t *n_ids,
                    struct err *err)
{
    int32_t *all;
    int rc = engine_tokenize_most(d->model, text, n_bytes, ENGINE_PARSE_SPECIAL, most, stop, ids,
                                  n_ids, err);

    if (rc || !d->n_lead || (*n_ids && (*ids)[0] == d->lead[0]))
        return rc;
    all = realloc(*ids, (*n_ids + 1) * sizeof *all);
    if (!all) {
        rc = err_no_memory(err, (*n_ids + 1) * sizeof *all, "the prompt's tokens");
        free(*ids);
        *ids = NULL;
        *n_ids = 0;
        return rc;
    }
    memmove(all + 1, all, *n_ids * sizeof *all);
    all[0] = d->lead[0];
    *ids = all;
    ++*n_ids;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

bool dialog_is_mark(const struct dialog *d, int32_t id)
{
    return bsearch(&id, d->marks, d->n_marks, sizeof *d->marks, by_id) != NULL;
}

const int32_t *dialog_marks(const struct dialog *d, size_t *n)
{
    *n = d->n_marks;
    return d->marks;
}

const int32_t *dialog_ends(const struct dialog *d, size_t *n)
{
    *n = d->n_ends;
    return d->ends;
}

int dialog_bytes(const struct dialog *d, int32_t id, struct buf *out)
{
    if (engine_is_eog(d->model, id))
        return 0;
    return engine_token_bytes(d->model, id, dialog_is_mark(d, id), out);
}

/* ---- the vocabulary of constraints --------------------------------------- */

/* All tokens' texts behind each other, and where each of them ends. */
static int put_texts(const struct dialog *d, struct buf *all, size_t *ends, struct err *err)
{
    for (uint32_t i = 0; i < d->n_vocab; i++) {
        if (dialog_bytes(d, (int32_t)i, all))
            return err_no_memory(err, all->len, "the vocabulary's texts");
        if (all->len > GRAMMAR_MAX_VOCAB_BYTES)
            return err_set(err, ERR_LIMIT,
                           "the first %u of this model's %u tokens have %zu bytes together; the "
                           "most for answers that must have a form is %zu",
                           i + 1, d->n_vocab, all->len, GRAMMAR_MAX_VOCAB_BYTES);
        ends[i] = all->len;
    }
    return 0;
}

static int make_vocab(struct dialog *d, struct grammar_token *tokens, size_t *ends, struct err *err)
{
    struct buf all;
    int rc;

    buf_init(&all, GRAMMAR_MAX_VOCAB_BYTES + TOKEN_MAX_BYTES);
    rc = put_texts(d, &all, ends, err);
    for (uint32_t i = 0; i < d->n_vocab && rc == 0; i++) {
        size_t from = i ? ends[i - 1] : 0;

        tokens[i] = (struct grammar_token){buf_str(&all) + from, ends[i] - from};
    }
    if (rc == 0)
        rc = grammar_vocab_create(tokens, d->n_vocab, &d->vocab, err);
    buf_done(&all);
    return rc;
}

int dialog_vocab(struct dialog *d, struct grammar_vocab **out, size_t *n_words, struct err *err)
{
    struct grammar_token *tokens = NULL;
    size_t *ends = NULL;
    int rc = 0;

    if (!d->vocab) {
        tokens = malloc(d->n_vocab * sizeof *tokens);
        ends = malloc(d->n_vocab * sizeof *ends);
        rc = tokens && ends ? make_vocab(d, tokens, ends, err)
                            : err_no_memory(err, d->n_vocab * sizeof *tokens, "the vocabulary");
        free(tokens);
        free(ends);
    }
    *out = d->vocab;
    *n_words = (d->n_vocab + 63) / 64;
    return rc;
}

struct grammar_store *dialog_grammars(struct dialog *d)
{
    return d->grammars;
}
