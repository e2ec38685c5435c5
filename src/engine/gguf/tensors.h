/* tensors.h - reads the tensor table of one part; for the files of this folder only. */
#ifndef RBEE_ENGINE_GGUF_TENSORS_H
#define RBEE_ENGINE_GGUF_TENSORS_H

#include "engine/gguf/view.h"

/*
 * Reads the n tensors that the cursor stands before and adds them to g->tensors, each with its
 * place checked against the part's size. The part's keys must have been read (general.alignment).
 */
void tensors_read(struct cursor *c, struct gguf *g, uint32_t part, uint32_t n);

/* Builds g->tensor_index once all parts are read. ERR_INVALID when a name is there twice. */
int tensors_index(struct gguf *g, struct err *err);

#endif
