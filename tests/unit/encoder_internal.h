/* encoder_internal.h - what encoder_model.c and encoder_reference.c share. */
#ifndef RBEE_TESTS_ENCODER_INTERNAL_H
#define RBEE_TESTS_ENCODER_INTERNAL_H

#include <stddef.h>

#include "encoder_model.h"

#define ENCODER_TYPES     2
#define ENCODER_EPS       1e-6f
#define ENCODER_ROPE_BASE 1000.0f

/* The file's bytes (free()). */
void encoder_model_bytes(const struct encoder_model *d, uint8_t **bytes, size_t *n_bytes);

#endif
