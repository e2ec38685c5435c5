/*
 * constrain_grammars.h - the grammars of one request's answers: which there are follows from what
 * it asks for. Taken from the store, or made for it; immutable once made, and owned by whoever made
 * them.
 */
#ifndef RBEE_CHAT_CONSTRAIN_GRAMMARS_H
#define RBEE_CHAT_CONSTRAIN_GRAMMARS_H

#include <jansson.h>
#include <stddef.h>

#include "api/inference.h"
#include "base/err.h"
#include "chat/format.h"
#include "grammar/grammar.h"
#include "grammar/store.h"

struct constrain_grammars {
    const struct chat_format *format;
    json_t *tools;               /* owned; NULL where no call is constrained */
    struct grammar *thought;     /* NULL where none was opened */
    struct grammar *text;        /* NULL where there must be calls */
    struct grammar *head, *tail; /* NULL where there can be none; beside `text`: one of the two */
    struct grammar **args;       /* one a tool; NULL for those that cannot be called */
    size_t n_args;
};

/*
 * As chat_constraint_create has it. `g` is zeroed but for the format, and is to be given to
 * constrain_grammars_done after a failure, too.
 */
int constrain_grammars_make(struct constrain_grammars *g, const struct inference_request *r,
                            const struct chat_think *think, struct grammar_store *store,
                            const struct grammar_stop *stop, struct err *err);
void constrain_grammars_done(struct constrain_grammars *g);

/* What they take in memory; one that stands for several tools counts once. */
size_t constrain_grammars_bytes(const struct constrain_grammars *g);

#endif
