/* quant.h - the names of quantisations as they stand in the names of GGUF files. Pure. */
#ifndef RBEE_HIVE_CATALOG_QUANT_H
#define RBEE_HIVE_CATALOG_QUANT_H

#include <stdbool.h>
#include <stddef.h>

#define QUANT_NAME_BYTES 32
#define QUANT_DEFAULT    "Q4_K_M"

/*
 * The quantisation that a file's name tells, upper case: "Q4_K_M" of "x.Q4_K_M.gguf" and of
 * "x-q4_k_m-00001-of-00002.gguf", "UD-Q4_K_XL" of "x-UD-Q4_K_XL.gguf", "Q4" of "x-q4.gguf". False
 * when it tells none.
 */
bool quant_of_name(const char *file_name, char dst[QUANT_NAME_BYTES]);

/*
 * "x-00001-of-00003.gguf": its number, how many there are, and how many bytes stand before that.
 * False when the name is none of a split model.
 */
bool quant_split_of_name(const char *file_name, unsigned *number, unsigned *count, size_t *stem);

/* Bits a weight takes on average in files of this quantisation; 0 when it is not one that the
 * engine reads. */
double quant_bits(const char *quant);

/* A model's file by its name: the last part of it ends in ".gguf", case ignored, and is more. What
 * rbee puts anywhere for a client is called so: no other program takes such a file for its own. */
bool quant_is_gguf(const char *file_name);

/* No model, but what belongs to one: a projector of images, an importance matrix. */
bool quant_is_beside(const char *file_name);

#endif
