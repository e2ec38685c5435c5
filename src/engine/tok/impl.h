/*
 * impl.h - what a tokenizer is made of, and the functions its files share; for this folder only.
 */
#ifndef RBEE_ENGINE_TOK_IMPL_H
#define RBEE_ENGINE_TOK_IMPL_H

#include "engine/tok/bpe.h"
#include "engine/tok/ids.h"
#include "engine/tok/merge.h"
#include "engine/tok/pre.h"
#include "engine/tok/special.h"
#include "engine/tok/steps.h"
#include "engine/tok/vocab.h"
#include "engine/tok/wpm_chars.h"

#define SPM_BLANK       "\xE2\x96\x81" /* U+2581, spells a blank */
#define SPM_BLANK_BYTES 3

enum tok_model { TOK_SPM, TOK_BPE, TOK_WPM };

struct tok {
    enum tok_model model;
    struct vocab vocab;
    struct specials specials;
    int32_t byte_ids[256]; /* the token of each byte alone, or TOK_NONE */
    uint8_t *eog;          /* one a token: ends a generation */

    uint32_t *ranks;        /* SPM: a token's rank by its score, the highest first */
    struct merges merges;   /* BPE */
    struct pre pre;         /* BPE */
    bool lacks_pre;         /* BPE: the file names none, or "default" */
    struct wpm_rules rules; /* WPM */

    int32_t bos, eos, unk;
    bool adds_bos, adds_eos;
    bool adds_blank; /* SPM: a blank before a text, and after each special token; WPM: before words
                      */
};

/* Memory of one tok_encode, kept from fragment to fragment. */
struct encode_work {
    struct merge_work merge;
    struct pre_work pre;
    struct steps steps;
    char *text; /* SPM's text with blanks spelled out; BPE's word in the printable alphabet */
    size_t cap_text;
};

/* Makes w->text hold n bytes; -1 when out of memory. */
int encode_room(struct encode_work *w, size_t n);
/* Says why an encoding ends without its tokens: it was to (ERR_CANCELLED), else as err_no_memory.
 */
int encode_failed(int rc, size_t size_bytes, const char *what, struct err *err);

/* Reads scores and finds byte tokens. */
int spm_read(struct tok *t, const struct gguf *g, struct err *err);

/* Encodes one stretch of plain text, with SPM's blank before it if asked. */
int spm_encode(const struct tok *t, struct encode_work *w, const char *text, size_t n, bool blank,
               struct ids *ids, struct err *err);

/* Reads merges and the pre-tokeniser. */
int bpe_read(struct tok *t, const struct gguf *g, struct err *err);
int bpe_encode(const struct tok *t, struct encode_work *w, const char *text, size_t n,
               struct ids *ids, struct err *err);

/* The ids that end a generation, by key and by text; of words with such a text it makes control
 * tokens. */
int ends_read(struct tok *t, const struct gguf *g, struct err *err);

/* Reads which tokens stand around a text and for the unknown, and how characters are changed. */
int wpm_read(struct tok *t, const struct gguf *g, struct err *err);
int wpm_encode(const struct tok *t, struct encode_work *w, const char *text, size_t n,
               struct ids *ids, struct err *err);

/* The id under a key; TOK_NONE when it is absent, or all ones, the "none" of old converters. */
int tok_read_id(const struct tok *t, const struct gguf *g, const char *key, int32_t *out,
                struct err *err);
/* The flag under a key; *out stays as it is when it is absent. */
int tok_read_flag(const struct gguf *g, const char *key, bool *out, struct err *err);

/* Kinds that plain text may become; control, byte and unknown tokens are never spelled by merging.
 */
static inline bool tok_is_text(const struct tok *t, int32_t id)
{
    uint8_t kind = t->vocab.kinds[id];

    return kind == TOK_NORMAL || kind == TOK_USER_DEFINED || kind == TOK_UNUSED;
}

#endif
