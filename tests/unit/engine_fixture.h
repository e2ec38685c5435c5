/*
 * engine_fixture.h - four small models that between them have every tensor type and odd shape, and
 * what the tests of decoding do with them all the time.
 */
#ifndef RBEE_TESTS_ENGINE_FIXTURE_H
#define RBEE_TESTS_ENGINE_FIXTURE_H

#include "random_model.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define VOCAB    RANDOM_MODEL_VOCAB
#define N_TEXT   75 /* over two pages of KV and a bit */

extern const struct random_model odd_model;    /* llama, F32; nothing divides by 16 or 32 */
extern const struct random_model half_model;   /* qwen2, floats of 16 bits, tied, all biases */
extern const struct random_model simple_model; /* qwen2, types in blocks of 32, biases */
extern const struct random_model k_model;      /* llama, every type, tied */
extern const struct random_model *const fixture_models[4];

struct fixture {
    struct engine_model *m;
    struct engine *e;
};

void fixture_open(struct fixture *f, const struct random_model *d, const struct engine_params *p);
/* Four slots, batches of 160, two threads, the best kernels. */
void fixture_open_plain(struct fixture *f, const struct random_model *d);
void fixture_close(struct fixture *f);

/*
 * The names of the kernel sets, NULL at the end, as engine_kernel_sets has them. For the thread
 * sanitizer the reference alone: the others are not built for it, and it is slow.
 */
const char *const *fixture_kernel_sets(void);

void random_text(int32_t ids[N_TEXT], uint64_t seed);
int open_seq(struct engine *e);

/* Puts ids behind `seq` in chunks of at most `chunk`; every row's logits go to out (n, VOCAB). */
void decode(struct engine *e, int seq, const int32_t *ids, size_t n, size_t chunk, float *out);

/* What everything is held against: the reference kernels, one thread, one chunk, alone. */
void plain_logits(const struct random_model *d, const int32_t *ids, size_t n, float *out);

void assert_same_bits(const float *a, const float *b, size_t n_rows);

#endif
