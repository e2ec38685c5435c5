/*
 * bench_masked.c - what a constraint costs in a real decode: masks, moves and the masked draw
 * beside the passes of a model, over whole answers of several kinds, asked for once and again.
 *
 *   bench_masked MODEL.gguf [THREADS [SEQUENCES]]
 *
 * The answers are given texts, cut into the longest tokens of the model's vocabulary, which the
 * mask must allow: what a trained model would write. Everything else is what a worker does
 * (guard.h). The constraint's times are the thread's own. Passes are in wall time, and the share is
 * that of a pass of the fastest tenth, so that a busy machine makes it no smaller. With SEQUENCES,
 * each row of a pass is an answer of its own, with its own guard.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "timing.h"
#include "worker/jobs/dialog.h"
#include "worker/jobs/guard.h"
#include "worker/sandbox/sources.h"

#define MAX_STEPS     1024
#define MAX_SEQUENCES 64
#define TOKEN_BYTES   (1u << 16)

struct sample {
    const char *name, *request, *answer;
};

#define PERSON                                                                                     \
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":"       \
    "\"integer\"},\"email\":{\"type\":\"string\",\"format\":\"email\"},\"born\":{\"type\":"        \
    "\"string\",\"format\":\"date-time\"},\"role\":{\"enum\":[\"admin\",\"user\",\"guest\"]},"     \
    "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}},\"required\":[\"name\","       \
    "\"age\",\"email\",\"born\",\"role\",\"tags\"],\"additionalProperties\":false}"
#define STEPS                                                                                      \
    "{\"type\":\"object\",\"properties\":{\"steps\":{\"type\":\"array\",\"items\":{\"type\":"      \
    "\"object\",\"properties\":{\"explanation\":{\"type\":\"string\"},\"output\":{\"type\":"       \
    "\"string\",\"maxLength\":200}},\"required\":[\"explanation\",\"output\"],"                    \
    "\"additionalProperties\":false}},\"final_answer\":{\"type\":\"string\"},\"score\":{"          \
    "\"type\":\"number\",\"minimum\":0,\"maximum\":1}},\"required\":[\"steps\",\"final_answer\","  \
    "\"score\"],\"additionalProperties\":false}"
#define GENERIC "{\"role\":\"user\",\"content\":\"x\"}"
#define TOOLS                                                                                      \
    "[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"parameters\":{\"type\":"     \
    "\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\","    \
    "\"minimum\":1,\"maximum\":14},\"unit\":{\"enum\":[\"celsius\",\"fahrenheit\"]}},"             \
    "\"required\":[\"city\",\"days\",\"unit\"],\"additionalProperties\":false}}},{\"type\":"       \
    "\"function\",\"function\":{\"name\":\"search\",\"parameters\":{\"type\":\"object\","          \
    "\"properties\":{\"query\":{\"type\":\"string\"}},\"required\":[\"query\"]}}}]"
#define PROSE                                                                                      \
    "The old lighthouse keeper climbed the winding stairs every evening, carrying a small lamp "   \
    "and a worn notebook in which he wrote down the names of the ships that passed. "              \
    "Nobody had asked him to do it, but over forty years the notebooks had filled three shelves, " \
    "and sailors' families came from far away to read a line about a night long ago. "             \
    "\\\"You see,\\\" he would say, \\\"the sea forgets; paper does not.\\\" In the caf\xc3\xa9 "  \
    "by the harbour they still tell that story: 1962, 1974, 1981 \xe2\x80\x94 every year with "    \
    "its own storm."

static const struct sample samples[] = {
    {"person: strings, integer, email, date-time, enum, list",
     "{\"prompt\":\"x\",\"json_schema\":" PERSON "}",
     "{\"name\": \"Ada Lovelace\", \"age\": 36, \"email\": \"ada.lovelace@example.org\", \"born\": "
     "\"1815-12-10T08:30:00Z\", \"role\": \"admin\", \"tags\": [\"mathematics\", \"engines\", "
     "\"caf\xc3\xa9\", \"poetry and more\"]}"},
    {"steps: nested objects in a list, lengths, bounds",
     "{\"prompt\":\"x\",\"json_schema\":" STEPS "}",
     "{\"steps\": [{\"explanation\": \"Subtract 7 from both sides of the equation.\", \"output\": "
     "\"8x = -30\"}, {\"explanation\": \"Divide both sides by 8 to isolate x.\", \"output\": \"x = "
     "-30 / 8 = -3.75\"}], \"final_answer\": \"x = -3.75\", \"score\": 0.925}"},
    {"prose: one long free string",
     "{\"prompt\":\"x\",\"json_schema\":{\"type\":\"object\",\"properties\":{\"story\":{\"type\":"
     "\"string\"}},\"required\":[\"story\"],\"additionalProperties\":false}}",
     "{\"story\": \"" PROSE "\"}"},
    {"any object (json_object)", "{\"prompt\":\"x\",\"json_schema\":{\"type\":\"object\"}}",
     "{\"a\": [1, 2.5, {\"deep\": {\"deeper\": [true, null, \"a longer text here\"]}}], \"b\": "
     "\"text\", \"c\": {\"d\": [[[1]]], \"e\": \"and so on and so forth\"}}"},
    {"tool call, required",
     "{\"messages\":[" GENERIC "],\"tool_choice\":\"required\",\"tools\":" TOOLS "}",
     "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"San Francisco, California\", "
     "\"days\": 12, \"unit\": \"celsius\"}}"},
    {"GBNF: a list in prose",
     "{\"prompt\":\"x\",\"grammar\":\"root ::= item+\\nitem ::= \\\"- \\\" [^\\\\n]+ "
     "\\\"\\\\n\\\"\"}",
     "- The old lighthouse keeper climbed the winding stairs.\n- Nobody had asked him to do it.\n"
     "- The sea forgets; paper does not.\n"},
    {"GBNF: a chess opening",
     "{\"prompt\":\"x\",\"grammar\":\"root ::= (num \\\". \\\" move \\\" \\\" move \\\" "
     "\\\"?)+\\nnum ::= "
     "[1-9] [0-9]?\\nmove ::= (pawn | piece | castle) [+#]?\\npiece ::= [NBKQR] [a-h]? [1-8]? "
     "\\\"x\\\"? [a-h] [1-8]\\npawn ::= ([a-h] \\\"x\\\")? [a-h] [1-8]\\ncastle ::= \\\"O-O\\\" "
     "\\\"-O\\\"?\"}",
     "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6 5. O-O Be7 6. Re1 b5 7. Bb3 d6 8. c3 O-O "},
};

static const char TEMPLATE[] = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";

struct rig {
    struct engine_model *model;
    struct engine *engine;
    struct dialog *dialog;
    uint32_t n_vocab, n_sequences;
    size_t *ends; /* of each token's bytes in `bytes` */
    struct buf bytes;
};

