/* plan.c - see plan.h. Pure arithmetic, checked: every number comes from a file or a request. */
#include "hive/workers/plan.h"

#include "base/str.h"

static bool mul3(uint64_t a, uint64_t b, uint64_t c, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out) && !__builtin_mul_overflow(*out, c, out);
}

/* To compute in: more for each slot but the first, each whose logits are not in that, and each
 * position past the default. */
static bool scratch_of(const struct model_facts *facts, const struct plan_need *n, uint64_t *out)
{
    uint64_t more_slots = n->slots - 1, slots, logits, positions;
    uint64_t more_rows = n->slots > PLAN_LOGIT_ROWS ? n->slots - PLAN_LOGIT_ROWS : 0;
    uint64_t more_ctx = n->ctx > PLAN_DEFAULT_CTX ? n->ctx - PLAN_DEFAULT_CTX : 0;

    return !__builtin_mul_overflow(facts->scratch_bytes_per_slot, more_slots, &slots) &&
           !__builtin_mul_overflow(facts->logits_bytes_per_slot, more_rows, &logits) &&
           !__builtin_add_overflow(slots, logits, &slots) &&
           !__builtin_mul_overflow(facts->scratch_bytes_per_position, more_ctx, &positions) &&
           !__builtin_add_overflow(facts->scratch_bytes, slots, out) &&
           !__builtin_add_overflow(*out, positions, out);
}

/* The tensors, what they take more once they are packed, and the tables of the header. */
static bool weights_of(const struct model_facts *facts, uint64_t *out)
{
    return !__builtin_add_overflow(facts->weight_bytes, facts->packing_bytes, out) &&
           !__builtin_add_overflow(*out, facts->tables_bytes, out);
}

/* Keys and values of all slots, with the tables of their pages. */
static bool kv_of(const struct model_facts *facts, const struct plan_need *n, bool q8_0,
                  uint64_t *out)
{
    uint64_t kv = q8_0 ? facts->kv_bytes_per_token_q8_0 : facts->kv_bytes_per_token;

    return !__builtin_add_overflow(kv, facts->kv_table_bytes_per_token, &kv) &&
           mul3(kv, n->ctx, n->slots, out);
}

int plan_memory(const struct model_facts *facts, uint64_t slots, uint64_t ctx, bool kv_q8_0,
                struct plan_need *out, struct err *err)
{
    struct plan_need n = {.slots = slots, .ctx = ctx};

    if (n.slots == 0)
        n.slots = PLAN_DEFAULT_SLOTS;
    if (n.ctx == 0)
        n.ctx = facts->context_length && facts->context_length < PLAN_DEFAULT_CTX
                    ? facts->context_length
                    : PLAN_DEFAULT_CTX;
    if (kv_q8_0 && facts->kv_bytes_per_token > 0 && facts->kv_bytes_per_token_q8_0 == 0)
        return err_set(
            err, ERR_UNSUPPORTED,
            "[hive] kv_type is q8_0, which needs heads of a multiple of 32, and those of "
            "this model are of another size: with kv_type = f16 it runs");
    if (!weights_of(facts, &n.weight_bytes) || !kv_of(facts, &n, kv_q8_0, &n.kv_bytes) ||
        !scratch_of(facts, &n, &n.scratch_bytes) ||
        __builtin_add_overflow(n.weight_bytes, n.kv_bytes, &n.total_bytes) ||
        __builtin_add_overflow(n.total_bytes, n.scratch_bytes, &n.total_bytes))
        return err_set(err, ERR_LIMIT,
                       "the memory needed for %llu slots of %llu positions is more than 64 bits "
                       "can count",
                       (unsigned long long)n.slots, (unsigned long long)n.ctx);
    *out = n;
    return 0;
}

uint64_t plan_rough(uint64_t file_bytes)
{
    uint64_t sum;

    if (__builtin_add_overflow(file_bytes, file_bytes / 4, &sum) ||
        __builtin_add_overflow(sum, (uint64_t)PLAN_ROUGH_BYTES, &sum))
        return UINT64_MAX;
    return sum;
}

int plan_fits(const struct plan_need *need, uint64_t free_bytes, struct err *err)
{
    char total[32], weights[32], kv[32], scratch[32], have[32];

    if (need->total_bytes <= free_bytes)
        return 0;
    return err_set(err, ERR_NO_MEMORY,
                   "the model needs %s of memory (%s weights, %s for %llu slots of %llu positions, "
                   "%s to compute in), %s are free",
                   str_human_bytes(need->total_bytes, total, sizeof total),
                   str_human_bytes(need->weight_bytes, weights, sizeof weights),
                   str_human_bytes(need->kv_bytes, kv, sizeof kv), (unsigned long long)need->slots,
                   (unsigned long long)need->ctx,
                   str_human_bytes(need->scratch_bytes, scratch, sizeof scratch),
                   str_human_bytes(free_bytes, have, sizeof have));
}
