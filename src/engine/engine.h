/*
 * engine.h - all that anyone outside the engine sees of it.
 *
 * A *model* is what a GGUF file holds: read-only, mapped, shared. An *engine* is one user of a
 * model: a pool of KV pages, scratch, a team of threads. *Sequences* live in an engine; each is a
 * row of tokens whose keys and values lie in pages. One call decodes a *batch*: any mix of prefill
 * chunks and single tokens of different sequences, in one pass over the weights. Who is put into a
 * batch, and when, is the caller's business (a scheduler, a test, a benchmark).
 *
 * One numeric path: the logits of a row are the same bits whatever else is in the batch, in
 * whatever chunks the prompt came, with any number of threads and every kernel set (see
 * kern/kern.h).
 *
 * Threads: a model, once loaded, may be read by many. An engine belongs to one thread; only
 * engine_stop may be called from another. engine_decode and engine_embed allocate nothing and take
 * no lock.
 * Errors: 0 or a negative err_code, *err a sentence. Nothing here prints or exits.
 */
#ifndef RBEE_ENGINE_ENGINE_H
#define RBEE_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* ---- model ---------------------------------------------------------------------------------- */

struct engine_model;

/*
 * Opens a GGUF file (all parts of a split one), reads and checks its header, hyper-parameters,
 * every tensor the architecture needs (type and shape), and its tokenizer. No weight is read yet.
 * ERR_NOT_FOUND, ERR_IO, ERR_INVALID, ERR_UNSUPPORTED (what is supported is in the text),
 * ERR_LIMIT, ERR_NO_MEMORY. Free with engine_model_close, after the engines that use it.
 */
int engine_model_open(const char *path, struct engine_model **out, struct err *err);
/*
 * The files of a model, opened and not read: for a process that gives up the right to open files
 * before it reads one. ERR_NOT_FOUND, ERR_IO, ERR_LIMIT, ERR_NO_MEMORY. Close them whatever was
 * made of them; NULL is fine.
 */
struct gguf_files;
int engine_files_open(const char *path, struct gguf_files **out, struct err *err);
void engine_files_close(struct gguf_files *files);
/* engine_model_open of them, once; errors as there. */
int engine_model_open_files(struct gguf_files *files, struct engine_model **out, struct err *err);
/* The same from descriptors already open, one a part; they may be closed afterwards. */
int engine_model_open_fds(const int *fds, uint32_t n_fds, const char *name,
                          struct engine_model **out, struct err *err);
/*
 * A file that is overwritten in place shows in what was mapped, beside what was copied before: the
 * numbers are then of no model at all. 0 while the files are as they were when the model was
 * opened, as far as the system tells; else ERR_IO, and which is not. Some microseconds where their
 * file system answers, and as long as that takes where it does not; any thread.
 */
int engine_model_check(const struct engine_model *m, struct err *err);
void engine_model_close(struct engine_model *m);

/* What has truly been read of the weights so far. */
struct engine_load {
    uint32_t layers_loaded, layers_total; /* the embedding and output tensors count as one layer */
    uint64_t bytes_loaded, bytes_total;
};

/*
 * Reads the weights into memory, layer after layer, with a report after each; `progress` returns
 * false to stop (ERR_CANCELLED). A decode before this, or without it, works and reads on demand.
 */
int engine_model_load(struct engine_model *m,
                      bool (*progress)(void *arg, const struct engine_load *now), void *arg,
                      struct err *err);

struct engine_model_info {
    const char *architecture;  /* "llama", "qwen2", "bert", "nomic-bert" */
    const char *name;          /* general.name, or "" */
    const char *chat_template; /* NUL-terminated, or NULL when the file has none */
    const char *tool_template; /* the same of one that is for conversations with tools */
    const char *tokenizer;     /* "spm", "bpe", "wpm" */
    const char *pre_tokenizer; /* "llama-bpe"; "" but for BPE */
    bool lacks_pre_tokenizer;  /* the file names none, or "default": this one is a guess */
    const char *file_type;     /* "Q4_K" ...: the type that holds most of the weights */
    uint64_t file_bytes, weight_bytes, n_params;
    uint64_t token_bytes; /* of the weights, what a pass of one token reads (no embedding table) */
    uint32_t n_layers, n_embd, n_heads, n_kv_heads, head_dim, n_ff, n_vocab;
    uint32_t n_ctx_train;        /* context the model was trained for */
    uint64_t kv_bytes_per_token; /* as F16; 0 for an encoder */
    float rope_freq_base;
    uint32_t longest_token; /* bytes of text that one stands for at most; 0 = any number */
    bool embeds;            /* an encoder: engine_embed works, and engine_decode does not */
    const char *pooling;    /* of an encoder: "mean", "cls", "last"; else "" */
    bool raw_vectors;       /* of an encoder: Ollama's older route gives them as they are, not at
                               length 1 */
};
/* Nanoseconds that the parts of engine_model_open took. */
struct engine_open_times {
    uint64_t header_ns;    /* the file, its keys and its table of tensors */
    uint64_t weights_ns;   /* shape and tensors; no weights but norms and biases are read */
    uint64_t tokenizer_ns; /* and the file's texts */
};
void engine_model_open_times(const struct engine_model *m, struct engine_open_times *out);

