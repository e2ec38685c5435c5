/*
 * types.c - one table of the tensor types rbee computes with, one of the names of the others.
 *
 * Sizes come from the structs of types.h. Constant tables only: any thread may read them.
 * Source: the GGUF specification's list of tensor types (2023-2025).
 */
#include "engine/gguf/types.h"

#include <stddef.h>

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

static const struct type_info known[] = {
    {TYPE_F32, "F32", 1, sizeof(float)},
    {TYPE_F16, "F16", 1, sizeof(uint16_t)},
    {TYPE_Q4_0, "Q4_0", QK, sizeof(struct block_q4_0)},
    {TYPE_Q4_1, "Q4_1", QK, sizeof(struct block_q4_1)},
    {TYPE_Q5_0, "Q5_0", QK, sizeof(struct block_q5_0)},
    {TYPE_Q5_1, "Q5_1", QK, sizeof(struct block_q5_1)},
    {TYPE_Q8_0, "Q8_0", QK, sizeof(struct block_q8_0)},
    {TYPE_Q2_K, "Q2_K", QK_K, sizeof(struct block_q2_k)},
    {TYPE_Q3_K, "Q3_K", QK_K, sizeof(struct block_q3_k)},
    {TYPE_Q4_K, "Q4_K", QK_K, sizeof(struct block_q4_k)},
    {TYPE_Q5_K, "Q5_K", QK_K, sizeof(struct block_q5_k)},
    {TYPE_Q6_K, "Q6_K", QK_K, sizeof(struct block_q6_k)},
    {TYPE_IQ4_NL, "IQ4_NL", QK, sizeof(struct block_iq4_nl)},
    {TYPE_IQ4_XS, "IQ4_XS", QK_K, sizeof(struct block_iq4_xs)},
    {TYPE_BF16, "BF16", 1, sizeof(uint16_t)},
};

/* Public types that rbee can name but not compute. */
static const struct {
    uint32_t number;
    const char *name;
} named[] = {
    {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {21, "IQ3_S"}, {22, "IQ2_S"}, {24, "I8"},      {25, "I16"},    {26, "I32"},     {27, "I64"},
    {28, "F64"},   {29, "IQ1_M"}, {34, "TQ1_0"},   {35, "TQ2_0"},  {39, "MXFP4"},
};

const struct type_info *type_info(uint32_t number)
{
    for (size_t i = 0; i < N_OF(known); i++) {
        if ((uint32_t)known[i].type == number)
            return &known[i];
    }
    return NULL;
}

const char *type_public_name(uint32_t number)
{
    const struct type_info *info = type_info(number);

    if (info)
        return info->name;
    for (size_t i = 0; i < N_OF(named); i++) {
        if (named[i].number == number)
            return named[i].name;
    }
    return NULL;
}

const struct type_info *type_all(uint32_t *n_out)
{
    *n_out = N_OF(known);
    return known;
}
