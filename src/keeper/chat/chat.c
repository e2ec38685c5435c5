/* chat.c - see chat.h. */
#include "keeper/chat/chat.h"

#include <string.h>

#include "base/str.h"
#include "keeper/ask/fate.h"
#include "keeper/ask/settings.h"
#include "keeper/shell/interrupt.h"

void chat_done(struct chat *c)
{
    conversation_done(&c->talk);
    model_name_done(&c->model);
}

/* ---- whom we talk to ---- */
static int no_template(struct api_error *e, const char *model)
{
    api_error_set(e, API_UNSUPPORTED_MODEL, "keeper",
                  "the model %.200s has no chat template, so it can only go on with a text", model);
    e->details = json_pack(
        "{s:s}", "hint",
        "`rbee-keeper infer` asks it to. With a template of yours it can converse: set "
        "chat_template in [hive] of the node's config.ini, or start a worker by hand with "
        "`llm-worker-rbee serve --chat-template FILE`.");
    return -1;
}

/* What the worker says of itself: may it converse, how large is its context? 0, or -1 with *e. */
static int ask_abilities(struct keeper *k, const struct pool_worker *worker, const char *model,
                         int64_t *n_ctx, struct api_error *e)
{
    json_t *answer = NULL;
    int rc = 0;

    if (pool_ask_ready(k, worker, CHAT_READY_MS, &answer, e))
        return -1;
    *n_ctx = keeper_number(answer, "n_ctx", 0);
    if (json_is_false(json_object_get(answer, "chat")))
        rc = no_template(e, model);
    json_decref(answer);
    return rc;
}

static void make_want(const struct chat *c, const struct model_name *model, struct pool_want *want)
{
    *want = (struct pool_want){.model_ref = model->text, .download = model->remote};
    target_want(&c->target, want);
}

/* It was not the worker that was asked, or nobody. One that takes the connection and says nothing
 * is there. */
static bool was_missed(const struct keeper *k, const struct api_error *e)
{
    return fate_is_lost(e->code) &&
           !(e->code == API_CONNECTION_TIMEOUT && client_last(k->client)->connected);
}

/* A worker that answers. One that has ended since its hive named it is replaced, once; of one that
 * lives it is the way there. */
static int find_worker(const struct chat *c, const struct model_name *model,
                       struct pool_worker *worker, int64_t *n_ctx, struct api_error *e)
{
    struct keeper *k = c->keeper;
    struct pool_worker gone = {.id = ""};
    struct pool_want want;
    enum fate fate;

    make_want(c, model, &want);
    for (;;) {
        if (pool_acquire(k, &want, worker, e))
            return -1;
        if (ask_abilities(k, worker, model->text, n_ctx, e) == 0)
            return 0;
        if (!was_missed(k, e))
            return -1;
        fate = fate_ask(k, worker->id);
        if (interrupt_seen() || fate != FATE_ENDED || gone.id[0])
            break;
        term_note(&k->term, "The worker %s is gone; looking for another.", worker->id);
        api_error_done(e);
        gone = *worker;
        want.avoid = gone.id;
    }
    if (fate == FATE_LIVES)
        fate_blame_way(worker, e);
    else if (!interrupt_seen())
        fate_explain(k, worker->id, fate == FATE_ENDED ? "is gone" : "does not answer", e);
    return -1;
}

int chat_meet(struct chat *c, const char *typed)
{
    struct model_name model;
    struct pool_worker worker;
    struct api_error e = {0};
    int64_t n_ctx = 0;
    int rc = model_name_read(c->keeper, typed, &model);

    if (rc == CLI_GO && find_worker(c, &model, &worker, &n_ctx, &e))
        rc = keeper_fail(c->keeper, &e);
    if (rc == CLI_GO && !interrupt_seen()) {
        model_name_done(&c->model);
        c->model = model;
        c->worker = worker;
        c->n_ctx = n_ctx;
    } else {
        model_name_done(&model);
    }
    return rc == CLI_GO && interrupt_seen() ? keeper_cancelled(c->keeper) : rc;
}

/* ---- turns ---- */
static void say_full(struct chat *c)
{
    term_say(&c->keeper->term,
             "/clear begins anew (/save FILE keeps this first); a worker with a larger context "
             "comes with --ctx N, where the model allows it.");
}

/* Why an answer that ended by itself is no whole one. */
static void say_limits(struct chat *c)
{
    const struct figures *f = &c->figures;

    if (f->context_full) {
        term_say(&c->keeper->term,
                 "The context is full: %lld of %lld tokens are used, so the answer ends here.",
                 (long long)figures_used(f, c->n_ctx), (long long)c->n_ctx);
        say_full(c);
    } else if (str_eq(f->reason, "MAX_TOKENS")) {
        term_note(&c->keeper->term,
                  "The answer ends here: %lld token%s its limit (/set max_tokens).",
                  (long long)f->tokens_out, f->tokens_out == 1 ? " is" : "s are");
    }
}

