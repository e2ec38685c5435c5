/* job.c - see job.h. The calls into the engine are made by the engine's thread alone. */
#include "worker/jobs/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "worker/jobs/embedding.h"
#include "worker/jobs/guard.h"
#include "worker/jobs/logits.h"
#include "worker/jobs/outbox.h"
#include "worker/jobs/speech.h"

struct job *job_create(struct inference_request *request)
{
    struct job *j = calloc(1, sizeof *j);

    if (!j)
        return NULL;
    j->request = *request;
    inference_request_init(request);
    j->seq = -1;
    j->submitted_ms = clock_ms();
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
    guard_free(j->guard);
    free(j->answer);
    embedding_free(j->embedding);
    free(j);
}

bool job_is_question(const struct job *j)
{
    return j->kind != JOB_INFERENCE && j->kind != JOB_EMBEDDING;
}

void job_wish_end(struct job *j, enum job_wish wish)
{
    int none = JOB_GO_ON;

    if (atomic_compare_exchange_strong(&j->wish, &none, wish) && j->passes)
        j->wished_at_pass = atomic_load(j->passes);
}

enum job_wish job_wished(const struct job *j)
{
    return (enum job_wish)atomic_load(&j->wish);
}

bool job_is_to_end(void *job)
{
    return job_wished(job) != JOB_GO_ON;
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
    how.presence_penalty = (float)r->presence_penalty;
    how.frequency_penalty = (float)r->frequency_penalty;
    how.seed = r->seed;
    return how;
}

static int create_sampler(struct job *j, const struct engine_model *model, struct err *err)
{
    const struct inference_request *r = &j->request;
    struct engine_sampling how = sampling_of(r);
    struct engine_bias *bias = calloc(r->n_logit_bias + 1, sizeof *bias);
    int rc;

    if (!bias)
        return err_no_memory(err, r->n_logit_bias * sizeof *bias, "the bias of tokens");
    for (size_t i = 0; i < r->n_logit_bias; i++)
        bias[i] = (struct engine_bias){r->logit_bias[i].id, r->logit_bias[i].bias};
    how.bias = bias;
    how.n_bias = (uint32_t)r->n_logit_bias;
    how.masked = j->guard != NULL;
    rc = engine_sampler_create(model, &how, &j->sampler, err);
    free(bias);
    return rc;
}

/* Behind a lone BOS a new text starts; behind any other prompt it goes on, and keeps its blank, as
 * does what a grammar asks for. */
static bool starts_text(const struct job *j, const struct engine_model *model)
{
    return !j->guard && j->n_tokens == 1 && j->tokens[0] == engine_token_bos(model);
}

static int create_speech(struct job *j, const struct engine_model *model, struct err *err)
{
    struct speech_params p = {.model = model,
                              .request = &j->request,
                              .job = j,
                              .dialog = j->dialog,
                              .template = j->template,
                              .starts_text = starts_text(j, model),
                              .thinking = j->thinking};

    return speech_create(&p, &j->speech, err);
}

/* The most tokens its answer can have: with the prompt as many as the context holds. The newest
 * token's position is never used, but who adds the two up finds the number that was promised. */
static size_t longest_answer(const struct job *j, const struct engine *engine)
{
    size_t room = engine_n_ctx(engine) - j->n_tokens;

    return room < j->request.max_tokens ? room : j->request.max_tokens;
}

