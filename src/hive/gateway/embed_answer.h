/*
 * embed_answer.h - what a worker answers about texts: is it that? Pure; any thread.
 *
 * A worker is a process that has read a file of unknown hands; what it says of it reaches clients
 * only as what it should be. Vectors are looked at, and handed on, as the text they came as: values
 * of jansson's would be 48 bytes for each of their numbers, a million in an answer are usual, and
 * all streams of the hive would wait for a second until they were made and written again.
 */
#ifndef RBEE_HIVE_GATEWAY_EMBED_ANSWER_H
#define RBEE_HIVE_GATEWAY_EMBED_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct embed_vector {
    const char *text; /* "[number,number,...]" or a quoted text, in the answer's text */
    size_t n;         /* bytes of it */
};

struct embed_answer {
    struct embed_vector *vectors; /* owned; one or more */
    size_t n_vectors, n_dimensions;
    int64_t prompt_tokens;
};

/*
 * {"embeddings": [[number, ...], ...], "dimensions": N, "prompt_tokens": N}, and more if it likes:
 * vectors of that many numbers, each within a float, and none missing; or, for base64, texts of
 * the bytes of so many floats. `text` ends with a NUL behind its n bytes and has to last as long as
 * *out. ERR_INVALID when it is something else, ERR_NO_MEMORY.
 */
int embed_answer_read(const char *text, size_t n, bool base64, struct embed_answer *out);
void embed_answer_done(struct embed_answer *a);

/* Puts vector i as it came. */
int embed_answer_put(const struct embed_answer *a, size_t i, struct buf *out);

#endif
