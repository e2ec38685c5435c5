/* guard.c - see guard.h. */
#include "worker/jobs/guard.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "chat/constrain.h"
#include "worker/jobs/dialog.h"

#define TOKEN_MAX_BYTES (1u << 16)

struct guard {
    const struct dialog *dialog;
    struct chat_constraint *constraint;
    uint64_t *mask; /* the constraint's, and ends, */
    bool is_made;   /* for what the answer is now */
    enum guard_state state;
    size_t n_words;
    struct buf piece;
};

int guard_create(struct dialog *d, const struct inference_request *r, bool thinking,
                 const struct grammar_stop *stop, struct guard **out, struct err *err)
{
    const struct chat_template *t = r->messages ? dialog_template(d, r) : NULL;
    struct guard *g = calloc(1, sizeof *g);
    struct grammar_vocab *vocab;
    int rc;

    if (!g)
        return err_no_memory(err, sizeof *g, "an answer's constraint");
    g->dialog = d;
    buf_init(&g->piece, TOKEN_MAX_BYTES);
    rc = dialog_vocab(d, &vocab, &g->n_words, err);
    if (rc == 0)
        rc = chat_constraint_create(r, t ? chat_template_format(t) : NULL,
                                    t && thinking ? chat_template_think(t) : NULL, vocab,
                                    dialog_grammars(d), stop, &g->constraint, err);
    g->mask = malloc(g->n_words * sizeof *g->mask);
    if (rc == 0 && !g->mask)
        rc = err_no_memory(err, g->n_words * sizeof *g->mask, "a mask of tokens");
    if (rc)
        guard_free(g);
    else
        *out = g;
    return rc;
}

void guard_free(struct guard *g)
{
    if (!g)
        return;
    chat_constraint_free(g->constraint);
    free(g->mask);
    buf_done(&g->piece);
    free(g);
}

size_t guard_bytes(const struct guard *g)
{
    return chat_constraint_bytes(g->constraint);
}

static void set_bits(struct guard *g, const int32_t *ids, size_t n, bool on)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bit = UINT64_C(1) << (ids[i] % 64);

        if (on)
            g->mask[ids[i] / 64] |= bit;
        else
            g->mask[ids[i] / 64] &= ~bit;
    }
}

static bool is_empty(const struct guard *g)
{
    for (size_t i = 0; i < g->n_words; i++)
        if (g->mask[i])
            return false;
    return true;
}

/* The constraint's mask, and ends. False when no token may come. */
static bool make_mask(struct guard *g)
{
    const uint64_t *mask = chat_constraint_mask(g->constraint);
    const int32_t *ids;
    size_t n;

    if (!mask)
        return false;
    memcpy(g->mask, mask, g->n_words * sizeof *mask);
    ids = dialog_marks(g->dialog, &n);
    if (!chat_constraint_takes_marks(g->constraint))
        set_bits(g, ids, n, false);
    ids = dialog_ends(g->dialog, &n);
    set_bits(g, ids, n, chat_constraint_may_end(g->constraint));
    g->is_made = !is_empty(g);
    return g->is_made;
}

enum guard_state guard_state(const struct guard *g)
{
    return g->state;
}

enum guard_state guard_look(struct guard *g)
{
    if (g->state != GUARD_READY)
        g->state =
            make_mask(g) || !chat_constraint_goes_on(g->constraint) ? GUARD_READY : GUARD_SLOW;
    return g->state;
}

int guard_mask(struct guard *g, const uint64_t **out, struct err *err)
{
    if (!g->is_made && !make_mask(g))
        return chat_constraint_why(g->constraint, err);
    *out = g->mask;
    return 0;
}

int guard_take(struct guard *g, int32_t token, struct err *err)
{
    g->is_made = false;
    g->state = GUARD_NEW;
    buf_clear(&g->piece);
    if (dialog_bytes(g->dialog, token, &g->piece))
        return err_no_memory(err, TOKEN_MAX_BYTES, "a token's text");
    return chat_constraint_put(g->constraint, buf_str(&g->piece), g->piece.len, err);
}

bool guard_forgoes_calls(const struct guard *g)
{
    return chat_constraint_forgoes_calls(g->constraint);
}

bool guard_must_end(const struct guard *g)
{
    return chat_constraint_must_end(g->constraint);
}