/* Pointers in it belong to the model. */
void engine_model_info(const struct engine_model *m, struct engine_model_info *out);

/*
 * Bytes an engine can come to use: KV pages for n_slots sequences of n_ctx with their tables, and
 * scratch with logits of one row a sequence, but of ENGINE_LOGIT_ROWS at least. n_ctx and n_batch 0
 * are as in engine_params; keys and values are F16. UINT64_MAX when it overflows. Samplers are the
 * caller's: see engine_sampler_need.
 */
#define ENGINE_LOGIT_ROWS 32
uint64_t engine_memory_need(const struct engine_model *m, uint32_t n_slots, uint32_t n_ctx,
                            uint32_t n_batch);

/*
 * What `inspect` prints, as one JSON object of text put to `out`: format version, architecture,
 * every size above, tensor types with counts and bytes, context, KV bytes per token, template, and
 * "supported" with the reason when not. Works on files whose architecture or types cannot be run.
 */
int engine_inspect(const char *path, struct buf *out, struct err *err);
int engine_inspect_files(struct gguf_files *files, struct buf *out, struct err *err);

/* ---- text and tokens ------------------------------------------------------------------------- */

/* Where the model's file asks for them: BOS before a text. EOS behind it has no place in a prompt:
 * an answer would begin behind the end. */
enum {
    ENGINE_ADD_BOS = 1,       /* for prompts */
    ENGINE_PARSE_SPECIAL = 2, /* text that spells a control token becomes that token */
    ENGINE_ADD_SPECIAL = 5    /* BOS and EOS, for texts that are whole: those of encoders */
};

/* Asked every few thousand steps, by the thread that tokenizes: true ends that with ERR_CANCELLED.
 */
struct engine_text_stop {
    bool (*is_asked)(void *arg);
    void *arg;
};

/* *ids is malloc'ed. Any thread. 15 MB take seconds; `stop` NULL: nobody asks for an end.
 * ERR_NO_MEMORY, ERR_LIMIT, ERR_CANCELLED (stop). */
int engine_tokenize(const struct engine_model *m, const char *text, size_t n_bytes, unsigned flags,
                    const struct engine_text_stop *stop, int32_t **ids, size_t *n_ids,
                    struct err *err);
/* Where there are more than `most`, *n_ids is any number past that: what else the text has may not
 * have been looked at (tok_encode_most). */
int engine_tokenize_most(const struct engine_model *m, const char *text, size_t n_bytes,
                         unsigned flags, size_t most, const struct engine_text_stop *stop,
                         int32_t **ids, size_t *n_ids, struct err *err);

/* Ends a generation (EOS, end of turn). */
bool engine_is_eog(const struct engine_model *m, int32_t id);
int32_t engine_token_bos(const struct engine_model *m); /* -1 when there is none */
int32_t engine_token_eos(const struct engine_model *m);

/*
 * The bytes of one token behind others (a word keeps its blank): what it adds to a text, perhaps a
 * part of a character. Control tokens are nothing, or as they are spelled when `special`. 0, or -1
 * when `out` is full.
 */
int engine_token_bytes(const struct engine_model *m, int32_t id, bool special, struct buf *out);
/* Control tokens: not a part of any text. */
bool engine_token_is_control(const struct engine_model *m, int32_t id);

/* Decoding as a stream; never gives a part of a UTF-8 character. */
struct engine_detok;
int engine_detok_create(const struct engine_model *m, bool special, bool strip_blank,
                        struct engine_detok **out, struct err *err);
int engine_detok_put(struct engine_detok *d, int32_t id, struct buf *out); /* 0, -1 out is full */
/* What was held back, each byte as U+FFFD; an answer that ends within a character does without it.
 */
int engine_detok_end(struct engine_detok *d, struct buf *out);
void engine_detok_free(struct engine_detok *d);

/* A tokenizer alone, also from a vocabulary-only file (the tokenize/detokenize commands). */
struct engine_vocab;
int engine_vocab_open_files(struct gguf_files *files, struct engine_vocab **out, struct err *err);
void engine_vocab_close(struct engine_vocab *v);
int engine_vocab_tokenize(const struct engine_vocab *v, const char *text, size_t n_bytes,
                          unsigned flags, int32_t **ids, size_t *n_ids, struct err *err);
/* Ids out of range are ERR_INVALID. */
int engine_vocab_detokenize(const struct engine_vocab *v, const int32_t *ids, size_t n_ids,
                            bool special, struct buf *out, struct err *err);

