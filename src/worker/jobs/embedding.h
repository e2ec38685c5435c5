/*
 * embedding.h - what an embedding job is about: its texts, on their way to vectors.
 *
 * Made by the loop's thread from a request's body, given tokens by the intake, and vectors, one
 * after another in the order of the texts, by the engine's thread. It belongs to its job.
 */
#ifndef RBEE_WORKER_JOBS_EMBEDDING_H
#define RBEE_WORKER_JOBS_EMBEDDING_H

#include <jansson.h>

#include "api/errors.h"
#include "base/buf.h"
#include "engine/engine.h"

#define EMBEDDING_MAX_INPUTS 2048
#define EMBEDDING_MAX_ANSWER (128u << 20) /* bytes of JSON; a connection holds twice as much */

struct intake_model;
struct job;

struct embedding_input {
    int32_t *tokens; /* owned */
    uint32_t n_tokens;
};

struct embedding {
    json_t *input; /* as it came: a text, ids, or an array of either; owned */
    enum engine_pooling pooling;
    bool normalize, by_model;       /* by_model: it is not `normalize` that counts, but the file */
    bool base64;                    /* vectors are put as that of their bytes */
    struct embedding_input *inputs; /* n_inputs, owned */
    uint32_t n_inputs, n_done;
    uint32_t n_planned; /* the next so many are in the pass at hand */
    uint64_t n_tokens;  /* of all inputs */
    struct buf answer;  /* JSON; the vectors that are done are in it */
};

/* From a body of POST /v1/embeddings. -1: *e says what is wrong with it. `model` goes into the
 * answer. */
int embedding_parse(const char *body, size_t n, const char *model, struct embedding **out,
                    struct api_error *e, const char *src);
/* Its input number i as it came, a text or ids. Borrowed. */
const json_t *embedding_input(const struct embedding *em, uint32_t i);
void embedding_free(struct embedding *em); /* NULL is fine */

/*
 * The intake's part. Fails a job that is of the wrong kind for the model (an inference of an
 * encoder, an embedding of anything else); true then.
 */
bool embedding_refuses(const struct intake_model *with, struct job *j);
/* Tokens for every input; a job whose inputs the model cannot take is failed, one that should end
 * meanwhile is ended. */
void embedding_take_in(const struct intake_model *with, struct job *j);

/* The next input's vector. */
void embedding_put(struct embedding *em, const float *vector, uint32_t n);
/* Of a job all of whose vectors are there: ends it with its answer. */
void embedding_finish(struct job *j, uint32_t n_embd);

#endif
