/* cmd_infer.c - `infer`: options, then the phases of the contract's section 2, with their retries.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/modelref.h"
#include "base/str.h"
#include "base/uuid.h"
#include "keeper/commands.h"
#include "keeper/generate.h"
#include "keeper/interrupt.h"
#include "keeper/keeper.h"
#include "keeper/model.h"
#include "keeper/pool.h"
#include "keeper/prompt.h"

struct infer {
    struct keeper_flags flags;
    const char *model, *prompt, *backend, *keep_alive;
    int64_t max_tokens, top_k, seed, device, slots, ctx, timeout_ms;
    double temperature, top_p, min_p, repetition_penalty;
    struct cli_list stop;
    bool seed_given, show_timings;
};

static void set_defaults(struct infer *o)
{
    struct inference_request r;

    inference_request_init(&r);
    *o = (struct infer){.model = "tiny", .backend = "auto", .device = -1};
    o->max_tokens = r.max_tokens;
    o->temperature = r.temperature;
    o->top_p = r.top_p;
    o->top_k = r.top_k;
    o->min_p = r.min_p;
    o->repetition_penalty = r.repetition_penalty;
}

static int parse(const struct cli_command *self, struct infer *o, int argc, char **argv)
{
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(o->flags),
        {"model", 'm', CLI_STR, &o->model, 0, 0, "MODEL",
         "hf:org/repo[:Q4_K_M], a .gguf file, or tiny", 0},
        {"prompt", 'p', CLI_STR, &o->prompt, 0, 0, "TEXT", "what to go on from; - reads stdin", 0},
        {"max-tokens", 'n', CLI_INT, &o->max_tokens, 1, INFERENCE_MAX_TOKENS_MAX, "N",
         "tokens to generate at most (256)", 0},
        {"temperature", 0, CLI_NUM, &o->temperature, 0, 2, "T", "0 = always the likeliest (0.8)",
         0},
        {"top-p", 0, CLI_NUM, &o->top_p, 0, 1, "P", "nucleus sampling (0.95)", 0},
        {"top-k", 0, CLI_INT, &o->top_k, 0, INT32_MAX, "K", "of the K likeliest, 0 = all (40)", 0},
        {"min-p", 0, CLI_NUM, &o->min_p, 0, 1, "P", "least share of the likeliest (0.05)", 0},
        {"repetition-penalty", 0, CLI_NUM, &o->repetition_penalty, 0, 2, "R", "1 = none (1)", 0},
        {"stop", 0, CLI_STRS, &o->stop, 0, 0, "TEXT", "end before this text; up to 16 times", 0},
        {"seed", 's', CLI_INT, &o->seed, 0, (double)INFERENCE_SEED_MAX, "N",
         "the same seed gives the same text", &o->seed_given},
        {"backend", 0, CLI_STR, &o->backend, 0, 0, "B", "auto, cpu, cuda, metal or vulkan (auto)",
         0},
        {"device", 0, CLI_INT, &o->device, 0, 255, "N", "which of the backend's devices", 0},
        {"slots", 0, CLI_INT, &o->slots, 1, 64, "N", "requests at once of a new worker", 0},
        {"ctx", 0, CLI_INT, &o->ctx, 1, 16777216, "N", "context of a new worker, in tokens", 0},
        {"keep-alive", 0, CLI_STR, &o->keep_alive, 0, 0, "TIME",
         "how long a new worker stays idle: 5m, 0, -1", 0},
        {"timeout", 0, CLI_DURATION, &o->timeout_ms, 0, 0, "TIME",
         "end the answer after this time: seconds, or 5m", 0},
        {"quiet", 'q', CLI_FLAG, &o->flags.quiet, 0, 0, NULL, "only the text and errors", 0},
        {"json", 0, CLI_FLAG, &o->flags.json, 0, 0, NULL, "print the events, one JSON a line", 0},
        {"timings", 0, CLI_FLAG, &o->show_timings, 0, 0, NULL,
         "tell how long each phase up to the first token took", 0},
        {0},
    };

    return cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);
}

static bool is_backend(const char *name)
{
    static const char *const known[] = {"auto", "cpu", "cuda", "metal", "vulkan"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_eq(name, known[i]))
            return true;
    return false;
}

/* What the option table cannot say. */
static int check(struct keeper *k, const struct infer *o)
{
    int64_t ms;

    if (!is_backend(o->backend))
        return keeper_usage(k, "--backend takes auto, cpu, cuda, metal or vulkan, not '%.40s'",
                            o->backend);
    if (o->keep_alive && str_to_duration_ms(o->keep_alive, &ms))
        return keeper_usage(k, "--keep-alive takes a duration such as 5m, 0 or -1, not '%.40s'",
                            o->keep_alive);
    if (o->timeout_ms < 0 || o->timeout_ms > INT64_C(1000) * INFERENCE_TIMEOUT_MAX_S)
        return keeper_usage(k, "--timeout takes 0 to %d seconds", INFERENCE_TIMEOUT_MAX_S);
    for (size_t i = 0; i < o->stop.n; i++) {
        size_t n = strlen(o->stop.items[i]);

        if (n < 1 || n > INFERENCE_STOP_BYTES_MAX || !str_is_utf8(o->stop.items[i], n))
            return keeper_usage(k, "--stop takes UTF-8 text of 1 to %d bytes, not of %zu",
                                INFERENCE_STOP_BYTES_MAX, n);
    }
    return CLI_GO;
}

