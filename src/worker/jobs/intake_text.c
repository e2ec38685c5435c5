/* intake_text.c - see intake_text.h. */
#include "worker/jobs/intake_text.h"

#include <stdlib.h>
#include <string.h>

#include "api/json_load.h"
#include "api/json_whole.h"
#include "base/str.h"
#include "chat/constrain.h"
#include "grammar/grammar.h"
#include "jinja/jinja.h"
#include "worker/jobs/dialog.h"
#include "worker/jobs/guard.h"
#include "worker/jobs/job.h"

/* Bytes of JSON of an answer about text and tokens: half of what a connection holds. */
#define ANSWER_MAX (128u << 20)
#define TOKEN_MAX  (1u << 16)
#define ASK_EVERY  4096 /* tokens of a question: some milliseconds */

/* Ends the job as was wished, or fails it as `field`'s fault, or as ours. */
static int refuse(struct job *j, const char *field, const struct err *err)
{
    bool ours = err->code == ERR_NO_MEMORY || err->code == ERR_IO;
    char text[ERR_TEXT_MAX];

    if (err->code == ERR_CANCELLED) {
        job_end_early(j, job_wished(j));
        return -1;
    }
    str_copy(text, sizeof text, err->text);
    if (text[0] >= 'a' && text[0] <= 'z')
        text[0] = (char)(text[0] - 'a' + 'A');
    job_fail(j, ours ? API_INSUFFICIENT_MEMORY : API_INVALID_REQUEST, "%s.", text);
    if (!ours && j->error.details)
        json_object_set_new(j->error.details, "errors",
                            json_pack("[{s:s, s:s, s:s}]", "field", field, "constraint",
                                      "what this model can take", "message", err->text));
    return -1;
}

#define COUNTED_MAX (1u << 20) /* bytes: they are tokens in a second or less */

/* It was not, or not all of it, made into tokens. */
static void refuse_uncounted(const struct intake_model *with, struct job *j, size_t n_bytes,
                             size_t least)
{
    job_fail(j, API_CONTEXT_LENGTH_EXCEEDED,
             "The prompt has %zu bytes, which are at least %zu tokens, and the context holds %u: "
             "at most %u can be a prompt's, one is for the answer.",
             n_bytes, least, with->n_ctx, with->n_ctx - 1);
    if (j->error.details) {
        json_object_set_new(j->error.details, "n_ctx", json_integer(with->n_ctx));
        json_object_del(j->error.details, "prompt_tokens"); /* nobody has counted them */
        json_object_set_new(j->error.details, "prompt_bytes", json_integer((json_int_t)n_bytes));
        json_object_set_new(j->error.details, "prompt_tokens_least",
                            json_integer((json_int_t)least));
    }
}

/*
 * A text that cannot fit is refused before it is made into tokens: 16 MB take 16 s and more, in
 * which no other request is taken in. A shorter one is told its true number, by which agents
 * shorten a conversation. -1: the job is over.
 */
static int check_length(const struct intake_model *with, struct job *j, size_t n_bytes)
{
    struct engine_model_info info;

    engine_model_info(with->model, &info);
    if (info.embeds || !info.longest_token || n_bytes <= COUNTED_MAX ||
        n_bytes / info.longest_token < with->n_ctx)
        return 0;
    refuse_uncounted(with, j, n_bytes, n_bytes / info.longest_token);
    return -1;
}

static uint32_t n_vocab_of(const struct intake_model *with)
{
    struct engine_model_info info;

    engine_model_info(with->model, &info);
    return info.n_vocab;
}

static int check_id(uint32_t n_vocab, const char *field, int32_t id, struct err *err)
{
    if ((uint32_t)id < n_vocab)
        return 0;
    return err_set(err, ERR_INVALID, "%s names the token %d, but the vocabulary has %u", field, id,
                   n_vocab);
}

static int check_bias(const struct intake_model *with, const struct job *j, struct err *err)
{
    uint32_t n_vocab = n_vocab_of(with);

    for (size_t i = 0; i < j->request.n_logit_bias; i++)
        if (check_id(n_vocab, "logit_bias", j->request.logit_bias[i].id, err))
            return ERR_INVALID;
    return 0;
}

/* ---- prompts ------------------------------------------------------------- */