/* ---- engine and sequences -------------------------------------------------------------------- */

struct engine;

/* How keys and values are kept. Q8_0: 8 bits and a float scale for 32; head_dim a multiple of 32.
 */
enum engine_kv { ENGINE_KV_F16, ENGINE_KV_Q8_0 };

struct engine_params {
    uint32_t n_slots;   /* sequences at once, 1..ENGINE_MAX_SLOTS */
    uint32_t n_ctx;     /* positions of a sequence, at most what the model was trained for;
                         * 0 = that, capped by ENGINE_DEFAULT_CTX */
    uint32_t n_batch;   /* most tokens in one batch; 0 = ENGINE_DEFAULT_BATCH; an encoder's has at
                         * least n_ctx, for a text goes through it in one piece */
    unsigned n_threads; /* 0 = the CPUs this process may use */
    const char
        *kernels;  /* "ref", "avx2", "avxvnni", "avx512", "neon"; NULL or "auto" = the best here */
    bool in_place; /* never pack the weights: engine_tune then has nothing to do */
    bool keep_prefixes; /* pages of closed sequences stay for engine_seq_reuse */
    enum engine_kv kv_type;
};
#define ENGINE_MAX_SLOTS     256
#define ENGINE_DEFAULT_CTX   4096
#define ENGINE_DEFAULT_BATCH 256
#define ENGINE_PAGE_TOKENS   32 /* positions in a KV page */

/*
 * ERR_INVALID for parameters out of range, ERR_UNSUPPORTED for a kernel set that is not here or a
 * kv_type the model's heads do not fit, ERR_NO_MEMORY with the number of bytes. The model must
 * outlive the engine.
 */
int engine_create(const struct engine_model *m, const struct engine_params *params,
                  struct engine **out, struct err *err);
void engine_free(struct engine *e);

uint32_t engine_n_ctx(const struct engine *e);
uint32_t engine_n_batch(const struct engine *e);
uint32_t engine_n_vocab(const struct engine *e);
uint32_t engine_n_slots(const struct engine *e);
unsigned engine_n_threads(const struct engine *e);
const char *engine_kernels(const struct engine *e);
const struct engine_model *engine_get_model(const struct engine *e);

/* An empty sequence: its id (0..n_slots-1), or ERR_BUSY when all are taken; ERR_UNSUPPORTED for an
 * encoder. */
int engine_seq_open(struct engine *e, struct err *err);
/*
 * Lengthens a sequence that holds tokens[0..length-1] by what is kept of tokens up to tokens[n-1],
 * as if they had been decoded, with the same bits: what closed sequences held as far as the pool
 * had room, and whole pages of open ones. Its length then. With keep_prefixes only; else it stays
 * as it is. Tokens are compared, so a wrong beginning is never taken.
 */
uint32_t engine_seq_reuse(struct engine *e, int seq, const int32_t *tokens, uint32_t n);
/* Gives the sequence and its pages back. */
void engine_seq_close(struct engine *e, int seq);
/*
 * A new sequence with the first n_tokens of `seq` as its beginning: whole pages are shared by
 * reference, a page begun is copied. Its id, or ERR_BUSY.
 */
int engine_seq_fork(struct engine *e, int seq, uint32_t n_tokens, struct err *err);
/* Forgets everything from position n_tokens on. */
void engine_seq_truncate(struct engine *e, int seq, uint32_t n_tokens);
uint32_t engine_seq_len(const struct engine *e, int seq);

/* One token to decode. A sequence's rows follow each other; positions are implied by its length. */
struct engine_row {
    int32_t token;
    int seq;
    bool want_logits;
};

/*
 * One pass over the weights for n_rows (1..n_batch) rows; sequences grow by their rows. On failure
 * no sequence has grown: ERR_INVALID (unknown token or sequence), ERR_LIMIT (a sequence would pass
 * n_ctx; both numbers), ERR_CANCELLED (engine_stop), ERR_IO (the file was cut short before its
 * weights were first read).
 */
int engine_decode(struct engine *e, const struct engine_row *rows, uint32_t n_rows,
                  struct err *err);

/* ---- embeddings ------------------------------------------------------------------------------ */

/* How the rows of a text become one vector; MODEL is as the model's file says, else the mean. */
enum engine_pooling { ENGINE_POOL_MODEL, ENGINE_POOL_MEAN, ENGINE_POOL_CLS, ENGINE_POOL_LAST };

struct engine_text {
    const int32_t *tokens; /* n of them, 1..n_ctx; [CLS] and [SEP] included (ENGINE_ADD_SPECIAL) */
    uint32_t n;
    enum engine_pooling pooling;
    bool normalize; /* to length 1 */
    float *out;     /* n_embd floats */
};

