/*
 * cmd_run.c - "run": one prompt, one answer, no server. Tokens go to stdout the moment they exist,
 * a summary to stderr. Ctrl+C ends it after the layer being computed. The weights are not read
 * beforehand: for a few tokens that would cost more than it gives.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "worker/commands/commands.h"
#include "worker/jobs/logits.h"
#include "worker/jobs/scores.h"
#include "worker/schedule/open_times.h"

/* Text or scores of one step. */
#define OUT_MAX_BYTES (64u << 20)

struct options {
    struct command_engine engine;
    const char *prompt, *prompt_ids;
    int64_t max_tokens, top_k, seed, n_scores, n_chunk, repeat_last_n;
    double temperature, top_p, min_p, penalty;
    bool show_ids, show_scores, special, parse_special, seed_given, show_timings;
};

struct run {
    const struct options *o;
    struct timings timings; /* until the first token is out */
    struct engine_model *m;
    struct engine *e;
    struct engine_sampler *sampler;
    struct engine_detok *detok;
    struct buf out;
    uint32_t n_vocab;
    int seq;
    int32_t *prompt;
    size_t n_prompt;
    uint64_t n_out;
    int64_t prefill_ms, decode_ms;
    const char *stopped_by;
};

/* What the signal handler may touch: a handler has no argument. */
static struct engine *volatile running_engine;
static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
    if (running_engine)
        engine_stop(running_engine);
}

static void catch_interrupts(struct engine *e)
{
    struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&sa.sa_mask);
    running_engine = e;
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

/* ---- the prompt ---------------------------------------------------------- */

static int read_prompt(struct run *r, struct err *err)
{
    unsigned flags = ENGINE_ADD_BOS | (r->o->parse_special ? ENGINE_PARSE_SPECIAL : 0u);
    uint32_t n_ctx = engine_n_ctx(r->e);
    int rc;

    if (r->o->prompt_ids)
        rc = command_parse_ids(r->o->prompt_ids, &r->prompt, &r->n_prompt, err);
    else
        rc = engine_tokenize(r->m, r->o->prompt, strlen(r->o->prompt), flags, NULL, &r->prompt,
                             &r->n_prompt, err);
    if (rc)
        return rc;
    if (r->n_prompt == 0)
        return err_set(err, ERR_INVALID, "the prompt is empty, and the model adds no token to it");
    if (r->n_prompt >= n_ctx)
        return err_set(err, ERR_LIMIT,
                       "the prompt has %zu tokens, but the context holds %u, of which one is for "
                       "the answer",
                       r->n_prompt, n_ctx);
    return 0;
}

static int write_out(struct run *r, struct err *err)
{
    int rc = buf_failed(&r->out)
                 ? err_set(err, ERR_LIMIT, "one step gave over %u bytes", OUT_MAX_BYTES)
                 : command_write(buf_str(&r->out), r->out.len, err);

    buf_clear(&r->out);
    return rc;
}

/* One chunk of the prompt from token `begin` on; the last token's logits are always asked for. */
static int prefill_chunk(struct run *r, struct engine_row *rows, size_t begin, size_t n,
                         struct err *err)
{
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct engine_row){
            .token = r->prompt[begin + i],
            .seq = r->seq,
            .want_logits = r->o->show_scores || begin + i + 1 == r->n_prompt,
        };
    int rc = engine_decode(r->e, rows, (uint32_t)n, err);
    if (rc || !r->o->show_scores)
        return rc;
    for (size_t i = 0; !rc && i < n && begin + i + 1 < r->n_prompt; i++) {
        rc =
            scores_put(&r->out, (uint32_t)(begin + i + 1), r->prompt[begin + i + 1],
                       engine_logits(r->e, (uint32_t)i), r->n_vocab, (uint32_t)r->o->n_scores, err);
        if (!rc)
            rc = write_out(r, err);
    }
    return rc;
}

/* *last is the row of the last batch that holds the logits of the prompt's end. */
static int prefill(struct run *r, uint32_t *last, struct err *err)
{
    uint32_t n_batch = engine_n_batch(r->e);
    struct engine_row *rows = malloc(n_batch * sizeof *rows);
    int64_t began = clock_ms();
    int rc = rows ? 0 : err_no_memory(err, n_batch * sizeof *rows, "a batch");

    for (size_t begin = 0; !rc && begin < r->n_prompt; begin += n_batch) {
        size_t n = r->n_prompt - begin < n_batch ? r->n_prompt - begin : n_batch;

        rc = prefill_chunk(r, rows, begin, n, err);
        *last = (uint32_t)n - 1;
    }
    free(rows);
    for (size_t i = 0; !rc && i < r->n_prompt; i++)
        engine_sampler_accept(r->sampler, r->prompt[i]);
    r->prefill_ms = clock_ms() - began;
    timings_phase(&r->timings, "prefill");
    return rc;
}

/* ---- the answer ---------------------------------------------------------- */