/* What the steps of one answer took, in seconds. */
struct times {
    double ready; /* until the first token may be drawn: the guard, its grammars, the first mask */
    double mask[MAX_STEPS], draw[MAX_STEPS], plain[MAX_STEPS], pass[MAX_STEPS];
    uint32_t n;
};

static int die(const char *text)
{
    fprintf(stderr, "%s\n", text);
    return 1;
}

/* ---- what is measured on ------------------------------------------------- */

static int list_tokens(struct rig *r)
{
    buf_init(&r->bytes, 1u << 30);
    r->ends = calloc(r->n_vocab + 1, sizeof *r->ends);
    for (uint32_t i = 0; r->ends && i < r->n_vocab; i++) {
        if (dialog_bytes(r->dialog, (int32_t)i, &r->bytes))
            return -1;
        r->ends[i + 1] = r->bytes.len;
    }
    return r->ends ? 0 : -1;
}

static int open_rig(struct rig *r, const char *path, int64_t threads, int64_t sequences,
                    const char *template, struct err *err)
{
    struct engine_params p = {
        .n_slots = (uint32_t)sequences, .n_ctx = 1024, .n_threads = (unsigned)threads};
    struct sources sources;
    int rc;

    sources_open(&sources, path, template);
    rc = sources_model(&sources, &r->model, err);
    if (!rc)
        rc = engine_model_load(r->model, NULL, NULL, err);
    if (!rc)
        rc = engine_create(r->model, &p, &r->engine, err);
    if (!rc)
        rc = dialog_create(r->model, &sources, &r->dialog, err);
    sources_close(&sources);
    if (rc)
        return rc;
    while (engine_tune(r->engine))
        ;
    r->n_sequences = (uint32_t)sequences;
    r->n_vocab = engine_n_vocab(r->engine);
    return list_tokens(r) ? err_no_memory(err, r->bytes.len, "the tokens") : 0;
}

