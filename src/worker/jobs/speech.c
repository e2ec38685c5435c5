/* speech.c - see speech.h. */
#include "worker/jobs/speech.h"

#include <stdlib.h>

#include "chat/split.h"
#include "worker/jobs/dialog.h"
#include "worker/jobs/logprobs.h"
#include "worker/jobs/stopper.h"

#define PIECE_MAX  (1u << 20) /* bytes of one token's text, and of what stop strings held back */
#define SCORES_MAX (8u << 20) /* bytes of scores that wait for text */
/* With so many they go alone: an event may have 1 MiB, and a token's scores have 0.9 at most. */
#define SCORES_FULL (64u << 10)

struct speech {
    struct speech_params p;
    struct engine_detok *detok;
    struct stopper *stopper;
    struct split *split; /* NULL: all text is content */
    struct buf piece, ready, scores;
    struct outbox *outbox; /* while text is being given */
    uint64_t tokens_out;
    bool lost; /* memory ran out */
};

/* ---- to the outbox ------------------------------------------------------- */

static void note(struct speech *s, enum note_kind kind, const char *text, size_t n, uint32_t index)
{
    bool scored = kind == NOTE_TEXT || kind == NOTE_REASONING;
    struct outbox_note note = {.job = s->p.job,
                               .kind = kind,
                               .index = index,
                               .n = n,
                               .n_scores = scored ? s->scores.len : 0,
                               .tokens_out = s->tokens_out};

    s->lost = s->lost || outbox_text(s->outbox, &note, text, buf_str(&s->scores));
    if (scored)
        buf_clear(&s->scores);
}

static void take_piece(void *arg, const struct split_piece *piece)
{
    static const enum note_kind kinds[] = {[SPLIT_CONTENT] = NOTE_TEXT,
                                           [SPLIT_REASONING] = NOTE_REASONING,
                                           [SPLIT_CALL] = NOTE_CALL,
                                           [SPLIT_ARGS] = NOTE_ARGS};

    note(arg, kinds[piece->kind], piece->text, piece->n, piece->index);
}

/* What is ready goes out; `last`: what the splitter holds, too. */
static int give(struct speech *s, struct outbox *out, uint64_t tokens_out, bool last)
{
    s->outbox = out;
    s->tokens_out = tokens_out;
    s->lost = s->lost || buf_failed(&s->piece) || buf_failed(&s->ready) || buf_failed(&s->scores);
    if (s->split)
        s->lost = s->lost || split_put(s->split, s->ready.data, s->ready.len) ||
                  (last && split_end(s->split));
    else if (s->ready.len)
        note(s, NOTE_TEXT, s->ready.data, s->ready.len, 0);
    if (s->scores.len > (last ? 0 : SCORES_FULL)) /* of tokens without text, or a call's */
        note(s, NOTE_TEXT, "", 0, 0);
    buf_clear(&s->piece);
    buf_clear(&s->ready);
    return s->lost ? -1 : 0;
}

/* ---- life ---------------------------------------------------------------- */

static int create_split(struct speech *s, struct err *err)
{
    const struct inference_request *r = s->p.request;
    const struct chat_template *t = s->p.template;
    bool calls = r->tools && r->tool_choice != TOOLS_NONE;
    struct split_options o = {.tools = r->tools,
                              .thinking = s->p.thinking,
                              .begun = r->continue_final_message,
                              .give = take_piece,
                              .arg = s};

    if (!t || !r->messages)
        return 0;
    o.format = chat_template_format(t);
    if (!calls && (!o.format->opened || r->json_schema))
        o.format = NULL; /* else content has a name, with or without tools */
    o.think = chat_template_think(t);
    return split_create(&o, &s->split, err);
}

int speech_create(const struct speech_params *p, struct speech **out, struct err *err)
{
    const struct inference_request *r = p->request;
    struct speech *s = calloc(1, sizeof *s);
    int rc;

    if (!s)
        return err_no_memory(err, sizeof *s, "an answer's text");
    s->p = *p;
    buf_init(&s->piece, PIECE_MAX);
    buf_init(&s->ready, PIECE_MAX);
    buf_init(&s->scores, SCORES_MAX);
    rc = engine_detok_create(p->model, false, p->starts_text, &s->detok, err);
    if (rc == 0)
        rc = stopper_create(r->stop, r->n_stop, &s->stopper, err);
    if (rc == 0)
        rc = create_split(s, err);
    if (rc)
        speech_free(s);
    else
        *out = s;
    return rc;
}

void speech_free(struct speech *s)
{
    if (!s)
        return;
    engine_detok_free(s->detok);
    stopper_free(s->stopper);
    split_free(s->split);
    buf_done(&s->piece);
    buf_done(&s->ready);
    buf_done(&s->scores);
    free(s);
}

/* ---- tokens -------------------------------------------------------------- */

void speech_score(struct speech *s, int32_t token, const float *logits, uint32_t n_vocab)
{
    logprobs_put(&s->scores, s->p.model, n_vocab, logits, token, s->p.request->top_logprobs);
}

int speech_put(struct speech *s, int32_t token, struct outbox *out, uint64_t tokens_out)
{
    int rc;

    if (s->split && dialog_is_mark(s->p.dialog, token)) {
        engine_detok_end(s->detok, &s->piece);
        engine_token_bytes(s->p.model, token, true, &s->piece);
    } else {
        engine_detok_put(s->detok, token, &s->piece);
    }
    rc = stopper_put(s->stopper, s->piece.data, s->piece.len, &s->ready);
    if (rc == 1)
        return 1;
    s->lost = s->lost || rc;
    return give(s, out, tokens_out, false);
}

void speech_forgo_calls(struct speech *s)
{
    if (s->split)
        split_forgo_calls(s->split);
}

int speech_finish(struct speech *s, struct outbox *out, uint64_t tokens_out)
{
    s->lost = s->lost || stopper_end(s->stopper, &s->ready);
    return give(s, out, tokens_out, true);
}

int speech_flush(struct speech *s, struct outbox *out, uint64_t tokens_out)
{
    return give(s, out, tokens_out, true);
}

const char *speech_stop(const struct speech *s)
{
    return s->p.request->stop[stopper_matched(s->stopper)];
}

bool speech_is_thinking(const struct speech *s)
{
    return s->split && split_is_thinking(s->split);
}

uint32_t speech_n_calls(const struct speech *s)
{
    return s->split ? split_n_calls(s->split) : 0;
}

bool speech_has_called(const struct speech *s)
{
    return s->split && split_n_calls(s->split) && !split_in_call(s->split);
}
