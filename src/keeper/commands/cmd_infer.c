/* cmd_infer.c - `infer`: options, and one request by way of asking.h. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/uuid.h"
#include "keeper/ask/asking.h"
#include "keeper/ask/prompt.h"
#include "keeper/ask/sampling.h"
#include "keeper/ask/target.h"
#include "keeper/commands/commands.h"
#include "keeper/node/keeper.h"
#include "keeper/node/model.h"

struct infer {
    struct keeper_flags flags;
    struct target target;
    struct sampling sampling;
    const char *prompt, *system_text;
    bool add_stdin, chat, show_timings;
};

static int parse(const struct cli_command *self, struct infer *o, int argc, char **argv)
{
    const struct cli_opt opts[] = {
        KEEPER_OPT_NODE(o->flags),
        TARGET_OPT_MODEL(o->target),
        {"prompt", 'p', CLI_STR, &o->prompt, 0, 0, "TEXT", "what to go on from; - reads stdin", 0},
        {"stdin", 0, CLI_FLAG, &o->add_stdin, 0, 0, NULL,
         "the text of stdin too, behind the prompt", 0},
        {"chat", 0, CLI_FLAG, &o->chat, 0, 0, NULL,
         "ask by the model's chat template, not to go on", 0},
        {"system", 0, CLI_STR, &o->system_text, 0, 0, "TEXT",
         "what the model is to be; means --chat", 0},
        SAMPLING_OPTS(o->sampling),
        TARGET_OPTS(o->target),
        {"quiet", 'q', CLI_FLAG, &o->flags.quiet, 0, 0, NULL, "only the text and errors", 0},
        {"json", 0, CLI_FLAG, &o->flags.json, 0, 0, NULL, "print the events, one JSON a line", 0},
        {"timings", 0, CLI_FLAG, &o->show_timings, 0, 0, NULL,
         "tell how long each phase up to the first token took", 0},
        {0},
    };

    return cli_parse(KEEPER_PROGRAM, self, opts, argc, argv, NULL, 0, NULL);
}

/* Makes the prompt the words of a user. */
static int make_messages(const struct infer *o, struct inference_request *r, struct err *err)
{
    json_t *list = json_array();
    int rc = 0;

    if (o->system_text && !str_is_utf8(o->system_text, strlen(o->system_text))) {
        json_decref(list);
        return err_set(err, ERR_INVALID, "--system takes UTF-8 text");
    }
    if (o->system_text)
        rc |= json_array_append_new(
            list, json_pack("{s:s, s:s}", "role", "system", "content", o->system_text));
    rc |= json_array_append_new(
        list, json_pack("{s:s, s:s%}", "role", "user", "content", r->prompt, r->prompt_bytes));
    if (rc) {
        json_decref(list);
        return err_no_memory(err, r->prompt_bytes, "the messages");
    }
    free(r->prompt);
    r->prompt = NULL;
    r->messages = list;
    return 0;
}

/* The whole request: 0, or what a usage error says. */
static int make_request(const struct infer *o, struct inference_request *r, struct err *err)
{
    const struct prompt_source from = {
        .given = o->prompt, .add_stdin = o->add_stdin, .quiet = o->flags.quiet};
    int rc = target_check(&o->target, err);

    uuid_make(r->job_id);
    if (rc == 0)
        rc = sampling_fill(&o->sampling, r, err);
    if (rc == 0)
        rc = prompt_read(&from, &r->prompt, &r->prompt_bytes, err);
    if (rc == 0 && (o->chat || o->system_text))
        rc = make_messages(o, r, err);
    return rc;
}

/* A line is easily lost: `cat notes | rbee-keeper infer --prompt ...` reads no notes. */
static void say_unread(struct keeper *k, const struct infer *o)
{
    if (o->prompt && !o->add_stdin && !str_eq(o->prompt, "-") && prompt_has_unread())
        term_note(&k->term,
                  "Standard input is not read, as there is a --prompt; --stdin adds its text.");
}

static void sum_up(struct keeper *k, const struct figures *f)
{
    struct buf line;

    buf_init(&line, FIGURES_LINE_MAX);
    figures_line(f, &line);
    term_note(&k->term, "%s", buf_str(&line));
    buf_done(&line);
}

static int run(struct keeper *k, const struct infer *o, struct pool_want *want,
               const struct inference_request *r)
{
    struct answer answer;
    struct generate how = {.json = o->flags.json, .answer = &answer};
    struct pool_worker worker = {.id = ""};
    struct api_error e = {0};
    enum generate_end end;

    answer_init(&answer, &k->out, k->term.ascii);
    answer.hush = o->flags.quiet;
    end = asking_run(k, want, &worker, r, &how, &e);
    if (end == GENERATE_DONE) {
        answer_end(&answer);
        sum_up(k, &how.figures);
    } else {
        answer_break(&answer);
    }
    answer_done(&answer);
    if (end == GENERATE_CANCELLED)
        return keeper_cancelled(k);
    if (end == GENERATE_CLOSED || end == GENERATE_DONE)
        return CLI_DONE; /* keeper_end knows what became of stdout */
    return keeper_fail(k, &e);
}

static int infer(struct keeper *k, const struct infer *o, struct inference_request *r)
{
    const char *typed = o->target.model ? o->target.model : TARGET_MODEL;
    struct model_name model;
    struct pool_want want = {0};
    int rc = model_name_read(k, typed, &model);

    if (rc == CLI_GO) {
        target_want(&o->target, &want);
        want.model_ref = model.text;
        want.download = model.remote;
        rc = run(k, o, &want, r);
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
    struct infer o = {.prompt = NULL};
    struct err err = {0};
    int rc;

    timings_begin_process(&k.timings);
    target_init(&o.target);
    sampling_init(&o.sampling);
    rc = parse(self, &o, argc, argv);
    if (rc != CLI_GO)
        return rc;
    inference_request_init(&request);
    rc = CLI_GO;
    if (make_request(&o, &request, &err))
        rc = keeper_usage(&k, "%s", err.text);
    if (rc == CLI_GO)
        rc = keeper_begin(&k, self, &o.flags);
    if (rc == CLI_GO) {
        say_unread(&k, &o);
        timings_phase(&k.timings, "setup");
        rc = infer(&k, &o, &request);
        if (o.show_timings)
            show_timings(&k);
    }
    inference_request_done(&request);
    return keeper_end(&k, rc);
}