static int copy_tokens(const struct intake_model *with, struct job *j, struct err *err)
{
    const struct inference_request *r = &j->request;
    uint32_t n_vocab = n_vocab_of(with);

    for (size_t i = 0; i < r->n_prompt_tokens; i++)
        if (check_id(n_vocab, "prompt_tokens", r->prompt_tokens[i], err))
            return ERR_INVALID;
    j->tokens = malloc(r->n_prompt_tokens * sizeof *j->tokens);
    if (!j->tokens)
        return err_no_memory(err, r->n_prompt_tokens * sizeof *j->tokens, "the prompt's tokens");
    memcpy(j->tokens, r->prompt_tokens, r->n_prompt_tokens * sizeof *j->tokens);
    j->n_tokens = r->n_prompt_tokens;
    return 0;
}

static int refuse_long(struct job *j, uint32_t n_ctx)
{
    job_fail(
        j, API_CONTEXT_LENGTH_EXCEEDED,
        "The prompt has %zu tokens and the context holds %u: at most %u can be a prompt's, one "
        "is for the answer.",
        j->n_tokens, n_ctx, n_ctx - 1);
    if (j->error.details) {
        json_object_set_new(j->error.details, "n_ctx", json_integer(n_ctx));
        json_object_set_new(j->error.details, "prompt_tokens",
                            json_integer((json_int_t)j->n_tokens));
    }
    return -1;
}

/* An answer of several calls is of no use where the template takes one a message: the model would
 * never be shown what it did. */
static void one_call_alone(struct job *j)
{
    if (!chat_template_abilities(j->template)->parallel_calls)
        j->request.parallel_tool_calls = false;
}

/* A template may have a name for content among those of its calls: no tool can be called by it. */
static int check_names(struct job *j)
{
    const char *taken = chat_template_format(j->template)->content;

    for (size_t i = 0; taken && i < json_array_size(j->request.tools); i++) {
        if (!str_eq(inference_tool_name(j->request.tools, i), taken))
            continue;
        job_fail(
            j, API_INVALID_REQUEST,
            "tools[%zu] is named '%s', which this model's chat template calls content by: give "
            "it another name.",
            i, taken);
        return -1;
    }
    return 0;
}

/* A longer text's tokens are found until it is known not to fit; SentencePiece finds all at once.
 */
static size_t most_of(const struct intake_model *with, size_t n_bytes)
{
    return n_bytes > COUNTED_MAX ? with->n_ctx : SIZE_MAX;
}

/* The job is over where they may not all have been found. */
static void check_counted(const struct intake_model *with, struct job *j, size_t n_bytes)
{
    if (j->n_tokens > most_of(with, n_bytes))
        refuse_uncounted(with, j, n_bytes, j->n_tokens);
}

static int render(const struct intake_model *with, struct job *j, struct err *err)
{
    const struct jinja_stop stop = {.is_asked = job_is_to_end, .arg = j};
    const struct engine_text_stop tokens_stop = {.is_asked = job_is_to_end, .arg = j};
    struct buf text;
    int rc;

    buf_init(&text, CHAT_MAX_PROMPT_BYTES);
    rc = dialog_render(with->dialog, &j->request, &stop, &text, &j->thinking, err);
    j->template = dialog_template(with->dialog, &j->request);
    if (rc == 0)
        one_call_alone(j);
    if (rc == 0 && check_names(j) == 0 && check_length(with, j, text.len) == 0) {
        rc = dialog_tokenize(with->dialog, buf_str(&text), text.len, most_of(with, text.len),
                             &tokens_stop, &j->tokens, &j->n_tokens, err);
        if (rc == 0)
            check_counted(with, j, text.len);
    }
    buf_done(&text);
    j->dialog = with->dialog;
    return rc;
}

static int tokenize(const struct intake_model *with, struct job *j, struct err *err)
{
    const struct engine_text_stop stop = {.is_asked = job_is_to_end, .arg = j};
    const struct inference_request *r = &j->request;
    size_t most = most_of(with, r->prompt_bytes);
    int rc;

    if (check_length(with, j, r->prompt_bytes))
        return 0;
    if (r->parse_special)
        rc = dialog_tokenize(with->dialog, r->prompt, r->prompt_bytes, most, &stop, &j->tokens,
                             &j->n_tokens, err);
    else
        rc = engine_tokenize_most(with->model, r->prompt, r->prompt_bytes, ENGINE_ADD_BOS, most,
                                  &stop, &j->tokens, &j->n_tokens, err);
    if (rc == 0)
        check_counted(with, j, r->prompt_bytes);
    return rc;
}

