/*
 * writer.h - writes GGUF v3 files; for tests and tools, never in a serving process.
 *
 * Keys first, then tensors, then gguf_writer_finish writes everything to the path. Errors stick and
 * are reported by finish. Data is copied when added. One thread.
 */
#ifndef RBEE_ENGINE_GGUF_WRITER_H
#define RBEE_ENGINE_GGUF_WRITER_H

#include "engine/gguf/gguf.h"

struct gguf_writer;

int gguf_writer_create(struct gguf_writer **out, struct err *err);
void gguf_writer_free(struct gguf_writer *w);

void gguf_writer_u32(struct gguf_writer *w, const char *key, uint32_t v);
void gguf_writer_u64(struct gguf_writer *w, const char *key, uint64_t v);
void gguf_writer_f32(struct gguf_writer *w, const char *key, float v);
void gguf_writer_bool(struct gguf_writer *w, const char *key, bool v);
void gguf_writer_str(struct gguf_writer *w, const char *key, const char *v);
void gguf_writer_strs(struct gguf_writer *w, const char *key, const struct gguf_str *v, uint64_t n);
void gguf_writer_f32s(struct gguf_writer *w, const char *key, const float *v, uint64_t n);
void gguf_writer_i32s(struct gguf_writer *w, const char *key, const int32_t *v, uint64_t n);

/* dims[0] is the row length; `data` holds type_info(type) blocks, size_bytes in all. */
void gguf_writer_tensor(struct gguf_writer *w, const char *name, enum tensor_type type,
                        uint32_t n_dims, const uint64_t *dims, const void *data,
                        uint64_t size_bytes);

/* The finished file as bytes (free()), or written to a path. */
int gguf_writer_bytes(struct gguf_writer *w, uint8_t **out, size_t *n_out, struct err *err);
int gguf_writer_finish(struct gguf_writer *w, const char *path, struct err *err);

#endif