int job_begin(struct job *j, struct engine *engine, bool guess, struct err *err)
{
    const struct engine_model *model = engine_get_model(engine);
    int rc = engine_seq_open(engine, err);

    if (rc < 0)
        return rc;
    j->seq = rc;
    rc = create_sampler(j, model, err);
    if (rc == 0)
        rc = create_speech(j, model, err);
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

void job_close(struct job *j)
{
    guard_free(j->guard);
    j->guard = NULL;
}

void job_give_back(struct job *j, struct engine *engine)
{
    if (j->seq >= 0)
        engine_seq_close(engine, j->seq);
    j->seq = -1;
    engine_sampler_free(j->sampler);
    speech_free(j->speech);
    draft_done(&j->draft);
    j->sampler = NULL;
    j->speech = NULL;
    job_close(j);
}

uint32_t job_guess(struct job *j, const struct engine *engine, uint32_t most, double price)
{
    /* The last token needs no guess: the row before it gives it. */
    uint32_t wanted = (uint32_t)(longest_answer(j, engine) - j->end.tokens_out) - 1;

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

/* For the books on cancelled jobs (cancels.h). */
static void note_end(struct job *j, enum job_wish wish)
{
    j->ended_by = wish;
    j->ended_in = !j->begun_ms ? BOARD_QUEUED : !j->first_token_ms ? BOARD_PREFILL : BOARD_DECODE;
    j->ended_at_pass = j->passes ? atomic_load(j->passes) : 0;
}

void job_end_early(struct job *j, enum job_wish wish)
{
    unsigned long long n = j->end.tokens_out;

    note_end(j, wish);
    switch (wish) {
    case JOB_GO_ON:
        BUG("a job was to end early without a wish");
    case JOB_DISCONNECT:
    case JOB_DELETE:
    case JOB_DROP:
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
                 "The worker was asked to end, and had no more time for this answer; it had %llu "
                 "tokens.",
                 n);
        break;
    }
}

static void fail_lost(struct job *j)
{
    job_fail(j, API_INTERNAL, "There was no memory left for the answer's text.");
}

/* The text is over: what waits is given, and the books are closed. */
static void end_with(struct job *j, enum stop_reason reason, struct outbox *out)
{
    int rc = reason == STOP_SEQUENCE ? speech_flush(j->speech, out, j->end.tokens_out)
                                     : speech_finish(j->speech, out, j->end.tokens_out);

    if (rc < 0) {
        fail_lost(j);
        return;
    }
    if (reason == STOP_SEQUENCE) {
        j->end.stop_sequence_matched = speech_stop(j->speech);
        j->end.context_full = false;
    }
    j->end.stop_reason = reason;
    j->end.tool_calls = speech_n_calls(j->speech);
    j->over = true;
    set_times(j);
}

static void note_first_token(struct job *j)
{
    j->first_token_ms = clock_ms();
    j->end.prefill_time_ms = j->first_token_ms - j->begun_ms;
}

/* One more token of the answer. */
static void add_token(struct job *j, int32_t id)
{
    j->end.tokens_out++;
    j->next_token = id;
    if (j->draft.text)
        draft_put(&j->draft, id);
    if (speech_is_thinking(j->speech))
        j->end.reasoning_tokens++;
}

/* The constraint lets the answer neither go on nor end. */
static void fail_stuck(struct job *j, const struct err *why)
{
    bool ours = why->code == ERR_NO_MEMORY;

    job_fail(j, ours ? API_INSUFFICIENT_MEMORY : API_INVALID_REQUEST,
             ours ? "The answer's grammar could not be followed behind %llu tokens: %s."
                  : "The answer's grammar leaves no way on behind %llu tokens: %s.",
             (unsigned long long)j->end.tokens_out, why->text);
}

/* False: the model is damaged, and the job has failed. */
static bool has_numbers(struct job *j, const float *logits, uint32_t n)
{
    struct err err;
    int rc = logits_check(logits, n, j->n_tokens + j->end.tokens_out, &err);

    if (rc)
        job_fail(j, API_INVALID_MODEL_FILE, "The answer cannot go on: %s.", err.text);
    return rc == 0;
}

/* The next token, or -1: the constraint allows none, and the job has failed. */
static int32_t choose(struct job *j, const float *logits)
{
    const uint64_t *mask;
    struct err err;

    if (!j->guard)
        return engine_sampler_next(j->sampler, logits);
    if (guard_mask(j->guard, &mask, &err) == 0)
        return engine_sampler_next_masked(j->sampler, logits, mask);
    fail_stuck(j, &err);
    return -1;
}

/* The constraint moves on; false when it cannot, and the job has failed. */
static bool obey(struct job *j, int32_t id)
{
    struct err err;
    int rc = j->guard ? guard_take(j->guard, id, &err) : 0;

    if (rc == ERR_INVALID) /* though the mask had it */
        job_fail(j, API_INTERNAL, "The answer's grammar cannot go on: %s.", err.text);
    else if (rc)
        fail_stuck(j, &err);
    else if (j->guard && guard_forgoes_calls(j->guard))
        speech_forgo_calls(j->speech);
    return rc == 0;
}

/* Is the answer over behind its newest token? The reason, or STOP_N: no. */
static enum stop_reason over_by(struct job *j, bool full)
{
    if (j->guard ? guard_must_end(j->guard)
                 : !j->request.parallel_tool_calls && speech_has_called(j->speech))
        return STOP_EOS;
    if (!full && j->end.tokens_out < j->request.max_tokens)
        return STOP_N;
    j->end.context_full = j->end.tokens_out < j->request.max_tokens;
    return STOP_MAX_TOKENS;
}

void job_step(struct job *j, struct engine *engine, const float *logits, struct outbox *out)
{
    const struct engine_model *model = engine_get_model(engine);
    int32_t id = has_numbers(j, logits, engine_n_vocab(engine)) ? choose(j, logits) : -1;
    /* With this token; guesses may lie behind it. */
    bool full = j->n_tokens + j->end.tokens_out + 1 >= engine_n_ctx(engine);
    enum stop_reason reason;
    int rc;

    if (!j->first_token_ms)
        note_first_token(j);
    if (id < 0)
        return;
    if (engine_is_eog(model, id) && (j->guard || !j->request.ignore_eos)) {
        end_with(j, STOP_EOS, out);
        return;
    }
    if (!obey(j, id))
        return;
    add_token(j, id);
    if (j->request.logprobs)
        speech_score(j->speech, id, logits, engine_n_vocab(engine));
    rc = speech_put(j->speech, id, out, j->end.tokens_out);
    reason = rc == 1 ? STOP_SEQUENCE : over_by(j, full);
    if (rc < 0)
        fail_lost(j);
    else if (reason != STOP_N)
        end_with(j, reason, out);
}