static int make_guard(const struct intake_model *with, struct job *j, struct err *err)
{
    const struct grammar_stop stop = {.is_asked = job_is_to_end, .arg = j};

    return guard_create(with->dialog, &j->request, j->thinking, &stop, &j->guard, err);
}

/* The prompt is tokens: an answer may take long, and needs of the rest no more than what kind it is
 * and the tools that it may call. */
static void forget_text(struct inference_request *r)
{
    if (r->tool_choice == TOOLS_NONE) {
        json_decref(r->tools);
        r->tools = NULL;
    }
    free(r->grammar);
    r->grammar = NULL;
    free(r->prompt);
    free(r->prompt_tokens);
    r->prompt = NULL;
    r->prompt_tokens = NULL;
    r->prompt_bytes = r->n_prompt_tokens = 0;
    json_array_clear(r->messages);
    json_object_clear(r->json_schema);
    json_decref(r->template_vars);
    r->template_vars = NULL;
}

/* What is left of it then. */
static size_t kept_bytes(const struct job *j)
{
    char *tools = j->request.tools ? json_write(j->request.tools, JSON_COMPACT) : NULL;
    size_t n = tools ? strlen(tools) : 0;

    if (n)
        n += (size_t)json_tree_bytes(tools, n);
    free(tools);
    return n + (j->guard ? guard_bytes(j->guard) : 0);
}

/* The field that asks for the answer's form. */
static const char *form_of(const struct inference_request *r)
{
    if (r->tool_choice == TOOLS_REQUIRED || r->tool_choice == TOOLS_NAMED)
        return "tools";
    return r->json_schema ? "json_schema" : "grammar";
}

int intake_prompt(const struct intake_model *with, struct job *j)
{
    const struct inference_request *r = &j->request;
    struct err err;
    int rc;

    if (r->messages)
        rc = render(with, j, &err);
    else if (r->prompt_tokens)
        rc = copy_tokens(with, j, &err);
    else
        rc = tokenize(with, j, &err);
    if (j->over)
        return -1;
    if (rc)
        return refuse(j, r->messages ? "messages" : "prompt", &err);
    if (j->n_tokens >= with->n_ctx)
        return refuse_long(j, with->n_ctx);
    if (check_bias(with, j, &err))
        return refuse(j, "logit_bias", &err);
    if (chat_constraint_is_asked(r) && make_guard(with, j, &err))
        return refuse(j, form_of(r), &err);
    forget_text(&j->request);
    j->n_kept = kept_bytes(j);
    return 0;
}

/* ---- questions about text and tokens ------------------------------------- */

static int answer_render(const struct intake_model *with, struct job *j, struct buf *out,
                         struct err *err)
{
    const struct jinja_stop stop = {.is_asked = job_is_to_end, .arg = j};
    const struct engine_text_stop tokens_stop = {.is_asked = job_is_to_end, .arg = j};
    int32_t *ids = NULL;
    size_t n_ids = 0;
    struct buf text;
    int rc;

    buf_init(&text, CHAT_MAX_PROMPT_BYTES);
    rc = dialog_render(with->dialog, &j->request, &stop, &text, NULL, err);
    if (rc == 0)
        rc = dialog_tokenize(with->dialog, buf_str(&text), text.len, SIZE_MAX, &tokens_stop, &ids,
                             &n_ids, err);
    if (rc == 0) {
        buf_puts(out, "{\"prompt\":");
        json_put_string(out, buf_str(&text), text.len);
        buf_printf(out, ",\"tokens\":%zu}", n_ids);
    }
    free(ids);
    buf_done(&text);
    return rc;
}

/* A piece that is no whole UTF-8 is a list of its bytes, as llama-server writes it. */
static void put_piece(struct buf *out, const struct engine_model *m, int32_t id)
{
    struct buf piece;

    buf_init(&piece, TOKEN_MAX);
    if (engine_token_bytes(m, id, true, &piece))
        buf_lose(out);
    buf_printf(out, "{\"id\":%d,\"piece\":", id);
    if (str_is_utf8(buf_str(&piece), piece.len)) {
        json_put_string(out, buf_str(&piece), piece.len);
    } else {
        for (size_t i = 0; i < piece.len; i++)
            buf_printf(out, "%c%u", i ? ',' : '[', (unsigned char)piece.data[i]);
        buf_putc(out, ']');
    }
    buf_putc(out, '}');
    buf_done(&piece);
}

