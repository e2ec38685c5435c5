/*
 * set.h - puts a set together from the headers before it. The last include of avx2.c, avx512.c and
 * neon.c, each of which has defined the lanes.
 */
#ifndef RBEE_ENGINE_KERN_SET_H
#define RBEE_ENGINE_KERN_SET_H

#include "engine/kern/unpack.h"
#include "engine/kern/panel.h"
#include "engine/kern/panel_k.h"
#include "engine/kern/gather.h"
#include "engine/kern/tile.h"
#include "engine/kern/product.h"
#include "engine/kern/floats.h"
#include "engine/kern/attend_scores.h"
#include "engine/kern/attend_values.h"
#include "engine/kern/attend.h"

static void set_matmul(const struct kern_mat *w, const struct kern_acts *x, float *y,
                       size_t y_stride, size_t row_begin, size_t row_end)
{
    if (unpack_is_quantised(w->type->type))
        product_quant(w, x, y, y_stride, row_begin, row_end);
    else
        float_matmul(w, x, y, y_stride, row_begin, row_end);
}

#define SET(set_name)                                                                              \
    {                                                                                              \
        .name = set_name, .quantize = float_quantize, .matmul = set_matmul, .pack = gather_pack,   \
        .get_row = kern_get_row, .rms_norm = float_rms_norm, .layer_norm = float_layer_norm,       \
        .rope = float_rope, .gelu = float_gelu, .silu_mul = float_silu_mul, .exp = float_exp_all,  \
        .add = float_add, .to_f16 = float_to_half, .attend = attend, .attend_block = attend_block, \
        .attend_join = attend_join,                                                                \
    }

#endif