/* Copies the options over; the prompt is there already. 0, or -1 when out of memory. */
static int fill_request(const struct infer *o, struct inference_request *r)
{
    uuid_make(r->job_id);
    r->max_tokens = (uint32_t)o->max_tokens;
    r->temperature = o->temperature;
    r->top_p = o->top_p;
    r->top_k = (uint32_t)o->top_k;
    r->min_p = o->min_p;
    r->repetition_penalty = o->repetition_penalty;
    r->seed = (uint64_t)o->seed;
    r->seed_given = o->seed_given;
    r->timeout_ms = o->timeout_ms;
    for (size_t i = 0; i < o->stop.n; i++) {
        r->stop[i] = str_dup(o->stop.items[i]);
        if (!r->stop[i])
            return -1;
        r->n_stop++;
    }
    return 0;
}

/* One inference, asked again while all slots are busy. */
static enum generate_end generate_patiently(struct keeper *k, const struct pool_worker *worker,
                                            const struct inference_request *r, bool json,
                                            struct api_error *e)
{
    enum generate_end end = generate_run(k, worker, r, json, e);

    for (unsigned i = 0; i < GENERATE_BUSY_TRIES; i++) {
        int64_t ms = generate_busy_ms(i);

        if (end != GENERATE_FAILED || e->code != API_ALL_SLOTS_BUSY)
            return end;
        term_note(&k->term, "All slots are busy; trying again in %d s (%u of %d).",
                  (int)(ms / 1000), i + 1, GENERATE_BUSY_TRIES);
        api_error_done(e);
        if (!interrupt_sleep_ms(ms))
            return GENERATE_CANCELLED;
        end = generate_run(k, worker, r, json, e);
    }
    return end;
}

/* The second worker in a row that does not answer: the hive may know why. */
static void explain_gone(struct keeper *k, const struct pool_worker *worker, struct api_error *e)
{
    char why[ERR_TEXT_MAX];

    str_copy(why, sizeof why, e->message);
    api_error_done(e);
    api_error_set(e, API_WORKER_CRASHED, "keeper", "the worker %s is gone", worker->id);
    pool_explain(k, worker->id, why, e);
}

/* All phases; a worker that has gone between list and use is replaced once. */
static int run(struct keeper *k, struct pool_want *want, const struct inference_request *r,
               bool json)
{
    struct pool_worker worker, gone;
    enum generate_end end = GENERATE_GONE;
    struct api_error e = {0};

    for (unsigned i = 0; i < 2 && end == GENERATE_GONE; i++) {
        if (i > 0) {
            term_note(&k->term, "The worker %s is gone; looking for another.", worker.id);
            api_error_done(&e);
            gone = worker;
            want->avoid = gone.id;
        }
        if (pool_acquire(k, want, &worker, &e))
            return keeper_fail(k, &e);
        end = generate_patiently(k, &worker, r, json, &e);
    }
    if (end == GENERATE_CANCELLED)
        return keeper_cancelled(k);
    if (end == GENERATE_GONE)
        explain_gone(k, &worker, &e);
    if (end == GENERATE_CLOSED || end == GENERATE_DONE)
        return CLI_DONE; /* keeper_end knows what became of stdout */
    return keeper_fail(k, &e);
}

static int infer(struct keeper *k, const struct infer *o, struct inference_request *r)
{
    struct model_name model;
    struct pool_want want = {.backend = o->backend, .keep_alive = o->keep_alive};
    int rc = model_name_read(k, o->model, &model);

    if (rc == CLI_GO) {
        want.model_ref = model.text;
        want.download = model.remote;
        want.device = o->device;
        want.slots = o->slots;
        want.ctx = o->ctx;
        rc = run(k, &want, r, o->flags.json);
    }
    model_name_done(&model);
    return rc;
}

static void show_timings(struct keeper *k)
{
    struct buf text;

    buf_init(&text, TIMINGS_TEXT_BYTES);
    timings_put(&k->timings, &text);
    term_say(&k->term, "Timings in ms: %s", buf_str(&text));
    buf_done(&text);
}

int cmd_infer(const struct cli_command *self, int argc, char **argv)
{
    struct keeper k = {.command = self->name};
    struct inference_request request;
    struct infer o;
    struct err err = {0};
    int rc;

    timings_begin_process(&k.timings);
    set_defaults(&o);
    rc = parse(self, &o, argc, argv);
    if (rc != CLI_GO)
        return rc;
    inference_request_init(&request);
    rc = check(&k, &o);
    if (rc == CLI_GO && prompt_read(o.prompt, &request.prompt, &request.prompt_bytes, &err))
        rc = keeper_usage(&k, "%s", err.text);
    if (rc == CLI_GO && fill_request(&o, &request)) {
        err_no_memory(&err, request.prompt_bytes, "the request");
        rc = keeper_fail_err(&k, API_INTERNAL, &err);
    }
    if (rc == CLI_GO)
        rc = keeper_begin(&k, self, &o.flags);
    if (rc == CLI_GO) {
        timings_phase(&k.timings, "setup");
        rc = infer(&k, &o, &request);
        if (o.show_timings)
            show_timings(&k);
    }
    inference_request_done(&request);
    return keeper_end(&k, rc);
}