/* The longest token of a mask with which a text begins; -1: none. */
static int32_t longest(const struct rig *r, const uint64_t *mask, const char *text)
{
    size_t n = strlen(text), best_n = 0;
    int32_t best = -1;

    for (uint32_t i = 0; i < r->n_vocab; i++) {
        size_t len = r->ends[i + 1] - r->ends[i];

        if (len > best_n && len <= n && (mask[i / 64] >> i % 64 & 1) &&
            memcmp(r->bytes.data + r->ends[i], text, len) == 0) {
            best = (int32_t)i;
            best_n = len;
        }
    }
    return best;
}

/* ---- one answer, n times side by side ------------------------------------ */

struct answer {
    struct guard *guard;
    struct engine_sampler *masked, *plain;
    int seq;
    int32_t token;
};

static int begin(struct rig *r, struct answer *a, const struct inference_request *q,
                 struct err *err)
{
    struct engine_sampling how = engine_sampling_default();
    int rc = guard_create(r->dialog, q, false, NULL, &a->guard, err);

    if (!rc)
        rc = engine_sampler_create(r->model, &how, &a->plain, err);
    how.masked = true;
    if (!rc)
        rc = engine_sampler_create(r->model, &how, &a->masked, err);
    if (!rc)
        rc = a->seq = engine_seq_open(r->engine, err);
    a->token = 0;
    return rc < 0 ? rc : 0;
}

static void end(struct rig *r, struct answer *a)
{
    guard_free(a->guard);
    engine_sampler_free(a->masked);
    engine_sampler_free(a->plain);
    engine_seq_close(r->engine, a->seq);
}

/* One pass for all answers. */
static int pass(struct rig *r, const struct answer *all, double *seconds, struct err *err)
{
    struct engine_row rows[MAX_SEQUENCES];
    uint64_t from = clock_ns();
    int rc;

    for (uint32_t i = 0; i < r->n_sequences; i++)
        rows[i] = (struct engine_row){all[i].token, all[i].seq, true};
    rc = engine_decode(r->engine, rows, r->n_sequences, err);
    *seconds = (double)(clock_ns() - from) * 1e-9;
    return rc;
}

static double draw(struct engine_sampler *s, const float *logits, const uint64_t *mask)
{
    double from = cpu_seconds();

    engine_sampler_next_masked(s, logits, mask);
    return cpu_seconds() - from;
}

/* With and without a mask; who comes second finds the logits in the cache, so they take turns. */
static void draw_both(struct answer *a, const float *logits, const uint64_t *mask, struct times *t)
{
    if (t->n % 2)
        t->plain[t->n] += draw(a->plain, logits, NULL);
    t->draw[t->n] += draw(a->masked, logits, mask);
    if (t->n % 2 == 0)
        t->plain[t->n] += draw(a->plain, logits, NULL);
}

/* Draws as a worker does, and takes the text's own token. Adds to the step's times. */
static int step(struct rig *r, struct answer *a, uint32_t row, const char *text, struct times *t,
                struct err *err)
{
    const uint64_t *mask;
    double from = cpu_seconds();
    int rc = guard_mask(a->guard, &mask, err);

    if (rc)
        return rc;
    t->mask[t->n] += cpu_seconds() - from;
    draw_both(a, engine_logits(r->engine, row), mask, t);
    a->token = longest(r, mask, text);
    if (a->token < 0)
        return err_set(err, ERR_INVALID, "not allowed: %.60s", text);
    from = cpu_seconds();
    rc = guard_take(a->guard, a->token, err);
    t->mask[t->n] += cpu_seconds() - from;
    return rc;
}

static int answer_all(struct rig *r, const struct sample *s, struct answer *all, struct times *t,
                      struct err *err)
{
    const char *text = s->answer;
    int rc = 0;

    for (; *text && t->n < MAX_STEPS && !rc; t->n++) {
        rc = pass(r, all, &t->pass[t->n], err);
        for (uint32_t i = 0; i < r->n_sequences && !rc; i++)
            rc = step(r, &all[i], i, text, t, err);
        if (!rc)
            text += r->ends[all[0].token + 1] - r->ends[all[0].token];
    }
    return rc;
}

