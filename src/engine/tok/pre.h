/*
 * pre.h - cuts text into words before BPE merges inside each: pre-tokenisers by name.
 *
 * A pre-tokeniser is one or more patterns, taken as their models publish them. Each pattern cuts
 * every piece that the one before left into its matches and what lies between them; a piece is
 * looked at alone, without its neighbours. Bytes that are no UTF-8 are words of their own.
 * Patterns are compiled once (to machine code where the system allows that) and then immutable.
 */
#ifndef RBEE_ENGINE_TOK_PRE_H
#define RBEE_ENGINE_TOK_PRE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "engine/tok/tok.h"

#define PRE_MAX_STAGES 6

/* One row of the table of known pre-tokenisers. */
struct pre_def {
    const char *names;                  /* as in tokenizer.ggml.pre, with blanks between */
    bool whole_words;                   /* a word that is a token is not merged up from bytes */
    bool adds_bos;                      /* where the file does not say */
    const char *stages[PRE_MAX_STAGES]; /* ends with NULL */
};

/* pre_table.c: all rows; the last has no names. */
extern const struct pre_def pre_defs[];

struct pre {
    const struct pre_def *def;
    char *name; /* owned */
    pcre2_code *codes[PRE_MAX_STAGES];
    uint32_t n_stages;
};

/* Match memory, one thread's. Zeroed at first. */
struct pre_work {
    pcre2_match_data *match[PRE_MAX_STAGES];
};

/* ERR_UNSUPPORTED with the known names. pre_done frees whatever the outcome, given a zeroed struct.
 */
int pre_create(struct pre *p, struct gguf_str name, struct err *err);
void pre_done(struct pre *p);

/*
 * Gives each word, in order, to `word`; stops at its first return that is not 0 and returns that.
 * All words together are the whole text.
 */
int pre_split(const struct pre *p, struct pre_work *w, const char *text, size_t n,
              int (*word)(void *arg, const char *bytes, size_t n), void *arg, struct err *err);
void pre_work_done(struct pre_work *w);

#endif
