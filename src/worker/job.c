/* job.c - see job.h. The calls into the engine are made by the engine's thread alone. */
#include "worker/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "worker/outbox.h"
#include "worker/stopper.h"

#define JOB_PIECE_MAX                                                                              \
    (1u << 20) /* bytes of text waiting inside a job: one token, a held-back end */

struct job *job_create(struct inference_request *request)
{
    struct job *j = calloc(1, sizeof *j);

    if (!j)
        return NULL;
    j->request = *request;
    inference_request_init(request);
    j->seq = -1;
    j->submitted_ms = clock_ms();
    buf_init(&j->piece, JOB_PIECE_MAX);
    buf_init(&j->ready, JOB_PIECE_MAX);
    return j;
}

void job_free(struct job *j)
{
    if (!j)
        return;
    BUG_ON(j->seq >= 0);
    inference_request_done(&j->request);
    api_error_done(&j->error);
    free(j->tokens);
    buf_done(&j->piece);
    buf_done(&j->ready);
    free(j);
}

void job_wish_end(struct job *j, enum job_wish wish)
{
    int none = JOB_GO_ON;

    atomic_compare_exchange_strong(&j->wish, &none, wish);
}

enum job_wish job_wished(const struct job *j)
{
    return (enum job_wish)atomic_load(&j->wish);
}

bool job_in_prefill(const struct job *j)
{
    return j->n_fed < j->n_tokens;
}

int32_t job_row_token(const struct job *j, uint32_t i)
{
    if (job_in_prefill(j))
        return j->tokens[j->n_fed + i];
    return i == 0 ? j->next_token : j->draft.guess[i - 1];
}

static struct engine_sampling sampling_of(const struct inference_request *r)
{
    struct engine_sampling how = engine_sampling_default();

    how.temperature = (float)r->temperature;
    how.top_p = (float)r->top_p;
    how.top_k = r->top_k;
    how.min_p = (float)r->min_p;
    how.repetition_penalty = (float)r->repetition_penalty;
    how.seed = r->seed;
    return how;
}

/* Behind a lone BOS a new text starts; behind any other prompt it goes on, and keeps its blank. */
static bool starts_text(const struct job *j, const struct engine_model *model)
{
    return j->n_tokens == 1 && j->tokens[0] == engine_token_bos(model);
}

/* The most tokens its answer can have. */
static size_t longest_answer(const struct job *j, const struct engine *engine)
{
    size_t room = engine_n_ctx(engine) - j->n_tokens + 1;

    return room < j->request.max_tokens ? room : j->request.max_tokens;
}

int job_begin(struct job *j, struct engine *engine, bool guess, struct err *err)
{
    const struct engine_model *model = engine_get_model(engine);
    struct engine_sampling how = sampling_of(&j->request);
    int rc = engine_seq_open(engine, err);

    if (rc < 0)
        return rc;
    j->seq = rc;
    rc = engine_sampler_create(model, &how, &j->sampler, err);
    if (rc == 0)
        rc = engine_detok_create(model, false, starts_text(j, model), &j->detok, err);
    if (rc == 0)
        rc = stopper_create(j->request.stop, j->request.n_stop, &j->stopper, err);
    if (rc == 0 && guess)
        rc = draft_init(&j->draft, j->tokens, j->n_tokens, longest_answer(j, engine), err);
    if (rc) {
        job_give_back(j, engine);
        return rc;
    }
    for (size_t i = 0; i < j->n_tokens; i++)
        engine_sampler_accept(j->sampler, j->tokens[i]);
    j->begun_ms = clock_ms();
    j->end.prompt_tokens = j->n_tokens;
    j->end.queue_time_ms = j->begun_ms - j->submitted_ms;
    return 0;
}

void job_reuse(struct job *j, struct engine *engine)
{
    /* The last token's logits are needed, so it is always decoded. */
    uint32_t n = engine_seq_reuse(engine, j->seq, j->tokens, (uint32_t)j->n_tokens - 1);

    j->end.cached_tokens += n - j->n_fed;
    j->n_fed = n;
}

void job_give_back(struct job *j, struct engine *engine)
{
    if (j->seq >= 0)
        engine_seq_close(engine, j->seq);
    j->seq = -1;
    engine_sampler_free(j->sampler);
    engine_detok_free(j->detok);
    stopper_free(j->stopper);
    draft_done(&j->draft);
    j->sampler = NULL;
    j->detok = NULL;
    j->stopper = NULL;
}

uint32_t job_guess(struct job *j, const struct engine *engine, uint32_t most, double price)
{
    /* Rows for the guesses must fit behind the last token's; and the last token needs none. */
    uint32_t room = engine_n_ctx(engine) - engine_seq_len(engine, j->seq) - 1;
    uint32_t wanted = j->request.max_tokens - (uint32_t)j->end.tokens_out - 1;

    most = most < room ? most : room;
    most = most < wanted ? most : wanted;
    return draft_make(&j->draft, most, price);
}