static int run(struct rig *r, const struct sample *s, struct times *t, struct err *err)
{
    struct answer all[MAX_SEQUENCES] = {0};
    struct inference_request q;
    struct api_error e = {0};
    double from;
    int rc = 0;

    memset(t, 0, sizeof *t);
    inference_request_init(&q);
    if (inference_request_parse(s->request, strlen(s->request), &q, &e, "bench"))
        return err_set(err, ERR_INVALID, "%s", e.message);
    for (uint32_t i = 0; i < r->n_sequences; i++)
        all[i].seq = -1;
    from = cpu_seconds();
    for (uint32_t i = 0; i < r->n_sequences && !rc; i++)
        rc = begin(r, &all[i], &q, err);
    t->ready = cpu_seconds() - from;
    if (!rc)
        rc = answer_all(r, s, all, t, err);
    for (uint32_t i = 0; i < r->n_sequences; i++)
        if (all[i].seq >= 0)
            end(r, &all[i]);
    inference_request_done(&q);
    return rc;
}

/* ---- what is shown ------------------------------------------------------- */

static double mean(const double *x, uint32_t n)
{
    double sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += x[i];
    return sum / n;
}

static double most(const double *x, uint32_t n)
{
    double best = 0;

    for (uint32_t i = 0; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

static void show(const char *what, const struct times *t, double pass)
{
    double extra = mean(t->draw, t->n) - mean(t->plain, t->n);

    printf(
        "  %-5s ready in %7.0f us, %3u steps: mask and move %6.1f us, worst %6.0f us; draw %+6.1f "
        "us; %5.2f %% of a pass, worst step %5.1f %%\n",
        what, t->ready * 1e6, t->n, mean(t->mask, t->n) * 1e6, most(t->mask, t->n) * 1e6,
        extra * 1e6, 100 * (mean(t->mask, t->n) + extra) / pass,
        100 * (most(t->mask, t->n) + extra) / pass);
}

#define N_SAMPLES (sizeof samples / sizeof *samples)

static int bench(struct rig *r, struct times all[N_SAMPLES][2])
{
    struct err err = {0};
    double pass = 1e9;

    for (size_t i = 0; i < N_SAMPLES; i++)
        for (size_t k = 0; k < 2; k++) {
            if (run(r, &samples[i], &all[i][k], &err))
                return die(err.text);
            for (uint32_t n = 0; n < all[i][k].n; n++)
                pass = all[i][k].pass[n] < pass ? all[i][k].pass[n] : pass;
        }
    printf("%u tokens, %u threads, %u at once; the fastest pass took %.2f ms\n", r->n_vocab,
           engine_n_threads(r->engine), r->n_sequences, pass * 1e3);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        puts(samples[i].name);
        show("first", &all[i][0], pass);
        show("again", &all[i][1], pass);
    }
    return 0;
}

static char *write_template(void)
{
    static char name[] = "/tmp/bench-masked-XXXXXX";
    int fd = mkstemp(name);
    bool good = fd >= 0 && write(fd, TEMPLATE, sizeof TEMPLATE - 1) == sizeof TEMPLATE - 1;

    if (fd >= 0)
        close(fd);
    return good ? name : NULL;
}

int main(int argc, char **argv)
{
    static struct times all[N_SAMPLES][2];
    struct rig r = {0};
    struct err err = {0};
    int64_t threads = 2, sequences = 1;
    char *template = write_template();
    int rc;

    if (argc < 2 || (argc > 2 && str_to_i64(argv[2], &threads)) ||
        (argc > 3 && str_to_i64(argv[3], &sequences)) || sequences < 1 || sequences > MAX_SEQUENCES)
        return die("usage: bench_masked MODEL.gguf [THREADS [SEQUENCES, 1 to 64]]");
    if (!template || open_rig(&r, argv[1], threads, sequences, template, &err))
        return die(template ? err.text : "no template");
    unlink(template);
    rc = bench(&r, all);
    free(r.ends);
    buf_done(&r.bytes);
    dialog_free(r.dialog);
    engine_free(r.engine);
    engine_model_close(r.model);
    return rc;
}
