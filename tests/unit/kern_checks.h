/*
 * kern_checks.h - the list of checks of the kernels, for the two programs that run them. The checks
 * use no test library; each ends by CHECK or returns.
 */
#ifndef RBEE_TESTS_KERN_CHECKS_H
#define RBEE_TESTS_KERN_CHECKS_H

#include "kern_check_attend.h"

static inline void check_find(void)
{
    const struct kern *const *sets = kern_available();
    size_t n = 0;

    CHECK(kern_find(NULL) == sets[0] && kern_find("auto") == sets[0], "auto is not the best set");
    CHECK(kern_find("sse9") == NULL, "a set of no name was found");
    for (; sets[n]; n++)
        CHECK(kern_find(sets[n]->name) == sets[n], "%s is not found by name", sets[n]->name);
    CHECK(strcmp(sets[n - 1]->name, "ref") == 0, "ref is not the last set");
}

/* function, what it shows */
#define CHECK_LIST(X)                                                                              \
    X(check_find, find__by_name_and_best_first)                                                    \
    X(check_matmul_shapes, matmul__same_bits_as_ref_for_all_shapes)                                \
    X(check_matmul_contents, matmul__same_bits_as_ref_for_any_block_bytes)                         \
    X(check_matmul_extreme_levels, matmul__no_sum_overflows)                                       \
    X(check_matmul_is_near_double, matmul__near_the_sum_in_double)                                 \
    X(check_pack_is_no_larger, pack__is_as_large_as_the_file)                                      \
    X(check_get_row, get_row__near_the_weight_in_double)                                           \
    X(check_get_row_is_that_of_ggml, get_row__exactly_what_ggml_makes)                             \
    X(check_exp_is_within_two_ulp, exp__within_two_ulp)                                            \
    X(check_exp_at_its_ends, exp__at_its_ends)                                                     \
    X(check_exp, exp__same_as_ref)                                                                 \
    X(check_half_to_float, half__all_values_to_float)                                              \
    X(check_float_to_half, to_f16__nearest_even)                                                   \
    X(check_quantize_equals_ref, quantize__same_as_ref)                                            \
    X(check_quantize_is_near, quantize__within_half_a_step)                                        \
    X(check_quantize_known_groups, quantize__known_groups)                                         \
    X(check_rms_norm, rms_norm__same_as_ref_and_near_double)                                       \
    X(check_rope, rope__same_as_ref_and_near_double)                                               \
    X(check_silu_mul, silu_mul__same_as_ref_and_near_double)                                       \
    X(check_layer_norm, layer_norm__same_as_ref_and_near_double)                                   \
    X(check_gelu, gelu__same_as_ref_and_near_double)                                               \
    X(check_add, add__adds)                                                                        \
    X(check_attend, attend__same_as_ref_and_near_double)                                           \
    X(check_attend_blocks, attend__blocks_same_as_ref_and_near_double)                             \
    X(check_attend_pieces, attend__rows_alone_and_blocks_alone_give_the_same_bits)                 \
    X(check_attend_extreme_scores, attend__extreme_scores_as_ref)                                  \
    X(check_attend_poisoned_pages, attend__poisoned_pages_as_ref)

#endif
