/*
 * grammar_tokens.h - a small vocabulary for the targets of src/grammar: every byte, and a few
 * longer tokens of the target's own.
 */
#ifndef RBEE_FUZZ_GRAMMAR_TOKENS_H
#define RBEE_FUZZ_GRAMMAR_TOKENS_H

#include <stdint.h>
#include <string.h>

#include "grammar/grammar.h"

#define N_LONGER 6
#define N_TOKENS (256 + N_LONGER)

/* Fills `tokens`, whose texts are constants. */
static struct grammar_vocab *make_vocab(const char *const longer[N_LONGER],
                                        struct grammar_token tokens[N_TOKENS])
{
    static char bytes[256];
    struct grammar_vocab *v;
    struct err err;

    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
        tokens[i] = (struct grammar_token){&bytes[i], 1};
    }
    for (int i = 0; i < N_LONGER; i++)
        tokens[256 + i] = (struct grammar_token){longer[i], strlen(longer[i])};
    BUG_ON(grammar_vocab_create(tokens, N_TOKENS, &v, &err));
    return v;
}

#endif