void job_judge(struct job *j, struct engine *engine, uint32_t n_right)
{
    uint32_t n_wrong = j->draft.n_guesses - n_right;

    engine_seq_truncate(engine, j->seq, engine_seq_len(engine, j->seq) - n_wrong);
    j->end.drafted += j->draft.n_guesses;
    j->end.accepted += n_right;
    draft_learn(&j->draft, n_right);
}

/* Closes the books on the times; a job that never began has none. */
static void set_times(struct job *j)
{
    int64_t now = clock_ms();

    if (!j->begun_ms)
        j->end.queue_time_ms = now - j->submitted_ms;
    else if (!j->first_token_ms)
        j->end.prefill_time_ms = now - j->begun_ms;
    else
        j->end.decode_time_ms = now - j->first_token_ms;
}

void job_fail(struct job *j, enum api_code code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    api_error_done(&j->error);
    api_error_set(&j->error, code, "worker", "%s", text);
    j->error.details = json_pack("{s:I, s:I}", "tokens_out", (json_int_t)j->end.tokens_out,
                                 "prompt_tokens", (json_int_t)j->n_tokens);
    j->failed = true;
    j->over = true;
    j->end.stop_reason = STOP_ERROR;
    set_times(j);
}

void job_end_early(struct job *j, enum job_wish wish)
{
    unsigned long long n = j->end.tokens_out;

    switch (wish) {
    case JOB_GO_ON:
        BUG("a job was to end early without a wish");
    case JOB_CANCEL:
        j->end.stop_reason = STOP_CANCELLED;
        j->over = true;
        set_times(j);
        break;
    case JOB_TIME_OUT:
        job_fail(j, API_REQUEST_TIMEOUT,
                 "The answer was not done within the %.10g seconds allowed; it had %llu tokens.",
                 (double)j->request.timeout_ms / 1000, n);
        break;
    case JOB_SHUT_DOWN:
        job_fail(j, API_WORKER_CRASHED,
                 "The worker was shut down before the answer was done; it had %llu tokens.", n);
        break;
    }
}

/* Puts what is ready to the outbox; false when memory ran out, and the job has failed. */
static bool give_text(struct job *j, struct outbox *out)
{
    bool lost = buf_failed(&j->piece) || buf_failed(&j->ready);

    if (!lost && j->ready.len)
        lost = outbox_text(out, j, j->ready.data, j->ready.len, j->end.tokens_out);
    buf_clear(&j->piece);
    buf_clear(&j->ready);
    if (lost)
        job_fail(j, API_INTERNAL, "There was no memory left for the answer's text.");
    return !lost;
}

static void end_with(struct job *j, enum stop_reason reason, struct outbox *out)
{
    if (reason != STOP_SEQUENCE) {
        engine_detok_end(j->detok, &j->piece);
        if (stopper_put(j->stopper, j->piece.data, j->piece.len, &j->ready) == 1)
            reason = STOP_SEQUENCE;
        else
            stopper_end(j->stopper, &j->ready);
    }
    if (!give_text(j, out))
        return;
    if (reason == STOP_SEQUENCE) {
        j->end.stop_sequence_matched = j->request.stop[stopper_matched(j->stopper)];
        j->end.context_full = false;
    }
    j->end.stop_reason = reason;
    j->over = true;
    set_times(j);
}

static void note_first_token(struct job *j)
{
    j->first_token_ms = clock_ms();
    j->end.prefill_time_ms = j->first_token_ms - j->begun_ms;
}

void job_step(struct job *j, struct engine *engine, const float *logits, struct outbox *out)
{
    int32_t id = engine_sampler_next(j->sampler, logits);
    /* What its sequence holds up to this row; guesses may lie behind it. */
    bool full = j->n_tokens + j->end.tokens_out >= engine_n_ctx(engine);

    if (!j->first_token_ms)
        note_first_token(j);
    if (engine_is_eog(engine_get_model(engine), id)) {
        end_with(j, STOP_EOS, out);
        return;
    }
    j->end.tokens_out++;
    j->next_token = id;
    if (j->draft.text)
        draft_put(&j->draft, id);
    engine_detok_put(j->detok, id, &j->piece);
    if (stopper_put(j->stopper, j->piece.data, j->piece.len, &j->ready) == 1) {
        end_with(j, STOP_SEQUENCE, out);
    } else if (full || j->end.tokens_out == j->request.max_tokens) {
        j->end.context_full = j->end.tokens_out < j->request.max_tokens;
        buf_clear(&j->piece);
        end_with(j, STOP_MAX_TOKENS, out);
    } else {
        give_text(j, out);
    }
}