/* Shows a token in the way asked for. */
static int show(struct run *r, int32_t token, const float *logits, struct err *err)
{
    int rc = 0;

    if (r->o->show_scores)
        rc = scores_put(&r->out, engine_seq_len(r->e, r->seq), token, logits, r->n_vocab,
                        (uint32_t)r->o->n_scores, err);
    else if (r->o->show_ids)
        buf_printf(&r->out, "%s%" PRId32, r->n_out ? " " : "", token);
    else if (!engine_is_eog(r->m, token) || r->o->special)
        engine_detok_put(r->detok, token, &r->out);
    return rc ? rc : write_out(r, err);
}

/* One token from row `last` of the last batch; it is fed back unless it was the end. */
static int step(struct run *r, uint32_t last, struct err *err)
{
    const float *logits = engine_logits(r->e, last);
    struct engine_row row = {.seq = r->seq, .want_logits = true};
    int32_t token;
    int rc = logits_check(logits, r->n_vocab, r->n_prompt + r->n_out, err);

    if (rc)
        return rc;
    row.token = token = engine_sampler_next(r->sampler, logits);
    rc = show(r, token, logits, err);
    if (rc)
        return rc;
    if (r->n_out == 0)
        timings_phase(&r->timings, "first token");
    if (engine_is_eog(r->m, token)) {
        r->stopped_by = "EOS";
        return 0;
    }
    r->n_out++;
    if (r->n_out == (uint64_t)r->o->max_tokens)
        r->stopped_by = "MAX_TOKENS";
    else if (r->n_prompt + r->n_out == engine_n_ctx(r->e))
        r->stopped_by = "the context is full";
    else
        return engine_decode(r->e, &row, 1, err);
    return 0;
}

/* Behind so many tokens there will be more: a pass through the windows takes as long as packing. */
#define TUNE_AFTER 2

static int generate(struct run *r, struct err *err)
{
    uint32_t last = 0;
    int rc = prefill(r, &last, err);
    int64_t began = clock_ms();

    if (r->o->max_tokens == 0)
        r->stopped_by = "MAX_TOKENS";
    while (!rc && !r->stopped_by) {
        rc = step(r, last, err);
        last = 0;
        if (r->n_out >= TUNE_AFTER)
            engine_tune(r->e);
    }
    r->decode_ms = clock_ms() - began;
    if (!r->o->show_scores)
        buf_putc(&r->out, '\n');
    return rc ? (write_out(r, NULL), rc) : write_out(r, err);
}

static double per_second(uint64_t n, int64_t ms)
{
    return ms > 0 ? (double)n * 1000.0 / (double)ms : 0.0;
}

static void summarise(const struct run *r, uint64_t seed)
{
    fprintf(stderr,
            "%s: prompt %zu tokens in %" PRId64 " ms (%.1f tok/s), %" PRIu64 " tokens in %" PRId64
            " ms (%.1f tok/s), %s, seed %" PRIu64 ", %u threads, kernels %s\n",
            WORKER_PROGRAM, r->n_prompt, r->prefill_ms, per_second(r->n_prompt, r->prefill_ms),
            r->n_out, r->decode_ms, per_second(r->n_out, r->decode_ms),
            interrupted ? "CANCELLED" : r->stopped_by, seed, engine_n_threads(r->e),
            engine_kernels(r->e));
}

static void show_timings(const struct run *r)
{
    struct buf text;

    buf_init(&text, TIMINGS_TEXT_BYTES);
    timings_put(&r->timings, &text);
    fprintf(stderr, "%s: timings in ms: %s\n", WORKER_PROGRAM, buf_str(&text));
    buf_done(&text);
}

/* ---- putting it together ------------------------------------------------- */

/* Behind a lone BOS a new text starts; behind any other prompt it goes on, and keeps its blank. */
static bool starts_text(const struct run *r)
{
    return r->n_prompt == 1 && r->prompt[0] == engine_token_bos(r->m);
}

static int open_all(struct run *r, const struct engine_sampling *how, struct err *err)
{
    const struct options *o = r->o;
    struct engine_model_info info;
    int rc = command_open_model(&o->engine, &r->m, err);

    if (!rc) {
        open_times_put(&r->timings, r->m);
        rc = command_open_engine(&o->engine, r->m, 1, (uint32_t)o->n_chunk, &r->e, err);
        timings_phase(&r->timings, "engine");
    }
    if (!rc) {
        rc = read_prompt(r, err);
        timings_phase(&r->timings, "prompt");
    }
    if (!rc)
        rc = engine_sampler_create(r->m, how, &r->sampler, err);
    if (!rc)
        rc = engine_detok_create(r->m, o->special, starts_text(r), &r->detok, err);
    if (!rc)
        rc = r->seq = engine_seq_open(r->e, err);
    if (rc < 0)
        return rc;
    engine_model_info(r->m, &info);
    r->n_vocab = info.n_vocab;
    return 0;
}

