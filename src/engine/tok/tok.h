/*
 * tok.h - text to token ids and back, as the model's own file defines it.
 *
 * Three algorithms: SPM (tokenizer.ggml.model "llama": greedy merges by score, byte fallback),
 * byte-level BPE ("gpt2": a pre-tokeniser pattern cuts the text into words, merges by rank inside
 * each) and WordPiece ("bert": words cut into the longest pieces, from the left). A tokenizer is
 * built from a GGUF's metadata, is immutable afterwards and may be used by any number of threads;
 * encoding allocates its own scratch.
 *
 * Everything in the file is checked: array lengths agree, ids in range, merges name known tokens.
 * Limits: TOK_MAX_VOCAB tokens, TOK_MAX_TOKEN_BYTES a token, TOK_MAX_TOKEN_MERGES; encoding is O(n
 * log n) in the text (WordPiece: linear, with a word's length as the factor, which it bounds).
 */
#ifndef RBEE_ENGINE_TOK_TOK_H
#define RBEE_ENGINE_TOK_TOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/gguf/gguf.h"

#define TOK_MAX_VOCAB         (2u << 20)
#define TOK_MAX_TOKEN_BYTES   4096
#define TOK_MAX_SPECIAL_BYTES 128  /* each place of a text looks for all special ones */
#define TOK_MAX_TOKEN_MERGES  64   /* merges for each token; published files have 1 to 3 */
#define TOK_NONE              (-1) /* no such token */

/* The numbers are those of tokenizer.ggml.token_type. */
enum tok_kind {
    TOK_NORMAL = 1,
    TOK_UNKNOWN = 2,
    TOK_CONTROL = 3,
    TOK_USER_DEFINED = 4,
    TOK_UNUSED = 5,
    TOK_BYTE = 6
};

struct tok;

/*
 * Builds a tokenizer. ERR_UNSUPPORTED names an unknown model or pre-tokeniser and lists the known
 * ones; ERR_INVALID names the key at fault. `g` must outlive the tokenizer. Free with tok_free.
 */
int tok_create(const struct gguf *g, struct tok **out, struct err *err);
void tok_free(struct tok *t);

uint32_t tok_n_vocab(const struct tok *t);
/* Bytes of memory that its tables take. */
uint64_t tok_memory_bytes(const struct tok *t);
/* Bytes of text that one token stands for at most; 0 = any number (WPM's unknown words, bytes that
 * a vocabulary has no token for and leaves out). */
uint32_t tok_longest(const struct tok *t);
const char *tok_model_name(const struct tok *t); /* "spm", "bpe" or "wpm" */
const char *tok_pre_name(const struct tok *t);   /* "llama-bpe"; "" but for BPE */
/* BPE: the file names none, or "default", and that one is a guess, as llama.cpp makes it. */
bool tok_lacks_pre(const struct tok *t);

/* Each TOK_NONE when the file names none; WPM's are [CLS] and [SEP], SPM's 1, 2 and 0 where the
 * file has no key for it. */
int32_t tok_bos(const struct tok *t);
int32_t tok_eos(const struct tok *t);
int32_t tok_unk(const struct tok *t);
bool tok_adds_bos(const struct tok *t); /* the file's flag, or its model's custom */
bool tok_adds_eos(const struct tok *t);

/*
 * Ends a generation: EOS, and whatever else the file marks as an end of turn
 * (tokenizer.ggml.eot_token_id, and control tokens with a known end-of-turn text).
 */
bool tok_is_eog(const struct tok *t, int32_t id);

enum tok_kind tok_kind(const struct tok *t, int32_t id);

/* The token as the vocabulary spells it; in the mapping, not NUL-terminated. */
struct gguf_str tok_text(const struct tok *t, int32_t id);

/* The id spelled exactly so, or TOK_NONE. */
int32_t tok_find(const struct tok *t, const char *bytes, size_t n);

enum {
    TOK_ADD_BOS = 1,       /* BOS before, where the file's flag asks for it: a text to go on from */
    TOK_PARSE_SPECIAL = 2, /* text that spells a control token becomes that token; else it never
                              does (user-defined tokens are always taken whole) */
    TOK_ADD_EOS = 4,       /* EOS behind, where the file's flag asks for it */
    TOK_ADD_SPECIAL = TOK_ADD_BOS | TOK_ADD_EOS /* a text that is whole */
};

/*
 * Encodes n bytes (any bytes; no NUL needed). *ids is malloc'ed (free()), *n_ids its count; an
 * empty text gives what TOK_ADD_SPECIAL adds. Bytes that are no UTF-8 are encoded as they are (WPM:
 * dropped). What a vocabulary has no token for becomes its unknown token, or nothing when it has
 * none. ERR_NO_MEMORY, or ERR_LIMIT past INT32_MAX bytes.
 */
int tok_encode(const struct tok *t, const char *text, size_t n, unsigned flags, int32_t **ids,
               size_t *n_ids, struct err *err);

/* Asked every few thousand steps, by the thread that encodes: true ends that with ERR_CANCELLED. */
struct tok_stop {
    bool (*is_asked)(void *arg);
    void *arg;
};

/*
 * The same for texts that may be long: 15 MB take seconds. When there are more tokens than `most`
 * (SIZE_MAX: all are wanted) it need not find them all: *n_ids is then any number past that, and of
 * a long text WPM and BPE have looked at no more than it took. SPM joins the whole of it first; see
 * tok_longest. `stop` NULL: nobody asks for an end.
 */
int tok_encode_most(const struct tok *t, const char *text, size_t n, unsigned flags, size_t most,
                    const struct tok_stop *stop, int32_t **ids, size_t *n_ids, struct err *err);

/*
 * The bytes of one token put to `out`: byte tokens as their byte, "▁" as a blank, BPE's printable
 * forms as the bytes they stand for; control tokens as nothing unless `special`. Returns 0, or -1
 * when `out` is full. An id out of range is a BUG.
 */
int tok_piece(const struct tok *t, int32_t id, bool special, struct buf *out);

/*
 * Decoding as a stream: bytes are held back only until they end a UTF-8 character. What comes out
 * is always well-formed: a byte that can become no character is U+FFFD. SPM's blank that encoding
 * put before a text is taken off the first piece when `strip_blank`; a stream that goes on from a
 * prompt does not want that.
 */
struct tok_stream {
    const struct tok *tok;
    bool special;
    bool strip_blank;
    char held[8];
    size_t n_held;
};
void tok_stream_init(struct tok_stream *s, const struct tok *t, bool special, bool strip_blank);
/* Both return 0, or -1 when `out` is full. */
int tok_stream_put(struct tok_stream *s, int32_t id, struct buf *out);
/* Gives what is still held, each byte as U+FFFD: for bytes that something else follows. A text that
 * is cut off ends without it, for all that is held is the beginning of a character. */
int tok_stream_end(struct tok_stream *s, struct buf *out);

#endif