/* Asked as a list of tokens is gone through: ERR_CANCELLED when nobody wants its answer any more.
 */
static int check_wished(struct job *j, size_t i, struct err *err)
{
    if (i % ASK_EVERY || !job_is_to_end(j))
        return 0;
    return err_set(err, ERR_CANCELLED, "the question was given up at its token %zu", i);
}

static int put_tokens(const struct intake_model *with, struct job *j, const int32_t *ids,
                      size_t n_ids, struct buf *out, struct err *err)
{
    buf_puts(out, "{\"tokens\":[");
    for (size_t i = 0; i < n_ids; i++) {
        if (check_wished(j, i, err))
            return ERR_CANCELLED;
        buf_puts(out, i ? "," : "");
        if (j->with_pieces)
            put_piece(out, with->model, ids[i]);
        else
            buf_printf(out, "%d", ids[i]);
    }
    buf_puts(out, "]}");
    return 0;
}

static int answer_tokenize(const struct intake_model *with, struct job *j, struct buf *out,
                           struct err *err)
{
    const struct engine_text_stop stop = {.is_asked = job_is_to_end, .arg = j};
    unsigned flags =
        (j->add_special ? ENGINE_ADD_SPECIAL : 0) | (j->parse_special ? ENGINE_PARSE_SPECIAL : 0);
    int32_t *ids;
    size_t n_ids;
    int rc = engine_tokenize(with->model, j->request.prompt, j->request.prompt_bytes, flags, &stop,
                             &ids, &n_ids, err);

    if (rc)
        return rc;
    rc = put_tokens(with, j, ids, n_ids, out, err);
    free(ids);
    return rc;
}

/* The tokens' text, less the blank that tokenising put before it. */
static int put_text(const struct intake_model *with, struct job *j, struct buf *out,
                    struct err *err)
{
    const struct inference_request *r = &j->request;
    uint32_t n_vocab = n_vocab_of(with);
    struct engine_detok *detok;
    int rc = engine_detok_create(with->model, true, true, &detok, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < r->n_prompt_tokens && rc == 0; i++) {
        rc = check_wished(j, i, err);
        if (rc == 0)
            rc = check_id(n_vocab, "tokens", r->prompt_tokens[i], err);
        if (rc == 0 && engine_detok_put(detok, r->prompt_tokens[i], out))
            rc = err_set(err, ERR_LIMIT, "the text of %zu tokens passes %zu bytes",
                         r->n_prompt_tokens, out->max);
    }
    if (rc == 0)
        engine_detok_end(detok, out);
    engine_detok_free(detok);
    return rc;
}

static int answer_detokenize(const struct intake_model *with, struct job *j, struct buf *out,
                             struct err *err)
{
    struct buf text;
    int rc;

    buf_init(&text, ANSWER_MAX / 8);
    rc = put_text(with, j, &text, err);
    buf_puts(out, "{\"content\":");
    json_put_string(out, buf_str(&text), text.len);
    buf_putc(out, '}');
    buf_done(&text);
    return rc;
}

void intake_answer(const struct intake_model *with, struct job *j)
{
    struct err err;
    struct buf out;
    int rc = 0;

    buf_init(&out, ANSWER_MAX);
    switch (j->kind) {
    case JOB_INFERENCE:
    case JOB_EMBEDDING:
        BUG("a job of kind %d is not answered by the intake", (int)j->kind);
    case JOB_RENDER:
        rc = answer_render(with, j, &out, &err);
        break;
    case JOB_TOKENIZE:
        rc = answer_tokenize(with, j, &out, &err);
        break;
    case JOB_DETOKENIZE:
        rc = answer_detokenize(with, j, &out, &err);
        break;
    }
    j->over = true;
    if (rc == 0 && buf_failed(&out))
        rc = err_set(&err, ERR_LIMIT, "the answer would have over %u bytes: send less at once",
                     ANSWER_MAX);
    if (rc)
        refuse(j, j->kind == JOB_RENDER ? "messages" : "tokens", &err);
    else
        j->answer = buf_take(&out);
    buf_done(&out);
}