static void close_all(struct run *r)
{
    running_engine = NULL;
    engine_detok_free(r->detok);
    engine_sampler_free(r->sampler);
    engine_free(r->e);
    engine_model_close(r->m);
    free(r->prompt);
    buf_done(&r->out);
}

static int run(const struct options *o, const struct timings *timings)
{
    struct run r = {.o = o, .timings = *timings};
    struct err err = {0};
    struct engine_sampling how = {
        .temperature = (float)o->temperature,
        .top_p = (float)o->top_p,
        .top_k = (uint32_t)o->top_k,
        .min_p = (float)o->min_p,
        .repetition_penalty = (float)o->penalty,
        .repeat_last_n = (uint32_t)o->repeat_last_n,
        .seed = (uint64_t)o->seed,
    };
    int rc;

    if (!o->seed_given) {
        uint32_t seed = 0;

        if (getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed)
            how.seed = seed;
    }
    buf_init(&r.out, OUT_MAX_BYTES);
    rc = open_all(&r, &how, &err);
    if (!rc) {
        catch_interrupts(r.e);
        rc = generate(&r, &err);
        if (!rc || interrupted)
            summarise(&r, how.seed);
        if (o->show_timings)
            show_timings(&r);
    }
    close_all(&r);
    if (interrupted)
        return CLI_INTERRUPTED;
    return rc ? command_fail(&err) : CLI_DONE;
}

static void set_defaults(struct options *o)
{
    struct engine_sampling how = engine_sampling_default();

    *o = (struct options){.max_tokens = 128,
                          .temperature = (double)how.temperature,
                          .top_p = (double)how.top_p,
                          .top_k = how.top_k,
                          .min_p = (double)how.min_p,
                          .penalty = (double)how.repetition_penalty,
                          .repeat_last_n = how.repeat_last_n};
}

int cmd_run(const struct cli_command *self, int argc, char **argv)
{
    struct options o;
    const struct cli_opt opts[] = {
        COMMAND_ENGINE_OPTS(&o.engine),
        {"ctx", 'c', CLI_INT, &o.engine.n_ctx, 1, INT32_MAX, "N",
         "context in tokens (default: the model's, at most 4096)", NULL},
        {"prompt", 'p', CLI_STR, &o.prompt, 0, 0, "TEXT", "what to continue", NULL},
        {"prompt-ids", 0, CLI_STR, &o.prompt_ids, 0, 0, "IDS", "the same as token ids", NULL},
        {"parse-special", 0, CLI_FLAG, &o.parse_special, 0, 0, NULL,
         "control tokens spelled in the prompt count", NULL},
        {"max-tokens", 'n', CLI_INT, &o.max_tokens, 0, INT32_MAX, "N", "default 128", NULL},
        {"temperature", 0, CLI_NUM, &o.temperature, 0, 2, "T", "0 = greedy; default 0.8", NULL},
        {"top-k", 0, CLI_INT, &o.top_k, 0, INT32_MAX, "K", "0 = off; default 40", NULL},
        {"top-p", 0, CLI_NUM, &o.top_p, 0, 1, "P", "1 = off; default 0.95", NULL},
        {"min-p", 0, CLI_NUM, &o.min_p, 0, 1, "P", "0 = off; default 0.05", NULL},
        {"repetition-penalty", 0, CLI_NUM, &o.penalty, 0, 2, "R", "1 = off, the default", NULL},
        {"repeat-last-n", 0, CLI_INT, &o.repeat_last_n, 0, 1 << 20, "N",
         "tokens the penalty looks back on; default 64", NULL},
        {"seed", 's', CLI_INT, &o.seed, 0, (double)INT64_MAX, "N", "default: random",
         &o.seed_given},
        {"chunk", 0, CLI_INT, &o.n_chunk, 1, 65536, "N", "prompt tokens in a batch", NULL},
        {"special", 0, CLI_FLAG, &o.special, 0, 0, NULL, "show control tokens", NULL},
        {"ids", 0, CLI_FLAG, &o.show_ids, 0, 0, NULL, "print token ids instead of text", NULL},
        {"top-logprobs", 0, CLI_INT, &o.n_scores, 0, INT32_MAX, "N",
         "print each token's scores as JSON lines instead of text", &o.show_scores},
        {"timings", 0, CLI_FLAG, &o.show_timings, 0, 0, NULL,
         "tell how long each phase up to the first token took", NULL},
        {0}};
    struct timings timings;
    int rc;

    timings_begin_process(&timings);
    set_defaults(&o);
    rc = cli_parse(WORKER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);
    if (rc != CLI_GO)
        return rc;
    if (!o.engine.model_path)
        return command_usage(self, "--model FILE is needed");
    if (!o.prompt == !o.prompt_ids)
        return command_usage(self, "one of --prompt TEXT and --prompt-ids IDS is needed");
    rc = command_check_words(self, o.engine.kv_type, o.engine.sandbox);
    return rc == CLI_GO ? run(&o, &timings) : rc;
}