/* Keeps what came of an answer; false when nothing did, and the message is taken back. */
static bool keep_answer(struct chat *c, const struct answer *a, bool cut)
{
    struct err err = {0};
    bool nothing = a->text.len == 0 && a->thoughts.len == 0;

    if (!(cut && nothing) && !buf_failed(&a->text) &&
        conversation_add_answer(&c->talk, buf_str(&a->text), buf_str(&a->thoughts), cut, &err) == 0)
        return true;
    conversation_drop(&c->talk);
    return false;
}

static int after_cancel(struct chat *c, bool kept)
{
    if (kept)
        term_note(&c->keeper->term, "Cut: the answer stays in the conversation as far as it came.");
    else
        term_note(&c->keeper->term,
                  "Cancelled before a word had come: your message is taken back.");
    return CLI_INTERRUPTED;
}

static int after_failure(struct chat *c, bool kept, struct api_error *e)
{
    bool full = e->code == API_CONTEXT_LENGTH_EXCEEDED;
    int rc;

    if (full) { /* what to do is said below */
        json_decref(e->details);
        e->details = json_pack("{s:s}", "hint", "");
    }
    rc = keeper_fail(c->keeper, e);
    if (full)
        say_full(c);
    if (kept)
        term_note(&c->keeper->term, "What had come of the answer stays in the conversation.");
    else
        term_note(&c->keeper->term, "Your message is taken back, the conversation is kept%s.",
                  full ? "" : ": you can say it again");
    return rc;
}

/* What became of an answer: the conversation's part, and what is said about it. */
static int conclude(struct chat *c, struct answer *a, enum generate_end end, struct api_error *e)
{
    bool done = end == GENERATE_DONE, whole;
    bool kept;

    whole = done && (str_eq(c->figures.reason, "EOS") ||
                     str_eq(c->figures.reason, "STOP_SEQUENCE") || !c->figures.reason[0]);
    kept = keep_answer(c, a, !whole);
    answer_end(a);
    if (end == GENERATE_CANCELLED)
        return after_cancel(c, kept);
    if (end == GENERATE_FAILED)
        return after_failure(c, kept, e);
    if (done && !kept)
        term_note(&c->keeper->term,
                  "Nothing that can be kept had come: your message is taken back.");
    if (done) {
        say_limits(c);
        if (c->show_figures)
            chat_say_figures(c);
    }
    return CLI_GO;
}

/* The context may be another one where another worker had to take over. */
static void look_at_worker(struct chat *c, const char *id_before)
{
    struct api_error e = {0};

    if (c->worker.id[0] && !str_eq(c->worker.id, id_before) &&
        ask_abilities(c->keeper, &c->worker, c->model.text, &c->n_ctx, &e))
        api_error_done(&e);
}

static int ask(struct chat *c, const struct inference_request *r)
{
    struct answer answer;
    struct generate how = {.answer = &answer};
    struct pool_want want;
    struct api_error e = {0};
    char id_before[POOL_ID_MAX];
    enum generate_end end;
    int rc;

    str_copy(id_before, sizeof id_before, c->worker.id);
    make_want(c, &c->model, &want);
    answer_init(&answer, &c->keeper->out, c->keeper->term.ascii);
    answer.hush = c->keeper->term.quiet;
    answer.keep = true;
    end = asking_run(c->keeper, &want, &c->worker, r, &how, &e);
    if (end == GENERATE_DONE) {
        look_at_worker(c, id_before);
        c->figures = how.figures;
    }
    rc = conclude(c, &answer, end, &e);
    answer_done(&answer);
    return rc;
}

int chat_turn(struct chat *c, const char *text, size_t n)
{
    struct inference_request request;
    struct err err = {0};
    json_t *messages;
    int rc;

    if (conversation_add_user(&c->talk, text, n, &err))
        return keeper_fail_err(c->keeper, API_INTERNAL, &err);
    inference_request_init(&request);
    messages = conversation_messages(&c->talk);
    if (!messages)
        rc = err_no_memory(&err, n, "the messages");
    else
        rc = settings_fill(c->talk.settings, messages, &request, &err);
    if (rc) {
        conversation_drop(&c->talk);
        rc = keeper_fail_err(c->keeper, rc == ERR_NO_MEMORY ? API_INTERNAL : API_INVALID_REQUEST,
                             &err);
    } else {
        rc = ask(c, &request);
    }
    json_decref(messages);
    inference_request_done(&request);
    return rc;
}

void chat_say_figures(struct chat *c)
{
    struct buf text;

    buf_init(&text, 2 * FIGURES_LINE_MAX);
    if (c->figures.ended) {
        figures_line(&c->figures, &text);
        buf_putc(&text, '\n');
        figures_more(&c->figures, c->n_ctx, &text);
    } else {
        buf_printf(&text, "No answer yet; the context has room for %lld tokens.",
                   (long long)c->n_ctx);
    }
    term_say(&c->keeper->term, "%s", buf_str(&text));
    buf_done(&text);
}
