/*
 * answer_keep.c - what an answer keeps of what came of its workers; see answer.h.
 *
 * All that a choice keeps is one sum, whatever it is: a worker has read a file of unknown hands,
 * and may send texts, calls and log-probabilities for ever. The sums of all answers count with what
 * is held of requests (http_hold).
 */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "hive/gateway/answer_internal.h"

void choice_init(struct choice *c, struct answer *a, unsigned index)
{
    *c = (struct choice){.answer = a, .index = index};
    buf_init(&c->text, ANSWER_TEXT_MAX);
    buf_init(&c->reasoning, ANSWER_TEXT_MAX);
    for (unsigned i = 0; i < CHOICE_SCORES; i++)
        buf_init(&c->scores[i], ANSWER_TEXT_MAX);
}

void choice_done(struct choice *c)
{
    for (unsigned i = 0; i < c->n_tools; i++) {
        free(c->tools[i].id);
        free(c->tools[i].name);
        buf_done(&c->tools[i].args);
    }
    free(c->tools);
    free(c->end.stop_sequence);
    buf_done(&c->text);
    buf_done(&c->reasoning);
    for (unsigned i = 0; i < CHOICE_SCORES; i++)
        buf_done(&c->scores[i]);
}

static void spoil_as(struct choice *c, enum api_code code, const char *why)
{
    if (c->wrong)
        return;
    c->wrong = why;
    c->wrong_code = code;
}

void choice_spoil(struct choice *c, const char *why)
{
    spoil_as(c, API_INTERNAL, why);
}

_Static_assert(ANSWER_TEXT_MAX == 64u << 20, "the sentence says so");

static void spoil_for_room(struct choice *c)
{
    spoil_as(c, API_ALL_SLOTS_BUSY,
             "the answers and requests that wait here hold nearly all the memory they may have "
             "together, and this answer goes on");
}

int choice_count(struct choice *c, size_t n)
{
    if (n > ANSWER_TEXT_MAX - c->n_kept) {
        spoil_as(c, API_INVALID_REQUEST,
                 "the answer's text, calls and log-probabilities are over 64 MiB together: ask for "
                 "fewer tokens, for less of top_logprobs, or for a stream");
        return -1;
    }
    if (!answer_keep(c->answer, n)) {
        spoil_for_room(c);
        return -1;
    }
    c->n_kept += n;
    return 0;
}

#define PARTIAL_LITTLE (16u << 10) /* of an event: as much as any has, and a reader keeps */

void choice_hold_partial(struct choice *c)
{
    size_t held = ask_held(c->ask), n = held > PARTIAL_LITTLE ? held : 0;

    if (n == c->n_partial)
        return;
    if (answer_hold_partial(c->answer, c->n_partial, n))
        c->n_partial = n;
    else
        spoil_for_room(c);
}

/* ---- texts and calls ---- */

#define CALL_BYTES 256 /* of a call beside its texts: its place, three allocations */

static int add_tool(struct choice *c, const struct event *e)
{
    struct tool_call *tools, *t;

    if (choice_count(c, CALL_BYTES + strlen(e->id) + strlen(e->name)))
        return -1;
    tools = realloc(c->tools, (c->n_tools + 1) * sizeof *tools);
    if (!tools)
        return -1;
    c->tools = tools;
    t = &tools[c->n_tools];
    *t = (struct tool_call){.id = str_dup(e->id), .name = str_dup(e->name)};
    buf_init(&t->args, ANSWER_TEXT_MAX);
    c->n_tools++;
    return t->id && t->name ? 0 : -1;
}

static int add_text(struct choice *c, struct buf *to, const struct event *e)
{
    return choice_count(c, e->n) ? -1 : buf_put(to, e->raw, e->n);
}

/* Is what a stream has shown still needed when it ends? A client may take hours over megabytes. */
static bool is_repeated(const struct answer *a)
{
    return !a->order.stream || a->dialect->repeats;
}

/* Where calls are shown as they come, arguments of one that is over would be told as another's. */
static int add_args(struct choice *c, const struct event *e)
{
    if (c->in_call && e->tool + 1 == c->n_tools)
        return add_text(c, &c->tools[e->tool].args, e);
    choice_spoil(c, e->tool < c->n_tools
                        ? "the worker sent arguments of a call that was over"
                        : "the worker sent arguments of a call that it did not begin");
    return -1;
}

static int keep_text(struct choice *c, const struct event *e)
{
    switch (e->kind) {
    case EVENT_TEXT:
        return is_repeated(c->answer) ? add_text(c, &c->text, e) : 0;
    case EVENT_REASONING:
        return is_repeated(c->answer) ? add_text(c, &c->reasoning, e) : 0;
    case EVENT_TOOL_CALL:
        if (e->tool == c->n_tools)
            return add_tool(c, e);
        choice_spoil(c, "the worker's calls are not numbered one by one");
        return -1;
    case EVENT_TOOL_ARGS:
        return add_args(c, e);
    default:
        return 0;
    }
}

/* ---- log-probabilities ---- */

/* Of a whole answer: a stream tells them as they come. */
static void keep_scores(struct choice *c, const struct event *e)
{
    const struct dialect *d = c->answer->dialect;

    if (!e->logprobs || c->answer->order.stream || !d->score ||
        (e->kind == EVENT_REASONING && !d->scores_all))
        return;
    d->score(c, e->logprobs);
}

/* ---- all ---- */

void choice_keep(struct choice *c, const struct event *e)
{
    if (c->wrong)
        return;
    keep_scores(c, e);
    if (e->kind == EVENT_TOOL_CALL)
        c->in_call = true;
    else if ((e->kind == EVENT_TEXT || e->kind == EVENT_REASONING) && e->n)
        c->in_call = false;
    if (keep_text(c, e)) /* unless it was spoilt with another word */
        choice_spoil(c, CHOICE_TOO_LARGE);
}