/* Texts in one pass, at most. */
#define ENGINE_EMBED_TEXTS 64

/*
 * One pass of whole texts through an encoder; together they have at most engine_n_batch tokens. A
 * text's vector is the same bits alone and among others. ERR_UNSUPPORTED for a model that generates
 * text, ERR_INVALID (unknown token; too many texts or tokens in all), ERR_LIMIT (a text is longer
 * than n_ctx; both numbers), ERR_CANCELLED and ERR_IO as engine_decode. On failure no `out` counts.
 */
int engine_embed(struct engine *e, const struct engine_text *texts, uint32_t n_texts,
                 struct err *err);

/* ---- both ------------------------------------------------------------------------------------ */

/*
 * Does a little of what makes later batches faster, at most some tens of milliseconds; false when
 * nothing is left to do. It packs the weights (model/packs.h): batches of few rows come to run two
 * to three times as fast, and results stay the same bits. To be called between batches: when there
 * is nothing else to do, and now and then when there is.
 */
bool engine_tune(struct engine *e);
/* It would pack the weights, and there is no room for that: all works, and stays slower. */
bool engine_is_unpacked(const struct engine *e);

/* n_vocab logits of row i of the last batch, which must have asked for them; until the next one. */
const float *engine_logits(const struct engine *e, uint32_t i);

/* Counts layers computed since creation; may be read from any thread (stuck told from slow). */
uint64_t engine_steps(const struct engine *e);

/*
 * From any thread or a signal handler: the running decode ends after the layer at hand with
 * ERR_CANCELLED. When none is running, or it was past its last layer, the next one ends so; that
 * one may simply be asked for again.
 */
void engine_stop(struct engine *e);

/*
 * Who is asked before each layer of a batch, in the engine's own thread, whether anybody wants its
 * rows still: with true the batch ends there, with ERR_CANCELLED. NULL, as at first: nobody.
 */
void engine_ask_whether_in_vain(struct engine *e, bool (*in_vain)(void *arg), void *arg);

/* ---- sampler ------------------------------------------------------------- */

/* Added to a token's logit; ids are in the vocabulary. */
struct engine_bias {
    int32_t id;
    float bias;
};

/*
 * Order: repetition penalty over the last `repeat_last_n` tokens; frequency and presence penalty
 * over the answer's tokens (OpenAI's: a token that came c > 0 times loses c * frequency +
 * presence); bias; mask; then (temperature 0: the largest logit, the lowest id among equals)
 * temperature, top_k, top_p, min_p, and a draw. The generator is seeded and its own: same logits,
 * same seed, same tokens, on every machine.
 */
struct engine_sampling {
    float temperature;              /* 0..2; 0 = greedy */
    float top_p;                    /* 0..1; 1 = off */
    uint32_t top_k;                 /* 0 = off */
    float min_p;                    /* 0..1; 0 = off */
    float repetition_penalty;       /* 0 < p <= 2; 1 = off; 0 is treated as 1 */
    uint32_t repeat_last_n;         /* window of the penalty */
    float presence_penalty;         /* -2..2; 0 = off */
    float frequency_penalty;        /* -2..2; 0 = off */
    const struct engine_bias *bias; /* n_bias of them; need not outlive the sampler's creation */
    uint32_t n_bias;
    bool masked; /* engine_sampler_next_masked will be used */
    uint64_t seed;
};
/* 0.8, 0.95, 40, 0.05, 1.0, 64, seed 0, nothing else */
struct engine_sampling engine_sampling_default(void);

struct engine_sampler;
int engine_sampler_create(const struct engine_model *m, const struct engine_sampling *how,
                          struct engine_sampler **out, struct err *err);
void engine_sampler_free(struct engine_sampler *s);
/* Bytes that a sampler takes at most, whatever it is asked for: 20 for each token of the vocabulary
 * and a window as engine_sampling_default has it, but no biases. */
uint64_t engine_sampler_need(const struct engine_model *m);
/* The prompt's tokens count for the penalty, too. */
void engine_sampler_accept(struct engine_sampler *s, int32_t token);
/* Draws (and accepts) the next token from n_vocab logits. */
int32_t engine_sampler_next(struct engine_sampler *s, const float *logits);
/*
 * The same among the tokens of a mask: bit (id % 64) of word id / 64, at least one of them set.
 * With all bits set it is the same token as without a mask.
 */
int32_t engine_sampler_next_masked(struct engine_sampler *s, const float *logits,
                                   const uint64_t *mask);

/* ---- what this build and this CPU have ----------------------------------- */

/*
 * CPUs this process may use: its affinity, and the quota of its control group as it was at the
 * first call. That reads files of the kernel's; call it before the right to is given up.
 */
unsigned engine_usable_cpus(void);

/* Names of the kernel sets that can run here, best first, NULL behind the last. */
const char *const *engine_kernel_sets(void);

#endif
