/*
 * vocab.h - the tokens of a model: their texts, their kinds, and a hash from text to id.
 *
 * The bytes of the texts stay in the file's mapping. The hash is seeded anew for each vocabulary,
 * so that no file can be made whose tokens all collide. Immutable once read.
 */
#ifndef RBEE_ENGINE_TOK_VOCAB_H
#define RBEE_ENGINE_TOK_VOCAB_H

#include "engine/tok/tok.h"

/* Short texts are compared in the table itself; long ones by hash first, then in the mapping. */
struct vocab_slot {
    uint64_t key; /* the text of up to 8 bytes, zero-filled; of longer ones a hash */
    uint32_t len;
    int32_t id; /* TOK_NONE: free */
};

struct vocab {
    uint32_t n;
    uint32_t max_bytes; /* of the longest token */
    uint64_t seed;
    struct gguf_str *texts;   /* in the mapping */
    uint8_t *kinds;           /* enum tok_kind */
    bool kinds_given;         /* the file has kinds; else all are TOK_NORMAL */
    struct vocab_slot *slots; /* a power of two, at least 3/2 of the tokens */
    uint64_t slot_mask;
};

/*
 * Reads tokenizer.ggml.tokens and .token_type. ERR_INVALID when lengths disagree, a kind is unknown
 * or a text is there twice (empty texts are possible and never found); ERR_LIMIT. vocab_done frees,
 * whatever the outcome, given a zeroed struct.
 */
int vocab_read(struct vocab *v, const struct gguf *g, struct err *err);
void vocab_done(struct vocab *v);

uint64_t vocab_memory_bytes(const struct vocab *v);

/* The id with exactly this text, or TOK_NONE. */
int32_t vocab_find(const struct vocab *v, const char *bytes, size_t n);

/*
 * Fetches what finding this text will read; for loops that know what they will look for VOCAB_AHEAD
 * steps later. The tables are larger than the caches, and most of a load's time is waiting for
 * them.
 */
#define VOCAB_AHEAD 8
void vocab_expect(const struct vocab *v, const char *bytes, size_t n);

/* Slots for a table of n entries: a power of two, at least 3/2 n. */
uint64_t vocab_table_size(uint64_t n);

/* Mixes a number into 64 bits by a seed, for the tables of this folder. */
uint64_t vocab_mix(uint64_t number, uint64_t seed);

#endif
